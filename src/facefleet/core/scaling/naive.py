"""The rule of the system this project re-imagines: as many workers as messages.

It is KEDA with a queue length of 1, and blind to workers that are still booting: each tick asks for them again, up to
the maximum. `naive+pending` is the same rule with that one fault repaired.
"""

from dataclasses import dataclass

from facefleet.core.fleet import Bounds, Decision, Observation, WorkerState
from facefleet.core.scaling.moves import clamp, committed, idle_workers


@dataclass(frozen=True, kw_only=True)
class Naive:
    """Start messages - workers, drain workers - messages.

    Attributes:
        counts_pending: whether a worker that boots counts as a worker. The original does not: an instance that is
            pending or stopping is left alone until it has settled.
    """

    counts_pending: bool = False

    @property
    def name(self) -> str:
        """`naive` or `naive+pending`."""
        return "naive+pending" if self.counts_pending else "naive"

    def begin(self) -> None:
        """Return no memory: the rule looks at this instant only."""

    def decide(self, seen: Observation, bounds: Bounds, memory: None) -> tuple[Decision, None]:
        """Compare messages, waiting and in flight, with workers."""
        messages = seen.visible + seen.in_flight
        running = seen.count(WorkerState.RUNNING)
        workers = committed(seen) if self.counts_pending else running
        goal = clamp(messages, bounds)
        missing = max(messages - workers, bounds.minimum - committed(seen))  # of the minimum, pending ones are part
        start = max(0, min(missing, bounds.maximum - committed(seen)))
        drain = _leaving(seen, running - goal)
        kind = "running or pending" if self.counts_pending else "running"
        what = f"start {start}" if start else f"drain {len(drain)}" if drain else "hold"
        reason = f"{messages} messages ({seen.visible} visible, {seen.in_flight} in flight), {workers} {kind}: {what}."
        return Decision(start=start, drain=drain, reason=reason), memory


def _leaving(seen: Observation, count: int) -> tuple[str, ...]:
    """Choose who drains: idle workers first; a busy one, if it comes to that, still finishes its work."""
    if count <= 0:
        return ()
    idle = [worker.worker_id for worker in idle_workers(seen)]
    running = sorted(worker.worker_id for worker in seen.workers if worker.state is WorkerState.RUNNING)
    busy = [worker_id for worker_id in running if worker_id not in idle]
    return tuple((idle + busy)[:count])
