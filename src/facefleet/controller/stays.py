"""Since when each worker is in its state, by the controller's own clock.

Processes, EC2 and the database tell times by clocks of their own, which differ and are set; a policy compares times
with its own, which does neither. So what others say is used once, when it is news, and only within the time in which
it can have happened.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from facefleet.core.fleet import Worker, WorkerState


class Stays:
    """Remembers when the controller saw each worker change.

    Args:
        longest_s: after this long without a look workers age no more: a boot that ended while the controller slept did
            not take as long as its sleep.
    """

    def __init__(self, *, longest_s: float) -> None:
        self._longest_s = longest_s
        self._looked_s: float | None = None
        self._states: dict[str, tuple[WorkerState, float]] = {}
        self._idle: dict[str, tuple[float, float]] = {}  # what was told, and when that was by our clock

    def by_own_clock(self, workers: Sequence[Worker], *, now_s: float, unix_s: float) -> tuple[Worker, ...]:
        """Return the workers with `since_s` and `idle_since_s` by the clock of `now_s` instead of Unix time.

        A worker that was there before the first look is as old as it says; a later one is no older than the last look,
        nor is a stopped one that starts again.
        """
        most_s = self._pass(now_s)

        def ours(told_s: float) -> float:
            return now_s - min(max(0.0, unix_s - told_s), most_s)

        shown = []
        for worker in workers:
            name = worker.worker_id
            state, since_s = self._states.get(name, (worker.state, ours(worker.since_s)))
            if state is not worker.state:
                since_s = ours(worker.since_s) if state is WorkerState.STOPPED else now_s
            told_s, idle_s = self._idle.get(name, (None, None))
            if worker.idle_since_s != told_s:
                idle_s = None if worker.idle_since_s is None else ours(worker.idle_since_s)
            shown.append(replace(worker, since_s=since_s, idle_since_s=idle_s))
        self._states = {worker.worker_id: (worker.state, worker.since_s) for worker in shown}
        self._idle = {
            told.worker_id: (told.idle_since_s, own.idle_since_s)
            for told, own in zip(workers, shown, strict=True)
            if told.idle_since_s is not None and own.idle_since_s is not None
        }
        return tuple(shown)

    def _pass(self, now_s: float) -> float:
        """Let time pass until now; return how much of it counts."""
        if self._looked_s is None:
            self._looked_s = now_s
            return math.inf
        counts_s = max(0.0, min(now_s - self._looked_s, self._longest_s))
        slept_s = now_s - self._looked_s - counts_s  # negative where the clock was set back
        self._states = {name: (state, since_s + slept_s) for name, (state, since_s) in self._states.items()}
        self._idle = {name: (told_s, own_s + slept_s) for name, (told_s, own_s) in self._idle.items()}
        self._looked_s = now_s
        return counts_s
