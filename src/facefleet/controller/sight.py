"""What the controller sees: what fleet, workers and queue say, put together."""

from collections.abc import Sequence
from dataclasses import replace

from facefleet.core.boots import Boots
from facefleet.core.fleet import Instance, Observation, Worker, WorkerReport, WorkerState
from facefleet.core.jobs import QueueCounts


def merge(instances: Sequence[Instance], reports: Sequence[WorkerReport]) -> list[Worker]:
    """Return the fleet as policies see it.

    An instance that runs but whose worker has not reported yet is pending: it cannot take work. A worker without an
    instance (started by hand) is counted as what it says it is.
    """
    said = {report.worker_id: report for report in reports}
    workers = [_merged(instance, said.pop(instance.worker_id, None)) for instance in instances]
    return workers + [
        _merged(Instance(worker_id=alone.worker_id, state=WorkerState.RUNNING, since_s=alone.since_s), alone)
        for alone in said.values()
    ]


def _merged(instance: Instance, report: WorkerReport | None) -> Worker:
    worker = Worker(worker_id=instance.worker_id, state=instance.state, since_s=instance.since_s)
    if instance.state is not WorkerState.RUNNING:
        return replace(worker, jobs=report.jobs) if report else worker
    if report is None:
        return replace(worker, state=WorkerState.PENDING)
    if report.draining:
        return replace(worker, state=WorkerState.DRAINING, jobs=report.jobs)
    return replace(worker, jobs=report.jobs, idle_since_s=None if report.jobs else report.idle_since_s)


def observation(counts: QueueCounts, workers: Sequence[Worker], *, now_s: float, boots: Boots) -> Observation:
    """Return what a policy decides from, at its own time."""
    return Observation(
        now_s=now_s,
        visible=counts.visible,
        in_flight=counts.in_flight,
        oldest_age_s=counts.oldest_age_s,
        enqueued_total=counts.enqueued_total,
        finished_total=counts.finished_total,
        busy_ms_total=counts.busy_ms_total,
        workers=tuple(workers),
        boot_s=boots.mean_s,
        boot_spread=boots.spread,
    )


def numbers(seen: Observation) -> dict[str, float]:
    """Return the numbers of it that the history keeps."""
    states = {state.value: float(seen.count(state)) for state in WorkerState}
    return {
        "visible": seen.visible,
        "in_flight": seen.in_flight,
        "oldest_age_s": round(seen.oldest_age_s, 3),
        "boot_s": round(seen.boot_s, 3),
        "enqueued_total": seen.enqueued_total,
        "finished_total": seen.finished_total,
        "busy_ms_total": round(seen.busy_ms_total, 1),
    } | states
