"""moto as AWS: a server in a thread, stricter than moto where AWS is, and a time that passes when a test says so."""

import logging
import os
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from unittest.mock import patch

import boto3
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.server import ThreadedMotoServer
from moto.sqs import models as sqs_models
from moto.sqs.exceptions import ReceiptHandleIsInvalid

REGION = "us-east-1"
PENDING_S = 3.0
STOPPING_S = 2.0


class EmulatedAws:
    """SQS, S3 and EC2 on this machine; while it runs, the process's AWS variables point at it."""

    def __init__(self):
        self._passed_s = 0.0
        self._changing = threading.Lock()  # moto says "running" for a moment where we say "pending"
        self._moving = threading.Event()
        self._moving.set()
        self.without_capacity = lambda instance_type: False
        # Instances that do not start again, and such as may be neither stopped nor terminated, or cannot be stopped.
        self.sold_out, self.protected, self.kept, self.one_time = set(), set(), set(), set()
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
        # moto serves from many threads and locks nothing: two might receive the same message, and since it deletes
        # by making a new list, what another thread deletes or sends meanwhile would be undone.
        lock = threading.RLock()
        backend = sqs_models.SQSBackend
        self._patches.enter_context(
            patch.object(backend, "change_message_visibility", _locked(lock, _strict_visibility))
        )
        self._patches.enter_context(patch.object(backend, "receive_message", _receiving(lock, backend.receive_message)))
        for name in ("add_message", "delete_message"):
            original = getattr(sqs_models.Queue, name)
            self._patches.enter_context(patch.object(sqs_models.Queue, name, _locked(lock, original)))
        self.changes = []
        for name in ("start", "stop", "terminate"):
            self._patches.enter_context(patch.object(Instance, name, self._slowed(getattr(Instance, name))))
        for name in ("run_instances", "start_instances", "stop_instances", "terminate_instances"):
            original = getattr(InstanceBackend, name)
            self._patches.enter_context(patch.object(InstanceBackend, name, getattr(self, f"_{name}")(original)))
        return self

    def __exit__(self, *_):
        self._patches.close()
        self._server.stop()

    def now_s(self):
        """Unix time, with what was let pass."""
        return time.time() + self._passed_s

    def launch_template(self, name):
        """Make a launch template that moto accepts."""
        ec2 = self.client("ec2")
        image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        data = {"ImageId": image, "InstanceType": "c7i.large"}
        ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)

    def instances(self, name):
        """The instances of this name prefix that moto holds, terminated ones included.

        From copies: meanwhile the server's threads launch and tag.
        """
        backend = get_backend("ec2")[DEFAULT_ACCOUNT_ID][REGION]
        return [
            instance
            for reservation in list(backend.reservations.values())
            for instance in list(reservation.instances)
            if dict(backend.tags.get(instance.id, {})).get("Name", "").startswith(f"{name}-")
        ]

    def states(self, name):
        """The state of each instance of this name prefix."""
        with self._changing:
            return {instance.id: instance.state for instance in self.instances(name)}

    @contextmanager
    def standing_still(self):
        """Keep every instance that is on its way there, for a test that looks at it."""
        self._moving.clear()
        try:
            yield
        finally:
            self._moving.set()

    def _slowed(self, original):
        """EC2 takes its time: on the way an instance is in a state of its own."""
        way, delay_s, end = {
            "start": (("pending", 0), PENDING_S, ("running", 16)),
            "stop": (("stopping", 64), STOPPING_S, ("stopped", 80)),
            "terminate": (("shutting-down", 32), STOPPING_S, ("terminated", 48)),
        }[original.__name__]

        def slowly(instance):
            with self._changing:
                before = original(instance)
                self._pass_through(instance, way, delay_s, end)
            return before

        return slowly

    def _pass_through(self, instance, way, delay_s, end):
        instance._state.name, instance._state.code = way
        self.changes.append((instance.id, way[0]))

        def arrive():
            self._moving.wait()
            if instance._state.name == way[0]:
                instance._state.name, instance._state.code = end
                self.changes.append((instance.id, end[0]))

        timer = threading.Timer(delay_s, arrive)
        timer.daemon = True
        timer.start()

    def _run_instances(self, original):
        def launch(backend, *args, **options):
            if self.without_capacity(options.get("instance_type")):
                raise EC2ClientError("InsufficientInstanceCapacity", "We currently do not have sufficient capacity.")
            with self._changing:
                reservation = original(backend, *args, **options)
                for instance in reservation.instances:
                    self._pass_through(instance, ("pending", 0), PENDING_S, ("running", 16))
            return reservation

        return launch

    def _start_instances(self, original):
        return _unless(
            self.sold_out,
            ("InsufficientInstanceCapacity", "We currently do not have sufficient capacity."),
            _only_from("stopped", original),
        )

    def _stop_instances(self, original):
        stop = _unless(
            self.protected,
            ("OperationNotPermitted", "The instance may not be stopped. Modify its 'disableApiStop' attribute."),
            _only_from("running", original),
        )
        return _unless(
            self.one_time,
            ("UnsupportedOperation", "You can't stop the Spot Instance: its Spot Instance request is a one-time one."),
            stop,
        )

    def _terminate_instances(self, original):
        return _unless(
            self.kept,
            (
                "OperationNotPermitted",
                "The instance may not be terminated. Modify its 'disableApiTermination' attribute.",
            ),
            original,
        )

    def elapse(self, seconds):
        """Let time pass for the queues, and for what is in the buckets."""
        self._passed_s += seconds
        for bucket in get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets.values():
            for key in bucket.keys.values():
                key.last_modified -= timedelta(seconds=seconds)

    def client(self, service):
        """A client of the test's own."""
        return boto3.client(service, region_name=REGION)


def _unless(refused, error, original):
    """AWS refuses the whole call if it refuses one of its instances."""

    def checked(backend, instance_ids):
        if refused.intersection(instance_ids):
            raise EC2ClientError(*error)
        return original(backend, instance_ids)

    return checked


def _only_from(state, original):
    """AWS refuses the whole call if one instance is in another state."""

    def checked(backend, instance_ids):
        for instance in backend.get_multi_instances_by_id(instance_ids):
            if instance.state != state:
                raise EC2ClientError(
                    "IncorrectInstanceState",
                    f"The instance '{instance.id}' is not in a state for it: {instance.state}.",
                )
        return original(backend, instance_ids)

    return checked


def _locked(lock, original):
    def locked(*args, **options):
        with lock:
            return original(*args, **options)

    return locked


def _receiving(lock, original):
    def receive(backend, queue_name, count, wait_seconds_timeout, visibility_timeout, message_attribute_names=None):
        until_s = time.monotonic() + (wait_seconds_timeout or 0)
        while True:
            with lock:
                found = original(backend, queue_name, count, 0, visibility_timeout, message_attribute_names)
            left_s = until_s - time.monotonic()
            if found or left_s <= 0:
                return found
            backend.get_queue(queue_name).wait_for_messages(min(1.0, left_s))

    return receive


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
