"""What ours has learned from the observations so far: arrivals, their day and week, idle times, service."""

from dataclasses import dataclass, field, replace

from facefleet.core.boots import slow
from facefleet.core.fleet import Observation, WorkerState
from facefleet.core.scaling.forecast import Arrivals, Season
from facefleet.core.scaling.idle import Idleness, Pace
from facefleet.core.scaling.levels import Levels
from facefleet.core.scaling.persistence import Outlook, Persistence
from facefleet.core.scaling.service import Service

_JUMP = 20.0  # a tick this many times the one before is a clock that jumped or a controller that slept


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A memory of the load. Totals are ours: they only grow, even where the service's are reset or missing.

    Attributes:
        now_s: when it last learned; None before the first observation.
        tick_s: how long after the observation before that was.
        persistence: the trend of the arrivals, and how much of it lasts for a slow boot and a look.
        fallen_from: the total read before totals read zero, as long as they do: one that is back is no rush.
        tried_s: since when there is somebody for the requests that wait or are worked on; None while there is not.
    """

    arrivals: Arrivals = field(default_factory=Arrivals)
    persistence: Persistence = field(default_factory=Persistence)
    seasons: tuple[Season, ...] = ()
    idleness: Idleness = field(default_factory=Idleness)
    levels: Levels = field(default_factory=Levels)
    service: Service = field(default_factory=Service)
    now_s: float | None = None
    tick_s: float = 1.0
    total: int = 0
    tried_s: float | None = None
    read_total: int = 0
    fallen_from: int = 0
    read_finished: int = 0
    read_busy_ms: float = 0.0

    def add(self, seen: Observation, *, slots: int, slo_s: float, regret_s: float, minimum_s: float) -> "Learned":
        """Return what is known after one more observation.

        Args:
            seen: the observation.
            slots: the most requests that can be worked on at once.
            slo_s: how long a request may wait.
            regret_s: what it costs, in worker-seconds, that one who was stopped is back too late. Not the boot: work
                that can wait for it is often done by those who stay.
            minimum_s: what a start is charged with at least.
        """
        read = max(seen.enqueued_total, seen.finished_total + seen.visible + seen.in_flight)
        since = self.fallen_from if 0 < self.fallen_from <= read else self.read_total
        total = self.total + max(0, read - since)
        messages = seen.visible + seen.in_flight
        service = self.service.add(
            seen.finished_total - self.read_finished, (seen.busy_ms_total - self.read_busy_ms) / 1000
        )
        arrivals, tick_s = self.arrivals.add(seen.now_s, total), self._tick_s(seen.now_s)
        horizon_s = seen.boot_s * slow(seen.boot_spread) + tick_s
        trend, mean_hz = arrivals.trend(tick_s), arrivals.within(horizon_s) / horizon_s
        pace = Pace(
            tick_s=tick_s,
            boot_s=max(seen.boot_s, 1e-3),
            reach_s=horizon_s,
            leave_s=max(seen.boot_s, minimum_s, 1e-3),
            patience_s=slo_s + (self.service_s or max(seen.boot_s, 1e-3)),
            apart_s=(self.service_s or 0.0) / max(1, slots),
        )
        return Learned(
            arrivals=arrivals,
            persistence=self.persistence.add(seen.now_s, self.total, total, trend, horizon_s, mean_hz=mean_hz),
            seasons=tuple(season.add(seen.now_s, total) for season in self.seasons),
            idleness=self.idleness.add(
                seen.now_s,
                self.total,
                total,
                busy=messages > 0,
                rate_hz=arrivals.within(pace.leave_s) / pace.leave_s,
                pace=pace,
            ),
            levels=self.levels.add(seen.now_s, min(messages, slots), regret_s),
            now_s=seen.now_s,
            tick_s=tick_s,
            total=total,
            service=service,
            tried_s=self._tried_s(seen.now_s) if messages and seen.count(WorkerState.RUNNING) else None,
            read_total=read,
            fallen_from=0 if seen.enqueued_total or seen.finished_total else max(self.read_total, self.fallen_from),
            read_finished=seen.finished_total,
            read_busy_ms=seen.busy_ms_total,
        )

    @property
    def service_s(self) -> float | None:
        """Mean service time of one request; None before the first."""
        return self.service.mean_s

    def rate_hz(self, ahead_s: float) -> float:
        """Return the requests a second to reckon with `ahead_s` from now, if the load goes on as it is."""
        return max(self.persistence.trend.rate_hz(ahead_s), self._seasonal_hz(ahead_s))

    def lasting_hz(self, ahead_s: float) -> float:
        """Return the same as far as it is believed that the load goes on."""
        return max(self.persistence.lasting_hz(ahead_s), self._seasonal_hz(ahead_s))

    def outlook(self, blind_s: float) -> Outlook:
        """Return what to reckon with in the next seconds; for `blind_s` of them no later order helps."""
        return self.persistence.outlook(blind_s, least_hz=self._seasonal_hz(0.0))

    def _seasonal_hz(self, ahead_s: float) -> float:
        now_s = self.now_s or 0.0
        return max((season.rate_hz(now_s + ahead_s) for season in self.seasons), default=0.0)

    def remembered(self) -> "Learned":
        """Return what was learned of something past, of whose workers nothing is known but how many they were."""
        return replace(self, tried_s=None)

    def _tried_s(self, now_s: float) -> float:
        return now_s if self.tried_s is None else min(self.tried_s, now_s)

    def _tick_s(self, now_s: float) -> float:
        if self.now_s is None or now_s <= self.now_s:
            return self.tick_s
        tick_s = now_s - self.now_s
        return self.tick_s if self.arrivals.known_s and tick_s > _JUMP * self.tick_s else tick_s
