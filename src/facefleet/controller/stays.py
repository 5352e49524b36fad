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
    """Remembers when the controller saw each worker change."""

    def __init__(self) -> None:
        self._looked_s: float | None = None
        self._states: dict[str, tuple[WorkerState, float]] = {}
        self._idle: dict[str, tuple[float, float]] = {}  # what was told, and when that was by our clock

    def by_own_clock(self, workers: Sequence[Worker], *, now_s: float, unix_s: float) -> tuple[Worker, ...]:
        """Return the workers with `since_s` and `idle_since_s` by the clock of `now_s` instead of Unix time.

        A worker that was there before the first look is as old as it says; a later one is no older than the last look.
        """
        most_s = math.inf if self._looked_s is None else max(0.0, now_s - self._looked_s)

        def ours(told_s: float) -> float:
            return now_s - min(max(0.0, unix_s - told_s), most_s)

        states, idle = {}, {}
        for worker in workers:
            name = worker.worker_id
            state, since_s = self._states.get(name, (worker.state, None))
            if since_s is None:
                since_s = ours(worker.since_s)
            states[name] = (worker.state, since_s if state is worker.state else now_s)
            if worker.idle_since_s is not None:
                known = self._idle.get(name)
                again = known is not None and known[0] == worker.idle_since_s
                idle[name] = known if known and again else (worker.idle_since_s, ours(worker.idle_since_s))
        self._looked_s, self._states, self._idle = now_s, states, idle
        return tuple(
            replace(
                worker,
                since_s=states[worker.worker_id][1],
                idle_since_s=idle[worker.worker_id][1] if worker.worker_id in idle else None,
            )
            for worker in workers
        )
