"""Calls to AWS that block, for the command line; what goes wrong is one sentence (`aws_errors`)."""

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from facefleet.adapters.aws_errors import AwsRefusal, refusal

# Ten minutes: an instance that stops its services takes two at the most.
_PATIENCE = {"Delay": 3, "MaxAttempts": 200}


class Calls:
    """The account that the credentials open.

    Args:
        region: None asks the AWS profile.

    Raises:
        AwsRefusal: there is no such AWS profile.
    """

    def __init__(self, region: str | None) -> None:
        try:
            self._session: Any = boto3.session.Session(region_name=region)
        except BotoCoreError as error:
            raise _refusal(error, "sts", "get_caller_identity", "the account") from error
        self._clients: dict[str, Any] = {}

    @property
    def region(self) -> str | None:
        """The region, if any is set."""
        found: str | None = self._session.region_name
        return found

    def call(self, service: str, operation: str, resource: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation; `resource` is what is operated on, for the sentence of an error.

        Raises:
            AwsRefusal: AWS said no, or could not be asked.
        """
        try:
            found: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
        except (BotoCoreError, ClientError) as error:
            raise _refusal(error, service, operation, resource) from error
        return found

    def pages(self, service: str, operation: str, resource: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Call an operation for all its pages.

        Raises:
            AwsRefusal: see `call`.
        """
        try:
            yield from self._client(service).get_paginator(operation).paginate(**parameters)
        except (BotoCoreError, ClientError) as error:
            raise _refusal(error, service, operation, resource) from error

    def await_termination(self, instances: list[str]) -> None:
        """Wait until these EC2 instances are gone.

        Raises:
            AwsRefusal: they do not go.
        """
        if not instances:
            return
        try:
            self._client("ec2").get_waiter("instance_terminated").wait(InstanceIds=instances, WaiterConfig=_PATIENCE)
        except WaiterError as error:
            raise AwsRefusal(f"The instances {' '.join(instances)} do not terminate: {error}") from error

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service)
        return self._clients[service]


def _refusal(error: BotoCoreError | ClientError, service: str, operation: str, resource: str) -> AwsRefusal:
    name = "".join(word.capitalize() for word in operation.split("_"))
    return refusal(error, service=service, operation=name, resource=resource)
