"""AWS clients for asyncio: boto3 blocks, so each call runs in one of a bounded number of threads.

Credentials, profile and endpoint come from where boto3 looks for them; nothing of that kind is a setting of ours.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facefleet.adapters.aws_errors import refusal

# Two long polls of a worker or one of a web node, and as many short calls as 100 clients at once keep going.
_THREADS = 24
# Longer than the longest poll (20 s). Throttling and lost connections are retried with growing, jittered pauses.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=_THREADS,
    retries={"mode": "standard", "total_max_attempts": 6},
)


class Aws:
    """The account that the credentials open; clients are made once and shared.

    Args:
        region: None asks the profile.
    """

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aws")
        self._clients: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def region(self) -> str | None:
        """The region, if any is set, be it by the profile."""
        found: str | None = self._session.region_name
        return found

    async def call(self, service: str, operation: str, resource: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation.

        Args:
            service: `sqs`, `s3`, `ec2`.
            operation: boto3's name, `receive_message`.
            resource: what is operated on, for the sentence of an error: `the queue REQUESTS`.

        Raises:
            AwsRefusal: AWS said no, or could not be asked.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(self._call, service, operation, resource, parameters))

    def _call(self, service: str, operation: str, resource: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
        except (BotoCoreError, ClientError) as error:
            name = "".join(word.capitalize() for word in operation.split("_"))
            raise refusal(error, service=service, operation=name, resource=resource) from error
        return found

    @cached_property
    def _session(self) -> Any:
        return boto3.session.Session(region_name=self._region)  # made by the first call, which tells what is wrong

    def _client(self, service: str) -> Any:
        # Two threads may both make one; either serves.
        if service not in self._clients:
            self._clients[service] = self._session.client(service, config=_CONFIG)
        return self._clients[service]
