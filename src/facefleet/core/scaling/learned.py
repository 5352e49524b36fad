"""What ours has learned from the observations so far: arrivals, their day and week, idle times, service, boots."""

import math
from dataclasses import dataclass, field, replace
from statistics import fmean

from facefleet.core.fleet import Observation, WorkerState
from facefleet.core.scaling.forecast import Arrivals, Season
from facefleet.core.scaling.idle import Idleness, Pace
from facefleet.core.scaling.levels import Levels
from facefleet.core.scaling.persistence import Outlook, Persistence

_STEADY = 1000  # requests after which old service times begin to be forgotten
_JUMP = 20.0  # a tick this many times the one before is a clock that jumped or a controller that slept
_BOOTS = 32  # boots remembered
_GUESSED_BOOTS = (0.75, 0.92, 1.08, 1.25)  # relative to the mean, among the first that are measured
_SLOW_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A memory of the load. Totals are ours: they only grow, even where the service's are reset or missing.

    Attributes:
        now_s: when it last learned; None before the first observation.
        tick_s: how long after the observation before that was.
        persistence: the trend of the arrivals, and how much of it lasts for a slow boot and a look.
        service_s, measured: mean service time of one request, None before the first, and how many it is the mean of.
        tried_s: since when there is somebody for the requests that wait or are worked on; None while there is not.
        booting: (worker, since when) of those last seen pending.
        running: workers last seen running; None where nobody looked, as before the first look and after a history.
        boots_s: how long the latest boots took.
        spread: these relative to their mean, ascending, some guesses among them while there are few.
    """

    arrivals: Arrivals = field(default_factory=Arrivals)
    persistence: Persistence = field(default_factory=Persistence)
    seasons: tuple[Season, ...] = ()
    idleness: Idleness = field(default_factory=Idleness)
    levels: Levels = field(default_factory=Levels)
    now_s: float | None = None
    tick_s: float = 1.0
    total: int = 0
    service_s: float | None = None
    measured: int = 0
    tried_s: float | None = None
    booting: tuple[tuple[str, float], ...] = ()
    running: frozenset[str] | None = None
    boots_s: tuple[float, ...] = ()
    spread: tuple[float, ...] = _GUESSED_BOOTS
    read_total: int = 0
    read_finished: int = 0
    read_busy_ms: float = 0.0

    def add(self, seen: Observation, *, slots: int, slo_s: float, regret_s: float) -> "Learned":
        """Return what is known after one more observation.

        Args:
            seen: the observation.
            slots: the most requests that can be worked on at once.
            slo_s: how long a request may wait.
            regret_s: what it costs, in worker-seconds, that one who was stopped is back too late. Not the boot: work
                that can wait for it is often done by those who stay.
        """
        read = max(seen.enqueued_total, seen.finished_total + seen.visible + seen.in_flight)
        total = self.total + max(0, read - self.read_total)
        messages = seen.visible + seen.in_flight
        service_s, measured = self._service(seen)
        arrivals, tick_s = self.arrivals.add(seen.now_s, total), self._tick_s(seen.now_s)
        horizon_s = seen.boot_s * self.slow_boot + tick_s
        pace = Pace(
            tick_s=tick_s,
            boot_s=max(seen.boot_s, 1e-3),
            reach_s=horizon_s,
            patience_s=slo_s + (self.service_s or max(seen.boot_s, 1e-3)),
            apart_s=(self.service_s or 0.0) / max(1, slots),
        )
        running = frozenset(worker.worker_id for worker in seen.those(WorkerState.RUNNING))
        began = self.running is not None and not running <= self.running
        boots_s = (self.boots_s + self._booted(seen))[-_BOOTS:] if began else self.boots_s
        return Learned(
            arrivals=arrivals,
            persistence=self.persistence.add(seen.now_s, self.total, total, arrivals.trend(tick_s), horizon_s),
            seasons=tuple(season.add(seen.now_s, total) for season in self.seasons),
            idleness=self.idleness.add(seen.now_s, self.total, total, busy=messages > 0, pace=pace),
            levels=self.levels.add(seen.now_s, min(messages, slots), regret_s),
            now_s=seen.now_s,
            tick_s=tick_s,
            total=total,
            service_s=service_s,
            measured=measured,
            tried_s=self._tried_s(seen.now_s) if messages and running else None,
            booting=tuple((worker.worker_id, worker.since_s) for worker in seen.those(WorkerState.PENDING)),
            running=running,
            boots_s=boots_s,
            spread=self.spread if boots_s is self.boots_s else _spread(boots_s),
            read_total=read,
            read_finished=seen.finished_total,
            read_busy_ms=seen.busy_ms_total,
        )

    def rate_hz(self, ahead_s: float) -> float:
        """Return the requests a second to reckon with `ahead_s` from now, if the load goes on as it is."""
        return max(self.persistence.trend.rate_hz(ahead_s), self._seasonal_hz(ahead_s))

    def lasting_hz(self, ahead_s: float) -> float:
        """Return the same as far as it is believed that the load goes on."""
        return max(self.persistence.lasting_hz(ahead_s), self._seasonal_hz(ahead_s))

    def outlook(self) -> Outlook:
        """Return what to reckon with in the next seconds."""
        return self.persistence.outlook(least_hz=self._seasonal_hz(0.0))

    def _seasonal_hz(self, ahead_s: float) -> float:
        now_s = self.now_s or 0.0
        return max((season.rate_hz(now_s + ahead_s) for season in self.seasons), default=0.0)

    def boots(self, count: int) -> tuple[float, ...]:
        """Return so many boots, each as likely, ascending, as multiples of the mean."""
        return tuple(self.spread[int((number + 0.5) / count * len(self.spread))] for number in range(count))

    @property
    def slow_boot(self) -> float:
        """A slow boot, the 90th percentile, as a multiple of the mean; at least 1."""
        return max(1.0, self.spread[int(_SLOW_SHARE * len(self.spread))])

    @property
    def slowest_boot(self) -> float:
        """The slowest boot, as a multiple of the mean; at least 1."""
        return max(1.0, self.spread[-1])

    def remembered(self, before: "Learned") -> "Learned":
        """Return what was learned of something past, of whose workers nothing is known but how many they were."""
        return replace(self, running=None, tried_s=None, booting=(), boots_s=before.boots_s, spread=before.spread)

    def _tried_s(self, now_s: float) -> float:
        return now_s if self.tried_s is None else min(self.tried_s, now_s)

    def _tick_s(self, now_s: float) -> float:
        if self.now_s is None or now_s <= self.now_s:
            return self.tick_s
        tick_s = now_s - self.now_s
        return self.tick_s if self.arrivals.known_s and tick_s > _JUMP * self.tick_s else tick_s

    def _booted(self, seen: Observation) -> tuple[float, ...]:
        """Return the boots that have ended; who was never seen pending was ordered at the look before.

        That is not so where he seems to have taken less than half of a usual boot: somebody else started him, or what
        is known of him is when he was ordered. And nobody knows what happened if this look is far too late.
        """
        looked_s, known = self.now_s or math.inf, self.running or frozenset()
        if seen.now_s - looked_s > _JUMP * self.tick_s:
            return ()
        boots, began = [], dict(self.booting)
        for worker in seen.those(WorkerState.RUNNING):
            if worker.worker_id in began:
                boots.append(max(0.0, worker.since_s - began[worker.worker_id]))
            elif worker.worker_id not in known and worker.since_s - looked_s >= seen.boot_s / 2:
                boots.append(worker.since_s - looked_s)
        return tuple(boots)

    def _service(self, seen: Observation) -> tuple[float | None, int]:
        """Average over all requests at first, over the last thousand or so later on."""
        count = seen.finished_total - self.read_finished
        spent_s = (seen.busy_ms_total - self.read_busy_ms) / 1000
        if count <= 0 or spent_s <= 0:
            return self.service_s, self.measured
        measured = min(self.measured + count, max(_STEADY, count))
        before = self.service_s or 0.0
        return before + (spent_s - count * before) / measured, measured


def _spread(boots_s: tuple[float, ...]) -> tuple[float, ...]:
    """Return boots relative to their mean, ascending, with guesses in the place of the first that are missing."""
    mean_s = max(fmean(boots_s), 1e-3)
    return tuple(sorted((*_GUESSED_BOOTS, *(boot_s / mean_s for boot_s in boots_s))[-_BOOTS:]))
