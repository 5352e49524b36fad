"""`Roster` in memory: the reference semantics."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from facefleet.core.fleet import Decision, Worker, WorkerReport
from facefleet.ports import Recorded

_TOLD_S = 600.0  # who left is told of for so long


class MemoryRoster:
    """What the rooms of one process know of each other."""

    def __init__(self, *, clock: Callable[[], float], silent_s: float = 10.0, kept_decisions: int = 150_000) -> None:
        self._clock = clock
        self._silent_s = silent_s
        self._reports: dict[str, WorkerReport] = {}
        self._departures: dict[str, float] = {}
        self._told_to_drain: set[str] = set()
        self._workers: tuple[Worker, ...] = ()
        self._published_s: float | None = None
        self._minimum: int | None = None
        self._worker_s = 0.0
        self._decisions: deque[Recorded] = deque(maxlen=kept_decisions)
        self._led = False

    async def report(self, report: WorkerReport) -> bool:
        """Record a worker's heartbeat; return whether it has been asked to drain."""
        now_s = self._clock()
        self._departures.pop(report.worker_id, None)
        before = self._reports.get(report.worker_id)
        rests_on = before is not None and not before.jobs and before.finished == report.finished
        idle_since_s = 0.0 if report.jobs else before.idle_since_s if before is not None and rests_on else now_s
        since_s = now_s if before is None else before.since_s
        self._reports[report.worker_id] = replace(report, reported_s=now_s, idle_since_s=idle_since_s, since_s=since_s)
        return report.worker_id in self._told_to_drain

    async def leave(self, worker_id: str) -> None:
        """Remove a worker that ends in good order."""
        self._reports.pop(worker_id, None)
        self._told_to_drain.discard(worker_id)
        self._departures[worker_id] = self._clock()

    async def departures(self) -> Mapping[str, float]:
        """Return who ended in good order in the last minutes, and when."""
        return dict(self._departures)

    async def reports(self) -> Sequence[WorkerReport]:
        """Return the last report of each worker that is not silent."""
        after_s = self._clock() - self._silent_s
        return [self._reports[name] for name in sorted(self._reports) if self._reports[name].reported_s > after_s]

    async def ask_to_drain(self, worker_ids: Sequence[str]) -> None:
        """Leave word for workers that cannot be sent a signal."""
        self._told_to_drain |= set(worker_ids) & self._reports.keys()

    async def publish(self, workers: Sequence[Worker], *, worker_s: float = 0.0, minimum: int | None = None) -> float:
        """Replace the fleet as all rooms see it; add to the worker-seconds charged and return their total."""
        self._workers, self._published_s, self._minimum = tuple(workers), self._clock(), minimum
        since_s = self._published_s - _TOLD_S
        self._departures = {name: left_s for name, left_s in self._departures.items() if left_s > since_s}
        self._worker_s += worker_s
        return self._worker_s

    async def worker_s_total(self) -> float:
        """Return the worker-seconds charged since the beginning."""
        return self._worker_s

    async def workers(self) -> Sequence[Worker]:
        """Return the fleet as last published."""
        return self._workers

    async def minimum(self) -> int | None:
        """Return how few workers are kept by whoever published the fleet; None if that is not known."""
        return self._minimum

    async def published_age_s(self) -> float | None:
        """Return how long ago the fleet was last published; None if it never was."""
        return None if self._published_s is None else self._clock() - self._published_s

    async def record(self, decision: Decision, *, at_s: float, seen: Mapping[str, float]) -> None:
        """Append to the history of decisions."""
        self._decisions.appendleft((at_s, decision, dict(seen)))

    async def decisions(self, *, limit: int, acting_only: bool = False) -> Sequence[Recorded]:
        """Return the latest decisions, newest first."""
        return [one for one in self._decisions if one[1].acts or not acting_only][:limit]

    async def history(self, *, since_s: float = 0.0) -> AsyncIterator[Recorded]:
        """Yield the decisions of this Unix time and later, oldest first, as they were made."""
        for one in [one for one in reversed(self._decisions) if one[0] >= since_s]:
            yield one

    async def earliest(self, *, since_s: float, until_s: float) -> Recorded | None:
        """Return the decision with the earliest Unix time between these two."""
        between = (one for one in self._decisions if since_s <= one[0] <= until_s)
        return min(between, key=lambda one: one[0], default=None)

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[bool]:
        """Try to become the one controller that acts."""
        leading, self._led = not self._led, True
        try:
            yield leading
        finally:
            if leading:
                self._led = False
