"""The last few seconds of a number, as scaling rules remember it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Readings, oldest first, no older than the span they were added with."""

    readings: tuple[tuple[float, float], ...] = ()

    def add(self, now_s: float, value: float, *, span_s: float) -> "Window":
        """Return the window with one more reading and without those outside the span.

        Readings from the future, which a clock set back leaves behind, go too.
        """
        kept = tuple(reading for reading in self.readings if now_s - span_s < reading[0] <= now_s)
        return Window((*kept, (now_s, value)))

    def mean(self, *, since_s: float) -> float:
        """Return the mean of the readings after `since_s`; of the last one if there is none."""
        recent = [value for at, value in self.readings if at > since_s] or [self.readings[-1][1]]
        return sum(recent) / len(recent)

    def peak(self) -> float:
        """Return the highest reading."""
        return max(value for _, value in self.readings)
