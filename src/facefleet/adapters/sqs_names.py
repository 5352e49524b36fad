"""The queues behind one `sqs://REQUESTS`: two lanes, their dead letters, and a response queue for each web node.

Queues that exist are used as they are. The request queue itself is made only if that was asked for, because a misspelt
name must not become a queue; those beside it are ours and are made when they are absent.
"""

import json
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from facefleet.adapters.aws import Aws
from facefleet.adapters.aws_errors import AwsRefusal
from facefleet.core.jobs import Lane

# What a request may weigh: the course's limit, and a claim check never needs more.
REQUEST_BYTES = 1024
_ABSENT = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
# AWS's longest: a dead letter waits for a person. Of one that SQS itself moved it counts from when the job was sent.
DEAD_RETENTION_S = 14 * 86_400
# AWS's shortest: an answer whose client has left is nobody's.
RESPONSE_RETENTION_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Queues:
    """Names and URLs of the queues that requests go through."""

    name: str
    lanes: dict[Lane, str]
    dead: str


async def open_queues(
    aws: Aws, name: str, *, lease_s: float, max_receives: int, create: bool, undo: AsyncExitStack
) -> Queues:
    """Find the request queues and make those that are absent.

    Args:
        create: whether the request queue itself may be made.
        undo: learns how to delete what was made.

    Raises:
        AwsRefusal: the request queue does not exist (and `create` is false), or AWS refuses something.
    """
    requests = await find(aws, name)
    if requests is None and not create:
        raise AwsRefusal(
            f"AWS knows no queue {name} in this region: check its name and AWS_REGION, or let --create make it "
            "(asked by sqs:GetQueueUrl).",
            _ABSENT[0],
        )
    dead_name = await _dead_letters_of(aws, name, requests) or f"{name}-dead"
    dead = await find(aws, dead_name) or await _make(
        aws, dead_name, {"MessageRetentionPeriod": str(DEAD_RETENTION_S)}, undo=undo
    )
    # Jobs are given up by whoever receives them once too often, with reason and notice to the client; the redrive
    # policy is the net beneath, for a message that kills even that.
    policy = {"deadLetterTargetArn": await _arn(aws, dead), "maxReceiveCount": str(max_receives + 1)}
    attributes = {
        "VisibilityTimeout": str(math.ceil(lease_s)),
        "MaximumMessageSize": str(REQUEST_BYTES),
        "RedrivePolicy": json.dumps(policy),
    }
    requests = requests or await _make(aws, name, attributes, undo=undo)
    bulk = await find(aws, f"{name}-bulk") or await _make(aws, f"{name}-bulk", attributes, undo=undo)
    return Queues(name=name, lanes={Lane.INTERACTIVE: requests, Lane.BULK: bulk}, dead=dead)


async def find(aws: Aws, name: str) -> str | None:
    """Return a queue's URL, None if there is no such queue."""
    try:
        found = await aws.call("sqs", "get_queue_url", f"the queue {name}", QueueName=name)
    except AwsRefusal as error:
        if error.code in _ABSENT:
            return None
        raise
    return str(found["QueueUrl"])


async def open_response_queue(aws: Aws, name: str, *, tags: dict[str, str]) -> str:
    """Return the URL of a response queue, made if absent."""
    attributes = {"MessageRetentionPeriod": str(RESPONSE_RETENTION_S)}
    return await find(aws, name) or await _make(aws, name, attributes, tags=tags, undo=None)


async def _make(
    aws: Aws, name: str, attributes: dict[str, str], *, tags: dict[str, str] | None = None, undo: AsyncExitStack | None
) -> str:
    found = await aws.call(
        "sqs", "create_queue", f"the queue {name}", QueueName=name, Attributes=attributes, tags=tags or {}
    )
    if undo is not None:
        undo.push_async_callback(aws.call, "sqs", "delete_queue", f"the queue {name}", QueueUrl=found["QueueUrl"])
    return str(found["QueueUrl"])


async def _dead_letters_of(aws: Aws, name: str, url: str | None) -> str | None:
    """Return the name of the dead-letter queue that an existing queue already has."""
    if url is None:
        return None
    policy = (await _attributes(aws, name, url, "RedrivePolicy")).get("RedrivePolicy")
    return None if policy is None else str(json.loads(policy)["deadLetterTargetArn"]).rsplit(":", 1)[1]


async def _arn(aws: Aws, url: str) -> str:
    return str((await _attributes(aws, _name(url), url, "QueueArn"))["QueueArn"])


async def _attributes(aws: Aws, name: str, url: str, attribute: str) -> dict[str, Any]:
    found = await aws.call("sqs", "get_queue_attributes", f"the queue {name}", QueueUrl=url, AttributeNames=[attribute])
    return dict(found.get("Attributes", {}))


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]
