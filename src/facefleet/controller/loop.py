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
from facefleet.controller.sight import merge, numbers, observation
from facefleet.controller.stays import Stays
from facefleet.controller.stopwatch import Stopwatch
from facefleet.core.boots import Boots
from facefleet.core.cost import Meter, runs_s
from facefleet.core.fleet import Bounds, Decision, Instance, Observation, Policy
from facefleet.core.scaling.moves import committed
from facefleet.core.scaling.terms import Billing
from facefleet.errors import Unavailable
from facefleet.ports import Fleet, Queue, Roster

log = structlog.get_logger()

_STANDBY_S = 2.0
# Without a look for so long, workers may have been forgotten; a few of their reports later they are there again.
_UNHEARD_S = 8.0
_HEARD_AGAIN_S = 4.0
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
        self._has_led = self._was_cut_off = False
        self._part = ""
        self._stopwatch: Stopwatch | None = None
        self._stays = Stays(longest_s=_MISSED * tick_s)
        self._meter = Meter()
        self._journal = Journal(roster)

    async def run(self, stop: asyncio.Event) -> None:
        """Lead, or wait to lead, until `stop` is set; the fleet is left as it is."""
        while not stop.is_set():
            try:
                async with self._roster.lead() as leading:
                    self._say("leads" if leading else "stands by")
                    if leading:
                        await self._hear_again(stop)
                        await self._begin_term()
                    else:  # whoever leads charges, records and learns
                        self._meter, self._journal, self._knows_history = Meter(), Journal(self._roster), False
                        self._stopwatch = None
                    while leading and not stop.is_set():
                        await self.tick()
                        await _pause(stop, self._tick_s)
            except Unavailable as error:
                self._was_cut_off = True
                log.warning("controller waits", error=error.detail)
            await _pause(stop, _STANDBY_S)

    def _say(self, part: str) -> None:
        if part != self._part:
            log.info("controller", part=part)
        self._part = part

    async def take_leave(self) -> None:
        """Show the fleet as it is once it was closed, unless another controller leads by now."""
        if not self._has_led:
            return
        try:
            async with self._roster.lead() as leading:
                if leading:
                    await self._take_over_meter()
                    await self._look()
        except Unavailable as error:
            log.warning("the fleet is shown as it was", error=error.detail)

    async def _hear_again(self, stop: asyncio.Event) -> None:
        """Wait, after the database was away, until those who report to it may be heard again.

        A crash empties the roster, and who could not report for long is no longer in it. To decide by that would
        replace workers on other machines that are at work.
        """
        age_s = await self._roster.published_age_s()
        crashed = age_s is None and await self._roster.decisions(limit=1)
        if crashed or (self._was_cut_off and (age_s or 0.0) > _UNHEARD_S):
            await _pause(stop, _HEARD_AGAIN_S)
        self._was_cut_off = False

    async def _begin_term(self) -> None:
        """Go on where whoever led before has ended: show the rule what was recorded, and charge for the time between.

        That may have been this controller, or another one that could not act either.
        """
        if not self._knows_history:
            self._memory = await memory_of_history(
                self._roster, self._policy, self._bounds, now_s=self._now_s(), unix_s=self._unix_s()
            )
            self._knows_history = True
        await self._journal.resume(now_s=self._now_s(), unix_s=self._unix_s())
        await self._take_over_meter()
        self._has_led = True

    async def _take_over_meter(self) -> None:
        """Charge from when the fleet was last published: those that are still there were there in between.

        For how long each had been there before is known from its last change of state at least.
        """
        workers, age_s = await asyncio.gather(self._roster.workers(), self._roster.published_age_s())
        if age_s is None:
            return
        then_s = max(0.0, age_s)
        told_s = runs_s(workers, now_s=self._unix_s() - then_s)
        known_s = {name: max(run_s, self._meter.runs_s.get(name, 0.0)) for name, run_s in told_s.items()}
        self._meter = Meter(now_s=self._now_s() - then_s, runs_s=known_s)

    async def tick(self) -> None:
        """Observe, decide and act once.

        Raises:
            Unavailable: the queue, the roster or the fleet is away.
        """
        seen, instances, worker_s_total = await self._look()
        decision, self._memory = self._policy.decide(seen, self._bounds, self._memory)
        decision = within(self._bounds, decision, seen)
        figures = numbers(seen) | {"worker_s_total": round(worker_s_total, 3)}
        look = Look(decision=decision, now_s=seen.now_s, at_s=self._unix_s(), seen=figures)
        refusal: Unavailable | None = None
        drained = started = 0
        try:
            drained = await self._drain(decision, fleet={instance.worker_id for instance in instances})
            started = await self._start(decision)
        except Unavailable as error:
            refusal = error
            look = look.refused(f"Refused: {error.detail}", started=started, drained=drained)
        else:
            if started < decision.start:
                look = look.refused(f"The fleet started {started}.", started=started, drained=drained)
        await self._journal.note(look)
        if refusal is not None:
            raise refusal

    async def _look(self) -> tuple[Observation, Sequence[Instance], float]:
        """Observe, charge and publish; return also the instances and the worker-seconds charged in all."""
        counts, reports, instances, stopwatch = await asyncio.gather(
            self._queue.counts(), self._roster.reports(), self._fleet.instances(), self._stopwatch_set()
        )
        now_s = self._now_s()
        told = merge(instances, reports)
        workers = stopwatch.look(self._stays.by_own_clock(told, now_s=now_s, unix_s=self._unix_s()), now_s)
        self._stopwatch = stopwatch
        meter, charged_s = self._meter.read(now_s, workers, self._billing)
        workers = [replace(worker, run_s=meter.runs_s.get(worker.worker_id)) for worker in workers]
        worker_s_total = await self._roster.publish(told, worker_s=charged_s, minimum=self._bounds.minimum)
        self._meter = meter
        seen = observation(counts, workers, now_s=now_s, boots=stopwatch.next)
        return seen, instances, worker_s_total

    async def _drain(self, decision: Decision, *, fleet: Collection[str]) -> int:
        """Do that part of a decision; return how many were told."""
        if not decision.acts:
            return 0
        log.info("scale", start=decision.start, drain=len(decision.drain), reason=decision.reason)
        if decision.drain:
            await self._fleet.drain(decision.drain)
            strangers = [worker_id for worker_id in decision.drain if worker_id not in fleet]
            await self._roster.ask_to_drain(strangers)  # whom somebody else started: they hear it there
        return len(decision.drain)

    async def _start(self, decision: Decision) -> int:
        """Do that part of a decision; return how many were started."""
        if not decision.start:
            return 0
        started = await self._fleet.start(decision.start)
        if len(started) < decision.start:
            log.warning("fleet started fewer than asked", asked=decision.start, started=len(started))
        return len(started)

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


async def _pause(stop: asyncio.Event, pause_s: float) -> None:
    try:
        async with asyncio.timeout(pause_s):
            await stop.wait()
    except TimeoutError:
        return
