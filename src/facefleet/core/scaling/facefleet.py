"""Ours, the default: start as late as the objective allows, and let go what would cost more to keep than to boot again.

Three questions, each answered in slots; the highest answer counts:

1. *Lateness.* A worker ordered now begins requests after one boot; one ordered at the next tick, a tick later. Which
   requests will be late unless something is ordered now, given what the workers there and on their way will have begun
   by then? Just in time: a request that somebody will take soon enough boots nobody.
2. *Headroom.* If the objective is shorter than a boot, requests that have not come yet are late already unless somebody
   is there for them: Erlang's C over the forecast rate (`staffing`, `forecast`).
3. *Return.* After the fleet went idle, may work come back before a worker ordered then would be there? (`idle`)

Workers leave when so many were idle for as long as past idle times say is worth waiting (`levels`); only idle ones,
and none whose time is paid for until the next tick. A budget caps the answer (`budget`).
"""

import math
from dataclasses import dataclass, field

from facefleet.core.fleet import Bounds, Decision, Observation, Worker, WorkerState
from facefleet.core.scaling.budget import Purse
from facefleet.core.scaling.forecast import Season
from facefleet.core.scaling.learned import Learned
from facefleet.core.scaling.moves import clamp, committed, idle_workers
from facefleet.core.scaling.staffing import Crew, sigmas, slots_ahead
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.core.scaling.window import Window

_LATE = 0.2  # requests that are late anyway are begun within this share of a boot after it
_BLIND = 2.0  # what a second of lateness adds to the price of a boot that comes too late, in worker-seconds
_STUCK = 4.0  # a worker pending for this many boots is not counted on
_UNSEEN_S = 10.0  # how long a start that the fleet does not show yet is believed in
_SLIVER = 0.3  # of a worker, not worth one
_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class FacefleetMemory:
    """What was learned, how many were spare of late, and what was ordered.

    Attributes:
        spare: idle workers beyond those that waiting requests will take.
        readiness: slots asked for by headroom and return, for one boot back.
        ordered, ordered_s: workers that should be there after the last start, and when it was ordered.
    """

    learned: Learned
    spare: Window = field(default_factory=Window)
    readiness: Window = field(default_factory=Window)
    purse: Purse = field(default_factory=Purse)
    ordered: int = 0
    ordered_s: float = -math.inf


@dataclass(frozen=True, kw_only=True)
class _View:
    """One observation with what was learned, as the three questions need it.

    Attributes:
        boot_s: mean boot of the next start.
        blind_s: how long from now requests come too early for any later order to help them; negative if none do.
    """

    seen: Observation
    bounds: Bounds
    learned: Learned
    crew: Crew
    boot_s: float
    blind_s: float


