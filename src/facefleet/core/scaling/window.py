"""The last few seconds of a number, as scaling rules remember it."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter

_AT_S: Callable[[tuple[float, float]], float] = itemgetter(0)
_VALUE: Callable[[tuple[float, float]], float] = itemgetter(1)


@dataclass(frozen=True)
class Window:
    """Readings, oldest first, no older than the span they were added with."""

    readings: tuple[tuple[float, float], ...] = ()

    def add(self, now_s: float, value: float, *, span_s: float) -> "Window":
        """Return the window with one more reading and without those outside the span.

        Readings from the future, which a clock set back leaves behind, go too.
        """
        return Window((*self.within(now_s - span_s, now_s), (now_s, value)))

    def within(self, after_s: float, until_s: float) -> tuple[tuple[float, float], ...]:
        """Return the readings after a moment, until another."""
        return self.readings[
            bisect_right(self.readings, after_s, key=_AT_S) : bisect_right(self.readings, until_s, key=_AT_S)
        ]

    def mean(self, *, since_s: float) -> float:
        """Return the mean of the readings after `since_s`; of the last one if there is none."""
        recent = self.within(since_s, math.inf) or self.readings[-1:]
        return sum(map(_VALUE, recent)) / len(recent)

    def peak(self) -> float:
        """Return the highest reading."""
        return max(map(_VALUE, self.readings))

    def trough(self, *, since_s: float) -> float:
        """Return the lowest reading since then, of the last one at least."""
        first = bisect_left(self.readings, since_s, key=_AT_S)
        return min(map(_VALUE, self.readings[first:] or self.readings[-1:]))
