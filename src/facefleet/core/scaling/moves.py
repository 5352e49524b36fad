"""From a wanted number of workers to a decision: how many to start, and whom to drain."""

from facefleet.core.fleet import Bounds, Decision, Observation, Worker, WorkerState


def committed(seen: Observation) -> int:
    """Return the workers that serve or soon will: running and pending ones."""
    return seen.count(WorkerState.RUNNING) + seen.count(WorkerState.PENDING)


def idle_since(worker: Worker) -> float:
    """Return when an idle worker became idle; its start if it has not said."""
    return worker.since_s if worker.idle_since_s is None else worker.idle_since_s


def idle_workers(seen: Observation) -> list[Worker]:
    """Return the idle workers, longest idle first.

    Workers say only now and then what they work on, the queue knows at once. Each request in work of which nobody has
    told yet is taken to be with another worker that seems idle, those first that were at work last.
    """
    idle = [worker for worker in seen.those(WorkerState.RUNNING) if not worker.jobs]
    untold = max(0, seen.in_flight - sum(len(worker.jobs) for worker in seen.workers))
    return sorted(idle, key=lambda worker: (idle_since(worker), worker.worker_id))[: max(0, len(idle) - untold)]


def clamp(want: int, bounds: Bounds) -> int:
    """Return the wanted number of workers, moved inside the bounds."""
    return max(bounds.minimum, min(want, bounds.maximum))


def move_to(want: int, seen: Observation, bounds: Bounds, why: str) -> Decision:
    """Decide what brings running and pending workers to `want`.

    Too many workers drain only as far as idle ones go, so no work is at stake, and only as far as the others are there
    already: a worker that boots replaces nobody yet.

    Args:
        want: the number of workers aimed at; moved inside the bounds.
        seen: the fleet now.
        bounds: the fewest and the most workers.
        why: the clause that opens the reason.
    """
    goal = clamp(want, bounds)
    have = committed(seen)
    if goal != want:
        why = f"{why}, at {'most' if goal < want else 'least'} {goal} allowed"
    if goal > have:
        return Decision(start=goal - have, drain=(), reason=f"{why}: start {goal - have}.")
    leaving = idle_workers(seen)[: max(0, seen.count(WorkerState.RUNNING) - goal)]
    if leaving:
        names = tuple(worker.worker_id for worker in leaving)
        return Decision(start=0, drain=names, reason=f"{why}: drain {len(names)} idle.")
    return Decision(start=0, drain=(), reason=f"{why}: hold.")
