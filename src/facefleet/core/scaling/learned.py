"""What ours has learned from the observations so far: arrivals, their day and week, idle times, service time."""

from dataclasses import dataclass, replace

from facefleet.core.fleet import Observation
from facefleet.core.scaling.forecast import Arrivals, Season
from facefleet.core.scaling.idle import Idleness
from facefleet.core.scaling.levels import Levels

_STEADY = 200  # requests after which old service times begin to be forgotten


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A memory of the load. Totals are ours: they only grow, even where the service's are reset or missing.

    Attributes:
        now_s: when it last learned; None before the first observation.
        tick_s: how long ago the observation before that was.
        service_s, measured: mean service time of one request, and how many it is the mean of.
    """

    arrivals: Arrivals = Arrivals()
    seasons: tuple[Season, ...] = ()
    idleness: Idleness = Idleness()
    levels: Levels = Levels()
    now_s: float | None = None
    tick_s: float = 1.0
    total: int = 0
    service_s: float | None = None
    measured: int = 0
    read_total: int = 0
    read_finished: int = 0
    read_busy_ms: float = 0.0

    def add(self, seen: Observation, slots: int) -> "Learned":
        """Return what is known after one more observation, of a fleet of at most `slots`."""
        read = max(seen.enqueued_total, seen.finished_total + seen.visible + seen.in_flight)
        total = self.total + max(0, read - self.read_total)
        forward = self.now_s is not None and seen.now_s > self.now_s
        tick_s = seen.now_s - self.now_s if self.now_s is not None and forward else self.tick_s
        if tick_s > _JUMP * self.tick_s and self.now_s is not None and self.arrivals.known_s:
            tick_s = self.tick_s
        busy = seen.visible + seen.in_flight > 0
        service_s, measured = self._service(seen)
        return replace(
            self,
            arrivals=self.arrivals.add(seen.now_s, total),
            seasons=tuple(season.add(seen.now_s, total) for season in self.seasons),
            idleness=self.idleness.add(seen.now_s, self.total, total, busy=busy, boot_s=seen.boot_s),
            levels=self.levels.add(seen.now_s, min(seen.visible + seen.in_flight, slots), seen.boot_s),
            now_s=seen.now_s,
            tick_s=tick_s,
            total=total,
            service_s=service_s,
            measured=measured,
            read_total=read,
            read_finished=seen.finished_total,
            read_busy_ms=seen.busy_ms_total,
        )

    def rate_hz(self, ahead_s: float) -> float:
        """Return the requests a second to reckon with `ahead_s` from now."""
        now_s = self.now_s or 0.0
        seasonal = max((season.rate_hz(now_s + ahead_s) for season in self.seasons), default=0.0)
        return max(self.arrivals.rate_hz(ahead_s, self.tick_s), seasonal)

    def _service(self, seen: Observation) -> tuple[float | None, int]:
        """Average over all requests at first, over the last 200 or so later on."""
        count = seen.finished_total - self.read_finished
        spent_s = (seen.busy_ms_total - self.read_busy_ms) / 1000
        if count <= 0 or spent_s <= 0:
            return self.service_s, self.measured
        measured = min(self.measured + count, max(_STEADY, count))
        before = self.service_s or 0.0
        return before + (spent_s - count * before) / measured, measured


_JUMP = 20.0  # a tick this many times the last one is a clock that jumped or a controller that slept
