"""How long workers took to boot: each one that is there, and the latest of all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from facefleet.core.fleet import Observation, WorkerState

_REMEMBERED = 32
_GUESSED = (0.75, 0.92, 1.08, 1.25)  # relative to the mean expected, as if these had been the first
_SLOW_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Launches:
    """A memory of boots.

    Attributes:
        booting: (worker, since when) of those last seen pending.
        took_s: how long each worker last seen running took, where that is known; None where nobody looked, as before
            the first look and after a history.
        running: those last seen running.
        boots_s: how long the latest took, some guesses among them while there are few; empty before any look.
        spread: these relative to their mean, ascending.
    """

    booting: tuple[tuple[str, float], ...] = ()
    running: frozenset[str] | None = None
    took_s: Mapping[str, float] = field(default_factory=dict)
    boots_s: tuple[float, ...] = ()
    spread: tuple[float, ...] = _GUESSED

    def add(self, seen: Observation, *, looked_s: float | None) -> "Launches":
        """Return what is known after one more look.

        Args:
            seen: the observation.
            looked_s: when the look before was; None if so long ago that nobody knows when what happened.
        """
        running = frozenset(worker.worker_id for worker in seen.those(WorkerState.RUNNING))
        booting = tuple((worker.worker_id, worker.since_s) for worker in seen.those(WorkerState.PENDING))
        boots_s = self.boots_s or tuple(max(seen.boot_s, 1e-3) * boot for boot in _GUESSED)
        ended = self._ended(seen, looked_s) if looked_s is not None and self._new(running) else {}
        if ended:
            boots_s = (*boots_s, *ended.values())[-_REMEMBERED:]
        return Launches(
            booting=booting,
            running=running,
            took_s=self.took_s if running == self.running else _of(running, {**self.took_s, **ended}),
            boots_s=boots_s,
            spread=_spread(boots_s) if ended else self.spread,
        )

    def remembered(self, before: "Launches") -> "Launches":
        """Return what was learned of something past, of whose workers nothing is known but how many they were."""
        return Launches(boots_s=before.boots_s, spread=before.spread)

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

    def _new(self, running: frozenset[str]) -> bool:
        return self.running is not None and not running <= self.running

    def _ended(self, seen: Observation, looked_s: float) -> dict[str, float]:
        """Return the boots that have ended; who was never seen pending was ordered at the look before.

        That is not so where he seems to have taken less than half of a usual boot: somebody else started him, or what
        is known of him is when he was ordered.
        """
        ended, began, known = {}, dict(self.booting), self.running or frozenset()
        for worker in seen.those(WorkerState.RUNNING):
            if worker.worker_id in began:
                ended[worker.worker_id] = max(0.0, worker.since_s - began[worker.worker_id])
            elif worker.worker_id not in known and worker.since_s - looked_s >= seen.boot_s / 2:
                ended[worker.worker_id] = worker.since_s - looked_s
        return ended


def _of(running: frozenset[str], took_s: Mapping[str, float]) -> Mapping[str, float]:
    return {worker_id: one_s for worker_id, one_s in took_s.items() if worker_id in running}


def _spread(boots_s: tuple[float, ...]) -> tuple[float, ...]:
    mean_s = max(fmean(boots_s), 1e-3)
    return tuple(sorted(boot_s / mean_s for boot_s in boots_s))
