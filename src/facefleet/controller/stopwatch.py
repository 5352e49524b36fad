"""How long boots take, from the order to start until the controller sees the worker ready."""

from collections.abc import Sequence
from dataclasses import replace

from facefleet.core.boots import Boots
from facefleet.core.fleet import Worker, WorkerState

_THERE = (WorkerState.PENDING, WorkerState.RUNNING)


class Stopwatch:
    """Times boots; those of stopped places, which start again first and faster, apart from those of new ones.

    Args:
        new, stopped: what is expected of either before any was timed.
        late_s: a look so long after the one before, as after a sleep, cannot tell when a boot ended.
    """

    def __init__(self, *, new: Boots, stopped: Boots, late_s: float) -> None:
        self._boots = {False: new, True: stopped}
        self._late_s = late_s
        self._looked_s: float | None = None
        self._known: dict[str, Worker] = {}  # all, as last seen
        self._ordered_s: dict[str, tuple[float, bool]] = {}  # who boots: since when, and whether it was stopped
        self._took_s: dict[str, float | None] = {}  # those that have been ready

    @property
    def next(self) -> Boots:
        """The boots of what would be started next."""
        return self._boots[any(worker.state is WorkerState.STOPPED for worker in self._known.values())]

    def look(self, workers: Sequence[Worker], now_s: float) -> list[Worker]:
        """Look once more; return the workers with how long each took to boot, where that was seen."""
        looked_s = self._looked_s
        if looked_s is not None and now_s - looked_s > self._late_s:
            looked_s = None
        there = [worker for worker in workers if worker.state in _THERE]
        took_s = {worker.worker_id: self._taken_s(worker, looked_s) for worker in there if self._is_ready(worker)}
        self._ordered_s = {
            worker.worker_id: (worker.since_s, self._was_stopped(worker.worker_id))
            for worker in there
            if worker.worker_id not in took_s
        }
        self._looked_s, self._took_s = now_s, took_s
        self._known = {worker.worker_id: worker for worker in workers}
        return [replace(worker, boot_s=took_s.get(worker.worker_id)) for worker in workers]

    def _is_ready(self, worker: Worker) -> bool:
        """Return whether it runs, or did and has only fallen silent, which is no boot."""
        return worker.state is WorkerState.RUNNING or worker.worker_id in self._took_s

    def _was_stopped(self, worker_id: str) -> bool:
        _, stopped = self._ordered_s.get(worker_id, (0.0, False))
        known = self._known.get(worker_id)
        return stopped or (known is not None and known.state is WorkerState.STOPPED)

    def _taken_s(self, worker: Worker, looked_s: float | None) -> float | None:
        """Return how long this worker took, and add it to the boots if it has just come; None if nobody knows.

        Who was never seen booting was ordered at the look before. That is not so where it seems to have taken less than
        half of a usual boot: somebody else started it, or what is known of it is when it was ordered.
        """
        name = worker.worker_id
        if name in self._took_s or looked_s is None:
            return self._took_s.get(name)
        stopped = self._was_stopped(name)
        boots = self._boots[stopped]
        if name in self._ordered_s:
            took_s = max(0.0, worker.since_s - self._ordered_s[name][0])
        else:
            took_s = worker.since_s - looked_s
            if took_s < boots.mean_s / 2:
                return None
        self._boots[stopped] = boots.add(took_s)
        return took_s
