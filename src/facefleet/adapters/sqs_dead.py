"""The dead-letter queue: what was given up, with the reason; listed by looking at it, as the AWS console does.

SQS has no way to read a queue without receiving. A look hides the letters for a moment and then shows them again, so
two looks at a time may each see a part; and the whole queue is received for every page, which suits some hundreds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facefleet.adapters.aws import Aws

_LOOK_S = 10
_BATCH = 10
_REASON, _RECEIVES, _DIED = "reason", "receives", "died"


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A message that was given up."""

    handle: str
    body: str
    receives: int
    reason: str
    died_s: float


class DeadLetters:
    """The dead-letter queue at `url`."""

    def __init__(self, aws: Aws, url: str) -> None:
        self._aws = aws
        self._url = url
        self._resource = f"the queue {url.rsplit('/', 1)[1]}"
        self._looking = asyncio.Lock()

    async def bury(self, body: str, *, receives: int, reason: str, died_s: float) -> None:
        """Put a message to the dead."""
        attributes = {
            _REASON: {"DataType": "String", "StringValue": reason},
            _RECEIVES: {"DataType": "Number", "StringValue": str(receives)},
            _DIED: {"DataType": "Number", "StringValue": f"{died_s:.3f}"},
        }
        await self._call("send_message", MessageBody=body, MessageAttributes=attributes)

    async def letters(self) -> list[Letter]:
        """Return all that are there, oldest first; they stay."""
        async with self._looking:
            found = await self._receive_all()
            await self._show(found)
        return sorted(found, key=lambda letter: letter.died_s)

    async def take(self, wanted: Callable[[Letter], bool], then: Callable[[Letter], Awaitable[None]]) -> None:
        """Do something with the letters that are wanted and delete them."""
        async with self._looking:
            found = await self._receive_all()
            chosen = [letter for letter in found if wanted(letter)]
            await self._show([letter for letter in found if letter not in chosen])
            for letter in chosen:
                await then(letter)
                await self._call("delete_message", ReceiptHandle=letter.handle)

    async def _receive_all(self) -> list[Letter]:
        """Receive until nothing new comes: of very many the first are shown again before the last were seen."""
        found: dict[str, Letter] = {}
        while True:
            answer = await self._call(
                "receive_message",
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=_LOOK_S,
                WaitTimeSeconds=0,
                AttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            )
            received = {message["MessageId"]: _letter(message) for message in answer.get("Messages", [])}
            new = received.keys() - found.keys()
            found |= received
            if not new:
                return list(found.values())

    async def _show(self, letters: Sequence[Letter]) -> None:
        for start in range(0, len(letters), _BATCH):
            entries = [
                {"Id": str(n), "ReceiptHandle": letter.handle, "VisibilityTimeout": 0}
                for n, letter in enumerate(letters[start : start + _BATCH])
            ]
            await self._call("change_message_visibility_batch", Entries=entries)

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self._aws.call("sqs", operation, self._resource, QueueUrl=self._url, **parameters)


def _letter(message: Mapping[str, Any]) -> Letter:
    said = {name: one["StringValue"] for name, one in message.get("MessageAttributes", {}).items()}
    sent_s = int(message["Attributes"]["SentTimestamp"]) / 1000
    return Letter(
        handle=message["ReceiptHandle"],
        body=message["Body"],
        receives=int(said.get(_RECEIVES, 0)),
        reason=said.get(
            _REASON, "Moved by SQS under the redrive policy of its queue; last by a worker it does not name."
        ),
        died_s=float(said.get(_DIED, sent_s)),
    )
