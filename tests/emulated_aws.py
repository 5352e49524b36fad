"""moto as AWS: a server in a thread, stricter than moto where AWS is, and a time that passes when a test says so."""

import logging
import os
import time
from contextlib import ExitStack
from datetime import timedelta
from unittest.mock import patch

import boto3
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from moto.sqs import models as sqs_models
from moto.sqs.exceptions import ReceiptHandleIsInvalid

REGION = "us-east-1"


class EmulatedAws:
    """SQS, S3 and EC2 on this machine; while it runs, the process's AWS variables point at it."""

    def __init__(self):
        self._passed_s = 0.0
        self._patches = ExitStack()

    def __enter__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "emulated",
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }
        self._patches.enter_context(patch.dict(os.environ, self.environment))
        self._patches.enter_context(patch.object(sqs_models, "unix_time_millis", lambda: self.now_s() * 1000))
        self._patches.enter_context(
            patch.object(sqs_models.SQSBackend, "change_message_visibility", _strict_visibility)
        )
        return self

    def __exit__(self, *_):
        self._patches.close()
        self._server.stop()

    def now_s(self):
        """Unix time, with what was let pass."""
        return time.time() + self._passed_s

    def elapse(self, seconds):
        """Let time pass for the queues, and for what is in the buckets."""
        self._passed_s += seconds
        for bucket in get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets.values():
            for key in bucket.keys.values():
                key.last_modified -= timedelta(seconds=seconds)

    def client(self, service):
        """A client of the test's own."""
        return boto3.client(service, region_name=REGION)


def _strict_visibility(backend, queue_name, receipt_handle, visibility_timeout):
    """AWS refuses a receipt handle of an earlier receive, and one whose message is visible again; moto takes both."""
    for message in backend.get_queue(queue_name)._messages:
        if message.receipt_handle == receipt_handle:
            if message.visible:
                raise _MessageNotInflight
            message.change_visibility(int(visibility_timeout))
            return
    raise ReceiptHandleIsInvalid


class _MessageNotInflight(ReceiptHandleIsInvalid):
    def __init__(self):
        super().__init__()
        self.error_type = self.code = "MessageNotInflight"
