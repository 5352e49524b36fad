"""The controller's life: observe, decide, act, once a tick; and once a minute, tidy up.

Of several controllers one leads; the others stand by until its lock is free.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from facefleet.core.fleet import (
    Bounds,
    Decision,
    Instance,
    Observation,
    Policy,
    Worker,
    WorkerReport,
    WorkerState,
)
from facefleet.core.jobs import QueueCounts
from facefleet.errors import Unavailable
from facefleet.ports import Fleet, Queue, Roster

log = structlog.get_logger()

_STANDBY_S = 2.0
# Boot time before one was measured: what a worker process takes on a small machine.
_PRIOR_BOOT_S = 2.0
# Weight of the newest boot in the moving mean.
_NEWEST = 0.3


class Controller:
    """Keeps the fleet as large as the policy wants it.

    Args:
        housekeeping: called once a minute while leading.
        now_s: monotonic seconds, for the policy.
        unix_s: Unix time, for the history.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        fleet: Fleet,
        roster: Roster,
        policy: Policy[Any],
        bounds: Bounds,
        tick_s: float,
        now_s: Callable[[], float],
        unix_s: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._fleet = fleet
        self._roster = roster
        self._policy = policy
        self._bounds = bounds
        self._tick_s = tick_s
        self._now_s = now_s
        self._unix_s = unix_s
        self._memory: Any = policy.begin()
        self._boot_s = _PRIOR_BOOT_S
        self._pending: dict[str, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Lead, or wait to lead, until `stop` is set; the fleet is left as it is."""
        while not stop.is_set():
            try:
                async with self._roster.lead() as leading:
                    while leading and not stop.is_set():
                        await self._tick()
                        await _pause(stop, self._tick_s)
            except Unavailable as error:
                log.warning("controller waits", error=error.detail)
            await _pause(stop, _STANDBY_S)

    async def _tick(self) -> None:
        counts, reports, instances = await asyncio.gather(
            self._queue.counts(), self._roster.reports(), self._fleet.instances()
        )
        workers = merge(instances, reports)
        self._measure_boot(workers)
        seen = self._observe(counts, workers)
        decision, self._memory = self._policy.decide(seen, self._bounds, self._memory)
        await self._act(decision, seen)
        await self._roster.publish(workers)

    def _observe(self, counts: QueueCounts, workers: Sequence[Worker]) -> Observation:
        return Observation(
            now_s=self._now_s(),
            visible=counts.visible,
            in_flight=counts.in_flight,
            oldest_age_s=counts.oldest_age_s,
            enqueued_total=counts.enqueued_total,
            finished_total=counts.finished_total,
            busy_ms_total=counts.busy_ms_total,
            workers=tuple(workers),
            boot_s=self._boot_s,
        )

    async def _act(self, decision: Decision, seen: Observation) -> None:
        if not decision.start and not decision.drain:
            return
        log.info("scale", start=decision.start, drain=len(decision.drain), reason=decision.reason)
        if decision.drain:
            await self._fleet.drain(decision.drain)
        if decision.start:
            started = await self._fleet.start(decision.start)
            if len(started) < decision.start:
                log.warning("fleet started fewer than asked", asked=decision.start, started=len(started))
        await self._roster.record(decision, at_s=self._unix_s(), seen=_numbers(seen))

    def _measure_boot(self, workers: Sequence[Worker]) -> None:
        now_s = self._now_s()
        for worker in workers:
            if worker.state is WorkerState.PENDING:
                self._pending.setdefault(worker.worker_id, now_s)
            elif worker.worker_id in self._pending:
                took_s = now_s - self._pending.pop(worker.worker_id)
                if worker.state is WorkerState.RUNNING:
                    self._boot_s += _NEWEST * (took_s - self._boot_s)


def merge(instances: Sequence[Instance], reports: Sequence[WorkerReport]) -> list[Worker]:
    """Return the fleet as policies see it.

    An instance that runs but whose worker has not reported yet is pending: it cannot take work. A worker without an
    instance (started by hand) is counted as what it says it is.
    """
    said = {report.worker_id: report for report in reports}
    workers = [_merged(instance, said.pop(instance.worker_id, None)) for instance in instances]
    return workers + [
        _merged(Instance(worker_id=alone.worker_id, state=WorkerState.RUNNING, since_s=alone.reported_s), alone)
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


def _numbers(seen: Observation) -> Mapping[str, float]:
    states = {state.value: float(seen.count(state)) for state in WorkerState}
    return {
        "visible": seen.visible,
        "in_flight": seen.in_flight,
        "oldest_age_s": round(seen.oldest_age_s, 3),
        "boot_s": round(seen.boot_s, 3),
    } | states


async def _pause(stop: asyncio.Event, pause_s: float) -> None:
    try:
        async with asyncio.timeout(pause_s):
            await stop.wait()
    except TimeoutError:
        return
