"""Reading how long an SQS queue is. Its counts are approximate, lag, and now and then are plainly wrong.

One odd reading must change nothing, and that is SQS's affair, not the controller's (PostgreSQL counts exactly), so
readings are steadied here: the median of the last three. A real change shows one reading late.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from statistics import median_low
from typing import NamedTuple

from facefleet.adapters.aws import Aws
from facefleet.core.jobs import Lane

_READINGS = 3


class Reading(NamedTuple):
    """What the queues say they hold."""

    visible: int
    in_flight: int
    dead: int


class Steady:
    """The median of the last three readings, each number by itself; until there are three, the newest."""

    def __init__(self) -> None:
        self._last: deque[Reading] = deque(maxlen=_READINGS)

    def take(self, reading: Reading) -> Reading:
        """Take a reading in; return what to believe."""
        self._last.append(reading)
        if len(self._last) < _READINGS:
            return reading
        return Reading(*(median_low(numbers) for numbers in zip(*self._last, strict=True)))

    def forget(self) -> None:
        """Begin anew, after something that surely changed the queues."""
        self._last.clear()


class Counter:
    """Counts the messages of the request queues and of the dead letters."""

    def __init__(self, aws: Aws, urls: Mapping[Lane, str], dead: str) -> None:
        self._aws = aws
        self._urls = [*urls.values(), dead]
        self._steady = Steady()

    async def read(self) -> Reading:
        """Return what to believe about the queues."""
        return self._steady.take(await self.read_once())

    async def read_once(self) -> Reading:
        """Return what the queues say now."""
        *lanes, dead = await asyncio.gather(*(self._count(url) for url in self._urls))
        visible, in_flight = (sum(numbers) for numbers in zip(*lanes, strict=True))
        return Reading(visible=visible, in_flight=in_flight, dead=sum(dead))

    def forget(self) -> None:
        """Believe the next reading, whatever it is."""
        self._steady.forget()

    async def _count(self, url: str) -> tuple[int, int]:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = await self._aws.call(
            "sqs",
            "get_queue_attributes",
            f"the queue {url.rsplit('/', 1)[1]}",
            QueueUrl=url,
            AttributeNames=list(names),
        )
        visible, hidden = (int(found["Attributes"][name]) for name in names)
        return visible, hidden
