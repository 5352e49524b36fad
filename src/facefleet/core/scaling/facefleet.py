"""Ours, the default: start as late as the objective allows, and no later; stop what has been idle for one boot.

Four questions, each answered in workers, and the highest answer counts:

1. *Lateness.* A worker ordered now begins requests after one boot; one ordered at the next tick, a tick later. Which
   requests will be late unless something is ordered now, given what the workers there and on their way will have begun
   by then? (Just in time, so that a request that an existing worker will take in time boots nobody.)
2. *Headroom.* If the objective is shorter than a boot, requests that have not come yet are late already unless somebody
   is there: Erlang's C over the forecast rate, for as long as the fleet is blind (`staffing.slots_ahead`).
3. *Return.* After the fleet went idle, may a burst come back within one boot? (`idle`: histogram of idle times.)
4. *Minimum.* The bounds.

Workers leave when as many were idle all through the last boot, the ski-rental rule: it never pays more than twice what
one who knows the future pays (Karlin et al., "Competitive snoopy caching", Algorithmica 1988). Only idle ones leave, and
none whose time is paid for until the next tick.
"""

import math
from dataclasses import dataclass, replace

from facefleet.core.fleet import Bounds, Decision, Observation, Worker, WorkerState
from facefleet.core.scaling.forecast import Season
from facefleet.core.scaling.learned import Learned
from facefleet.core.scaling.moves import clamp, committed, idle_workers
from facefleet.core.scaling.staffing import Crew, slots_ahead
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.core.scaling.window import Window

_SLOW_BOOT = 1.25  # a boot may take this much longer than the mean
_LATE = 0.2  # requests that are late anyway are begun within this share of a boot after it
_STUCK = 4.0  # a worker pending for this many boots is not counted on
_UNSEEN_S = 10.0  # how long a start that the fleet does not show yet is believed in
_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class FacefleetMemory:
    """What was learned, how many were spare of late, and what was ordered.

    Attributes:
        spare: idle workers beyond those that waiting requests will take, for one boot back.
        headroom: slots that the forecast asked for, for one boot back.
        ordered, ordered_s: workers that should be there after the last start, and when it was ordered.
        credit: what may still be spent, in the currency of the budget.
    """

    learned: Learned
    spare: Window = Window()
    headroom: Window = Window()
    ordered: int = 0
    ordered_s: float = -math.inf
    credit: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Facefleet:
    """Boot-aware, forecasting, billed-time-aware scaling for an objective of the user's.

    Attributes:
        objective: wait and percentage, and the budget if there is one.
        billing: what a worker costs.
        periods_s: what a day and a week are, for learning the time of day.
    """

    objective: Objective = Objective()
    billing: Billing = Billing()
    periods_s: tuple[float, ...] = (_DAY_S, 7 * _DAY_S)
    name: str = "facefleet"

    def begin(self) -> FacefleetMemory:
        """Return the memory of a controller that has seen nothing yet."""
        return FacefleetMemory(learned=Learned(seasons=tuple(Season(period_s=period) for period in self.periods_s)))

    def decide(self, seen: Observation, bounds: Bounds, memory: FacefleetMemory) -> tuple[Decision, FacefleetMemory]:
        """Answer the four questions; start or drain by the highest."""
        learned = memory.learned.add(seen, bounds.maximum * seen.capacity)
        boot_s = _boot_s(seen)
        crew = _crew(seen, learned, boot_s)
        have = self._have(seen, memory)
        late = committed(seen) * seen.capacity + self._late_slots(seen, learned, crew, boot_s, bounds)
        if late == committed(seen) * seen.capacity:
            late = 0.0
        headroom = memory.headroom.add(seen.now_s, self._headroom_slots(learned, crew, boot_s), span_s=boot_s)
        ahead = headroom.peak()
        back = self._return_slots(learned, crew, boot_s, bounds)
        want = math.ceil(max(late, ahead, back) / seen.capacity - 1e-6)
        goal = clamp(want, bounds)
        spare = memory.spare.add(seen.now_s, len(idle_workers(seen)) - seen.visible, span_s=boot_s + learned.tick_s)
        start = max(0, min(goal - have, bounds.maximum - committed(seen)))
        drain = () if start else self._leaving(seen, learned, spare, have - goal, boot_s)
        ordered = replace(memory, ordered=have + start, ordered_s=seen.now_s) if start else memory
        kept = replace(ordered, learned=learned, spare=spare, headroom=headroom, ordered=ordered.ordered - len(drain))
        reason = self._reason(seen, learned, (late, ahead, back), goal, have, start, len(drain))
        return Decision(start=start, drain=drain, reason=reason), kept

    @staticmethod
    def _have(seen: Observation, memory: FacefleetMemory) -> int:
        """Count workers there or on their way, and for a while those ordered that the fleet does not show yet."""
        unseen = 0 <= seen.now_s - memory.ordered_s < _UNSEEN_S
        return max(committed(seen), memory.ordered if unseen else 0)

    def _late_slots(self, seen: Observation, learned: Learned, crew: Crew, boot_s: float, bounds: Bounds) -> float:
        """Return the slots to order now for requests that an order at the next tick would begin too late."""
        soonest_s = boot_s * (1 + _LATE)
        latest_s = max(soonest_s, boot_s * _SLOW_BOOT + learned.tick_s)
        rate_hz = learned.rate_hz(0.0)
        return max(
            crew.more_slots(_due(seen, learned, rate_hz, due_s - self.objective.slo_s), within_s=due_s, boot_s=boot_s)
            for due_s in (soonest_s, latest_s)
        )

    def _headroom_slots(self, learned: Learned, crew: Crew, boot_s: float) -> float:
        """Return the slots for requests that will come while no order can help them."""
        blind_s = boot_s * _SLOW_BOOT + learned.tick_s - self.objective.slo_s
        if blind_s <= 0 or learned.service_s is None:
            return 0.0
        return slots_ahead(
            in_service=crew.busy,
            rate_hz=learned.rate_hz(boot_s),
            service_s=learned.service_s,
            blind_s=blind_s,
            slo_s=self.objective.slo_s,
            late_share=1 - self.objective.at / 100,
        )

    def _return_slots(self, learned: Learned, crew: Crew, boot_s: float, bounds: Bounds) -> float:
        """Return the slots that must be there when work comes back, for the rest to come in time."""
        size = learned.idleness.expected(learned.now_s or 0.0, boot_s * _SLOW_BOOT + learned.tick_s, self.objective.at)
        if not size:
            return 0.0
        early = 1 + self.objective.slo_s / crew.service_s
        left_s = self.objective.slo_s - boot_s * _SLOW_BOOT - learned.tick_s
        if left_s <= 0:
            return size / early
        later = 1 + left_s / crew.service_s
        return max(0.0, (size - bounds.maximum * later) / (early - later))

    def _leaving(
        self, seen: Observation, learned: Learned, spare: Window, surplus: int, boot_s: float
    ) -> tuple[str, ...]:
        """Choose who drains: as many as were idle all through one boot, longest idle first, none with time paid for."""
        keep_s = min(learned.levels.cheapest_s, boot_s)
        if spare.readings[-1][0] - spare.readings[0][0] < keep_s:
            return ()
        unused = int(min(value for at_s, value in spare.readings if seen.now_s - at_s <= keep_s))
        ripe = [worker for worker in idle_workers(seen) if self._paid_s(worker, seen, boot_s) <= learned.tick_s]
        return tuple(worker.worker_id for worker in ripe[: max(0, min(surplus, unused))])

    def _paid_s(self, worker: Worker, seen: Observation, boot_s: float) -> float:
        return self.billing.paid_for_s(max(0.0, seen.now_s - worker.since_s) + boot_s)

    def _reason(
        self,
        seen: Observation,
        learned: Learned,
        wants: tuple[float, float, float],
        goal: int,
        have: int,
        start: int,
        drain: int,
    ) -> str:
        service = "unknown service time" if learned.service_s is None else f"{learned.service_s:.2g} s each"
        late, ahead, back = (math.ceil(want / seen.capacity - 1e-6) for want in wants)
        does = f"start {start}" if start else f"drain {drain} idle" if drain else "hold"
        return (
            f"{seen.visible} wait and {seen.in_flight} are worked on at {learned.rate_hz(0.0):.2g}/s, {service}: "
            f"{self.objective.at:g} % within {self.objective.slo_s:g} s takes {goal} workers "
            f"(lateness {late}, headroom {ahead}, return {back}), {have} are there or coming: {does}."
        )


