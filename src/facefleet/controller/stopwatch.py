"""How long boots take, from the order to start until the controller sees the worker ready."""

from collections.abc import Sequence

from facefleet.core.boots import Boots
from facefleet.core.fleet import Worker, WorkerState


class Stopwatch:
    """Times boots; those of stopped places, which start again first and faster, apart from those of new ones.

    Args:
        guess_s: what a boot is expected to take before any was timed.
        late_s: a look so long after the one before, as after a sleep, cannot tell when a boot ended.
    """

    def __init__(self, *, guess_s: float, late_s: float) -> None:
        self._late_s = late_s
        self._boots = {stopped: Boots(mean_s=guess_s) for stopped in (True, False)}
        self._stopped: frozenset[str] = frozenset()
        self._booting: dict[str, tuple[float, bool]] = {}  # since when, and whether from a stopped place
        self._looked_s: float | None = None

    def boot_s(self, workers: Sequence[Worker], now_s: float) -> float:
        """Return the mean boot of the next start, after one more look at the workers."""
        if self._looked_s is not None and now_s - self._looked_s <= self._late_s:
            self._time(workers)
        self._looked_s = now_s
        self._booting = {
            worker.worker_id: (worker.since_s, self._was_stopped(worker.worker_id))
            for worker in workers
            if worker.state is WorkerState.PENDING
        }
        self._stopped = frozenset(worker.worker_id for worker in workers if worker.state is WorkerState.STOPPED)
        return self._boots[bool(self._stopped)].mean_s

    def _was_stopped(self, worker_id: str) -> bool:
        _, stopped = self._booting.get(worker_id, (0.0, False))
        return stopped or worker_id in self._stopped

    def _time(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            if worker.state is WorkerState.RUNNING and worker.worker_id in self._booting:
                since_s, stopped = self._booting[worker.worker_id]
                self._boots[stopped] = self._boots[stopped].add(max(0.0, worker.since_s - since_s))
