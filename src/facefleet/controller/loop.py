"""The controller's life: observe, decide, act, once a tick.

Of several controllers one leads; the others stand by until its lock is free.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import structlog

from facefleet.controller.journal import Journal, Look
from facefleet.controller.replay import memory_of_history
from facefleet.controller.stays import Stays
from facefleet.controller.stopwatch import Stopwatch
from facefleet.core.boots import Boots
from facefleet.core.cost import Meter
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
from facefleet.core.scaling.moves import committed
from facefleet.core.scaling.terms import Billing
from facefleet.errors import Unavailable
from facefleet.ports import Fleet, Queue, Roster

log = structlog.get_logger()

_STANDBY_S = 2.0
# A boot on record that differs from the usual by more than this is of another kind of fleet.
_UNLIKE = 8.0
# More ticks without a look than this, and the controller slept: it cannot tell what happened when.
_MISSED = 5.0


class Controller:
    """Keeps the fleet as large as the policy wants it.

    Args:
        billing: how worker time is charged.
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
        billing: Billing,
        tick_s: float,
        now_s: Callable[[], float],
        unix_s: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._fleet = fleet
        self._roster = roster
        self._policy = policy
        self._bounds = bounds
        self._billing = billing
        self._tick_s = tick_s
        self._now_s = now_s
        self._unix_s = unix_s
        self._memory: Any = policy.begin()
        self._knows_history = False
        self._stopwatch: Stopwatch | None = None
        self._stays = Stays(longest_s=_MISSED * tick_s)
        self._meter = Meter()
        self._journal = Journal(roster)

    async def run(self, stop: asyncio.Event) -> None:
        """Lead, or wait to lead, until `stop` is set; the fleet is left as it is."""
        while not stop.is_set():
            try:
                async with self._roster.lead() as leading:
                    if not leading:  # whoever leads charges, records and learns
                        self._meter, self._journal, self._knows_history = Meter(), Journal(self._roster), False
                        self._stopwatch = None
                    elif not self._knows_history:
                        await self._learn_history()
                    while leading and not stop.is_set():
                        await self.tick()
                        await _pause(stop, self._tick_s)
            except Unavailable as error:
                log.warning("controller waits", error=error.detail)
            await _pause(stop, _STANDBY_S)

    async def _learn_history(self) -> None:
        """Show the rule what was recorded before this controller led."""
        self._memory = await memory_of_history(
            self._roster, self._policy, self._bounds, now_s=self._now_s(), unix_s=self._unix_s()
        )
        self._knows_history = True

    async def tick(self) -> None:
        """Observe, decide and act once.

        Raises:
            Unavailable: the queue, the roster or the fleet is away.
        """
        counts, reports, instances, stopwatch = await asyncio.gather(
            self._queue.counts(), self._roster.reports(), self._fleet.instances(), self._stopwatch_set()
        )
        now_s = self._now_s()
        told = merge(instances, reports)
        workers = stopwatch.look(self._stays.by_own_clock(told, now_s=now_s, unix_s=self._unix_s()), now_s)
        self._stopwatch = stopwatch
        meter, charged_s = self._meter.read(now_s, workers, self._billing)
        worker_s_total = await self._roster.publish(told, worker_s=charged_s)
        self._meter = meter
        seen = _observation(counts, workers, now_s=now_s, boots=stopwatch.next)
        decision, self._memory = self._policy.decide(seen, self._bounds, self._memory)
        decision = within(self._bounds, decision, seen)
        await self._act(decision, fleet={instance.worker_id for instance in instances})
        numbers = _numbers(seen) | {"worker_s_total": round(worker_s_total, 3)}
        await self._journal.note(Look(decision=decision, now_s=now_s, at_s=self._unix_s(), seen=numbers))

    async def _act(self, decision: Decision, *, fleet: Collection[str]) -> None:
        if not decision.acts:
            return
        log.info("scale", start=decision.start, drain=len(decision.drain), reason=decision.reason)
        if decision.drain:
            await self._fleet.drain(decision.drain)
            strangers = [worker_id for worker_id in decision.drain if worker_id not in fleet]
            await self._roster.ask_to_drain(strangers)  # whom somebody else started: they hear it there
        if decision.start:
            started = await self._fleet.start(decision.start)
            if len(started) < decision.start:
                log.warning("fleet started fewer than asked", asked=decision.start, started=len(started))

    async def _stopwatch_set(self) -> Stopwatch:
        """Return what times boots; at first it expects what is usual, or what was recorded last of such a start."""
        if self._stopwatch is not None:
            return self._stopwatch
        usual_s = self._fleet.usual_boot_s
        new = stopped = Boots.expected(usual_s)
        for _, _, seen in await self._roster.decisions(limit=1):
            known_s = seen.get("boot_s", 0.0)
            if usual_s / _UNLIKE <= known_s <= usual_s * _UNLIKE:
                known = Boots.expected(known_s)
                new, stopped = (new, known) if seen.get("stopped") else (known, stopped)
        return Stopwatch(new=new, stopped=stopped, late_s=_MISSED * self._tick_s)


def within(bounds: Bounds, decision: Decision, seen: Observation) -> Decision:
    """Return the decision with no more starts than the maximum leaves room for, whatever the rule."""
    room = max(0, bounds.maximum - committed(seen))
    if decision.start <= room:
        return decision
    reason = f"{decision.reason} {committed(seen)} of at most {bounds.maximum} are there: start {room}."
    return replace(decision, start=room, reason=reason)


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


def _observation(counts: QueueCounts, workers: Sequence[Worker], *, now_s: float, boots: Boots) -> Observation:
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


def _numbers(seen: Observation) -> dict[str, float]:
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


async def _pause(stop: asyncio.Event, pause_s: float) -> None:
    try:
        async with asyncio.timeout(pause_s):
            await stop.wait()
    except TimeoutError:
        return