def _boot_s(seen: Observation) -> float:
    """Return what the next start takes: a stopped worker's, where there is one and it is faster."""
    return max(seen.boot_s, 1e-3)


def _crew(seen: Observation, learned: Learned, boot_s: float) -> Crew:
    running = seen.count(WorkerState.RUNNING) * seen.capacity
    held = sum(len(worker.jobs) for worker in seen.workers if worker.state is WorkerState.RUNNING)
    coming = [
        max(learned.tick_s, worker.since_s + boot_s - seen.now_s)
        for worker in seen.workers
        if worker.state is WorkerState.PENDING and seen.now_s - worker.since_s < _STUCK * boot_s + _UNSEEN_S
    ]
    service_s = math.inf if learned.service_s is None else max(learned.service_s, 1e-6)
    ready = tuple(ready_s for ready_s in coming for _ in range(seen.capacity))
    busy = min(held, running)
    return Crew(free=running - busy, busy=busy, ready_s=ready, service_s=service_s)


def _due(seen: Observation, learned: Learned, rate_hz: float, after_s: float) -> float:
    """Return the waiting or coming requests that arrive no later than `after_s` from now."""
    if after_s >= 0:
        return seen.visible + rate_hz * after_s
    if seen.oldest_age_s < -after_s:
        return 0.0
    return max(0.0, seen.visible - learned.arrivals.within(-after_s))


def _recoverable(offered: float, slots: int) -> float:
    """Return the share of the objective that requests may wait and still be worked off in another by the maximum."""
    return max(0.0, min(1.0, (slots - offered) / offered)) if offered > 0 else 1.0
