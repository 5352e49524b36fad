"""Receiving from two queues, the lanes, by turns that let neither starve.

Interactive requests go first. Once a bulk one may have waited for `BULK_HANDICAP_S`, the bulk queue goes first every
other time, for as long as what comes from it has waited that long. SQS has no order beyond that.

A worker that waits polls both queues at a time. A poll cannot be taken back, so what a second one brings is kept for
the next call. What was kept for long is hidden anew before it is given out, or forgotten if somebody else has it by
now: merely to forget it would count as an attempt that failed.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from facefleet.adapters.aws import Aws
from facefleet.adapters.aws_errors import AwsRefusal
from facefleet.core.jobs import BULK_HANDICAP_S, Lane
from facefleet.errors import Unavailable

# Most messages of one receive, and its wait: AWS's shortest long poll, so that a worker soon sees that it shall drain.
_BATCH = 10
_POLL_S = 1
# What AWS says of a receipt handle of an earlier receive, or of a message that was deleted or purged.
NOT_OURS = frozenset({"InvalidParameterValue", "ReceiptHandleIsInvalid"})
# What it says when the lease ran out, but nobody has received the message since.
VISIBLE = frozenset({"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message in this process's hands.

    Attributes:
        receives: how often it has been received, this time included.
        sent_s, received_s: Unix time by the queue's clock, and by ours.
    """

    lane: Lane
    handle: str
    body: str
    receives: int
    sent_s: float
    received_s: float


class Lanes:
    """The two request queues, as their consumers see them.

    Args:
        urls: of the queues.
        lease_s: for how long a message is hidden from others.
        now_s: Unix time.
    """

    def __init__(self, aws: Aws, urls: Mapping[Lane, str], *, lease_s: float, now_s: Callable[[], float]) -> None:
        self._aws = aws
        self._urls = urls
        self._lease_s = lease_s
        self._now_s = now_s
        self._stock: list[Message] = []
        self._polls: dict[Lane, asyncio.Task[list[Message]]] = {}
        self._bulk_due_s = now_s() + BULK_HANDICAP_S
        self._bulk_went_first = False

    async def take(self, limit: int, *, wait_s: float) -> list[Message]:
        """Receive up to `limit` messages; waiting for the first, but no longer than one poll."""
        self._collect()
        if not self._stock and wait_s > 0:
            await self._poll(limit, wait_s)
        elif wait_s <= 0:
            for lane in self._order():
                if len(self._stock) < limit:
                    received = await self._receive(lane, limit - len(self._stock), wait_s=0)
                    self._stock += received  # others may have taken from it meanwhile
        taken, self._stock = self._stock[:limit], self._stock[limit:]
        try:
            held = await asyncio.gather(*(self._renewed(message) for message in taken))
        except Unavailable:
            self.keep(taken)
            raise
        return [message for message in held if message is not None]

    def keep(self, messages: Sequence[Message]) -> None:
        """Keep messages for the next call."""
        self._stock = [*messages, *self._stock]

    async def hide(self, lane: Lane, handle: str, seconds: float) -> None:
        """Set for how long from now a message is hidden from others.

        Raises:
            AwsRefusal: the handle is not good any more.
        """
        await self._aws.call(
            "sqs",
            "change_message_visibility",
            self.resource(lane),
            QueueUrl=self._urls[lane],
            ReceiptHandle=handle,
            VisibilityTimeout=math.ceil(seconds),
        )

    async def delete(self, lane: Lane, handle: str) -> None:
        """Delete a message."""
        await self._aws.call(
            "sqs", "delete_message", self.resource(lane), QueueUrl=self._urls[lane], ReceiptHandle=handle
        )

    async def send(self, lane: Lane, body: str) -> None:
        """Send a message."""
        await self._aws.call("sqs", "send_message", self.resource(lane), QueueUrl=self._urls[lane], MessageBody=body)

    async def close(self) -> None:
        """Wait for the polls under way and give back what they and earlier ones brought."""
        polled = await asyncio.gather(*self._polls.values(), return_exceptions=True)
        brought = [message for messages in polled if isinstance(messages, list) for message in messages]
        await asyncio.gather(*(self._give_back(message) for message in [*self._stock, *brought]))

    def resource(self, lane: Lane) -> str:
        """Return the name of a lane's queue for a sentence."""
        return f"the queue {self._urls[lane].rsplit('/', 1)[1]}"

    def _order(self) -> tuple[Lane, Lane]:
        self._bulk_went_first = not self._bulk_went_first and self._now_s() >= self._bulk_due_s
        return (Lane.BULK, Lane.INTERACTIVE) if self._bulk_went_first else (Lane.INTERACTIVE, Lane.BULK)

    async def _poll(self, limit: int, wait_s: float) -> None:
        for lane in Lane:
            if lane not in self._polls:
                self._polls[lane] = asyncio.create_task(self._receive(lane, limit, wait_s=_POLL_S), name=f"poll {lane}")
        await asyncio.wait(self._polls.values(), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        self._collect()

    def _collect(self) -> None:
        for lane in [lane for lane, poll in self._polls.items() if poll.done()]:
            self._stock += self._polls.pop(lane).result()

    async def _give_back(self, message: Message) -> None:
        with suppress(Unavailable):  # then its lease runs out
            await self.hide(message.lane, message.handle, 0)

    async def _renewed(self, message: Message) -> Message | None:
        """Return a message that stays hidden for most of a term, None if it cannot be had."""
        now_s = self._now_s()
        if now_s - message.received_s < self._lease_s / 3:
            return message
        try:
            await self.hide(message.lane, message.handle, self._lease_s)
        except AwsRefusal as error:
            if error.code in NOT_OURS | VISIBLE:
                return None
            raise
        return replace(message, received_s=now_s)

    async def _receive(self, lane: Lane, limit: int, *, wait_s: int) -> list[Message]:
        found = await self._aws.call(
            "sqs",
            "receive_message",
            self.resource(lane),
            QueueUrl=self._urls[lane],
            MaxNumberOfMessages=min(limit, _BATCH),
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=math.ceil(self._lease_s),
            AttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        now_s = self._now_s()
        messages = [_message(lane, one, now_s) for one in found.get("Messages", [])]
        if lane is Lane.BULK:
            oldest_s = min((message.sent_s for message in messages), default=now_s)
            self._bulk_due_s = max(now_s, oldest_s + BULK_HANDICAP_S)
        return messages


def _message(lane: Lane, found: Mapping[str, Any], now_s: float) -> Message:
    attributes = found["Attributes"]
    return Message(
        lane=lane,
        handle=found["ReceiptHandle"],
        body=found["Body"],
        receives=int(attributes["ApproximateReceiveCount"]),
        sent_s=int(attributes["SentTimestamp"]) / 1000,
        received_s=now_s,
    )