@dataclass(frozen=True, kw_only=True)
class Facefleet:
    """Boot-aware, forecasting, billed-time-aware scaling for an objective of the user's.

    Attributes:
        objective: wait and percentage, and the budget if there is one.
        billing: what a worker costs.
        periods_s: what a day and a week are, for learning the time of day.
    """

    objective: Objective = field(default_factory=Objective)
    billing: Billing = field(default_factory=Billing)
    periods_s: tuple[float, ...] = (_DAY_S, 7 * _DAY_S)
    name: str = "facefleet"

    def begin(self) -> FacefleetMemory:
        """Return the memory of a controller that has seen nothing yet."""
        return FacefleetMemory(learned=Learned(seasons=tuple(Season(period_s=period) for period in self.periods_s)))

    def decide(self, seen: Observation, bounds: Bounds, memory: FacefleetMemory) -> tuple[Decision, FacefleetMemory]:
        """Answer the three questions; start or drain by the highest answer."""
        view = self._view(seen, bounds, memory.learned)
        ready = max(self._headroom(view), self._return(view))
        readiness = memory.readiness.add(seen.now_s, ready, span_s=view.boot_s)
        spare = memory.spare.add(seen.now_s, len(idle_workers(seen)) - seen.visible, span_s=_spare_span_s(view))
        purse = memory.purse.count(seen.now_s, committed(seen), self.objective, self.billing)
        wants = tuple(math.ceil(slots / seen.capacity - _SLIVER) for slots in (self._late(view), readiness.peak()))
        affords = purse.affords(view.boot_s, self.objective, self.billing)
        goal = clamp(int(min(max(wants), affords)), bounds)
        have = max(committed(seen), memory.ordered if 0 <= seen.now_s - memory.ordered_s < _UNSEEN_S else 0)
        start = max(0, min(goal - have, bounds.maximum - committed(seen)))
        drain = () if start else self._leaving(view, spare, seen.count(WorkerState.RUNNING) - goal)
        if have > max(affords, bounds.minimum):
            drain = _unaffordable(seen, have - max(int(affords), bounds.minimum))
        kept = FacefleetMemory(
            learned=view.learned,
            spare=spare,
            readiness=readiness,
            purse=purse,
            ordered=(have + start if start else memory.ordered) - len(drain),
            ordered_s=seen.now_s if start else memory.ordered_s,
        )
        does = f"start {start}" if start else f"drain {len(drain)}" if drain else "hold"
        reason = f"{self._because(view, wants, affords)} {goal}, {have} are there or coming: {does}."
        return Decision(start=start, drain=drain, reason=reason), kept

    def _view(self, seen: Observation, bounds: Bounds, before: Learned) -> _View:
        boot_s = max(seen.boot_s, 1e-3)
        blind_s = boot_s * before.slow_boot + before.tick_s - self.objective.slo_s
        learned = before.add(
            seen,
            slots=bounds.maximum * seen.capacity,
            slo_s=self.objective.slo_s,
            blind_s=blind_s,
            regret_s=boot_s + _BLIND * max(0.0, blind_s),
        )
        crew = _crew(seen, learned, boot_s, sigmas(self.objective.at))
        return _View(seen=seen, bounds=bounds, learned=learned, crew=crew, boot_s=boot_s, blind_s=blind_s)

    def _late(self, view: _View) -> float:
        """Return the slots that keep requests from being late for whom an order at the next tick is too late."""
        learned, seen = view.learned, view.seen
        soonest_s = view.boot_s * (1 + _LATE)
        latest_s = max(soonest_s, view.boot_s * learned.slow_boot + learned.tick_s)
        rate_hz = learned.rate_hz(0.0)
        offered = rate_hz * (learned.service_s or 0.0)
        patience_s = self.objective.slo_s * _recoverable(offered, view.bounds.maximum * seen.capacity)
        more = max(
            view.crew.more_slots(_due(view, rate_hz, due_s - patience_s), within_s=due_s, boot_s=view.boot_s)
            for due_s in (soonest_s, latest_s)
        )
        return committed(seen) * seen.capacity + more if more > 0 else 0.0

    def _headroom(self, view: _View) -> float:
        """Return the slots for requests that will come while no order can help them."""
        if view.blind_s <= 0 or view.learned.service_s is None:
            return 0.0
        return slots_ahead(
            in_service=view.crew.busy,
            rate_hz=view.learned.rate_hz(view.boot_s),
            service_s=view.learned.service_s,
            blind_s=view.blind_s,
            slo_s=self.objective.slo_s,
            late_share=1 - self.objective.at / 100,
            most=view.bounds.maximum * view.seen.capacity,
        )

    def _return(self, view: _View) -> float:
        """Return the slots that must be there when work comes back, for those who come before an order helps."""
        if view.blind_s <= 0:
            return 0.0
        slo_s = self.objective.slo_s
        size = view.learned.idleness.expected(view.seen.now_s, view.blind_s + slo_s, self.objective.at)
        return max(1.0, size / (1 + slo_s / view.crew.service_s)) if size else 0.0

    def _leaving(self, view: _View, spare: Window, surplus: int) -> tuple[str, ...]:
        """Choose who drains: longest idle first, as many as were spare all along, none whose time is paid for."""
        keep_s = view.learned.levels.cheapest_s
        if surplus <= 0 or spare.readings[-1][0] - spare.readings[0][0] < keep_s:
            return ()
        unused = int(min(value for at_s, value in spare.readings if view.seen.now_s - at_s <= keep_s))
        ripe = [worker for worker in idle_workers(view.seen) if self._paid_s(worker, view) <= view.learned.tick_s]
        return tuple(worker.worker_id for worker in ripe[: max(0, min(surplus, unused))])

    def _paid_s(self, worker: Worker, view: _View) -> float:
        return self.billing.paid_for_s(max(0.0, view.seen.now_s - worker.since_s) + view.boot_s)

    def _because(self, view: _View, wants: tuple[int, ...], affords: float) -> str:
        seen, learned, aim = view.seen, view.learned, self.objective
        service = "not yet timed" if learned.service_s is None else f"{learned.service_s:.2g} s each"
        cap = "" if math.isinf(affords) else f", budget for {affords:.0f}"
        return (
            f"{seen.visible} waiting and {seen.in_flight} in work at {learned.rate_hz(0.0):.2g}/s, {service}; "
            f"{aim.at:g} % within {aim.slo_s:g} s needs {wants[0]} against lateness and {wants[1]} "
            f"in readiness{cap}, so"
        )


def _spare_span_s(view: _View) -> float:
    """Return how far back spare workers are remembered: a boot, or as long as keeping one pays if that is longer."""
    return max(view.boot_s, view.learned.levels.cheapest_s) + 2 * view.learned.tick_s


def _crew(seen: Observation, learned: Learned, boot_s: float, surely: float) -> Crew:
    running = seen.count(WorkerState.RUNNING) * seen.capacity
    held = sum(len(worker.jobs) for worker in seen.workers if worker.state is WorkerState.RUNNING)
    coming = [
        min(boot_s, max(learned.tick_s, worker.since_s + boot_s - seen.now_s))
        for worker in seen.workers
        if worker.state is WorkerState.PENDING and seen.now_s - worker.since_s < _STUCK * boot_s + _UNSEEN_S
    ]
    service_s = math.inf if learned.service_s is None else max(learned.service_s, 1e-6)
    ready = tuple(ready_s for ready_s in coming for _ in range(seen.capacity))
    busy = min(held, running)
    return Crew(free=running - busy, busy=busy, ready_s=ready, service_s=service_s, sigmas=surely)


def _due(view: _View, rate_hz: float, after_s: float) -> float:
    """Return the waiting or coming requests that arrive no later than `after_s` from now."""
    seen = view.seen
    if after_s >= 0:
        return seen.visible + rate_hz * after_s
    if seen.oldest_age_s < -after_s:
        return 0.0
    return max(0.0, seen.visible - view.learned.arrivals.within(-after_s))


def _recoverable(offered: float, slots: int) -> float:
    """Return the share of the objective that requests may wait and still be worked off in another by the maximum."""
    return max(0.0, min(1.0, (slots - offered) / offered)) if offered > 0 else 1.0


def _unaffordable(seen: Observation, count: int) -> tuple[str, ...]:
    """Choose who drains for want of money: idle ones first, then busy ones, who finish what they have."""
    running = [worker for worker in seen.workers if worker.state is WorkerState.RUNNING]
    running.sort(key=lambda worker: (bool(worker.jobs), worker.since_s, worker.worker_id))
    return tuple(worker.worker_id for worker in running[:count])
