"""Ours, the default: the fewest workers that keep the objective, as late as that allows.

Three questions, each answered in slots; the highest answer counts:

1. *Lateness.* Which requests will be late unless a worker is ordered now, and how few workers keep all deadlines?
   (`lateness`)
2. *Headroom.* If the objective is shorter than a boot, requests that have not come yet are late already unless somebody
   is there for them: Erlang's C over the forecast rate, and over the rate to which such a load has often jumped.
   (`readiness`, `staffing`, `forecast`, `jumps`)
3. *Return.* After the fleet went idle, may work come back before a worker ordered then would be there? Until idle times
   tell, it may for up to an hour; then a plan made of them says when to have how many back. (`readiness`, `idle`,
   `prewarm`)

Workers leave that are idle: at once where a boot fits into the objective, else once so many were idle for as long as
past idle times say is worth waiting (`levels`), or on average over a boot; none whose time is paid for until the next
tick. A budget caps the answer (`budget`).
"""

import math
from dataclasses import dataclass, field, replace

from facefleet.core.boots import slow
from facefleet.core.fleet import Bounds, Decision, Observation, Worker, WorkerState
from facefleet.core.scaling.budget import Purse
from facefleet.core.scaling.cold import cold_start
from facefleet.core.scaling.forecast import Season
from facefleet.core.scaling.jumps import Jumps
from facefleet.core.scaling.lateness import SLIVER, workers_against_lateness
from facefleet.core.scaling.learned import Learned
from facefleet.core.scaling.moves import clamp, committed, idle_workers
from facefleet.core.scaling.readiness import Readiness, kept_hz, readiness
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.core.scaling.view import UNSEEN_S, View, crew
from facefleet.core.scaling.window import Window

# What a worker that is back a second too late costs, in worker-seconds, times the share of requests that may be late.
_PRICE_OF_LATENESS = 0.005
_FEWEST_LATE = 1e-6
_ROUNDING = 1e-9  # of a slot
_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class FacefleetMemory:
    """What was learned, how many were spare of late, and what was ordered.

    Attributes:
        spare: idle workers beyond those that waiting requests will take.
        readiness: slots asked for by headroom and return, for one boot back; none from before the work was over.
        ordered, ordered_s: workers that should be there after the last start, until they were, and when it was ordered.
    """

    learned: Learned
    jumps: Jumps = field(default_factory=Jumps)
    spare: Window = field(default_factory=Window)
    readiness: Window = field(default_factory=Window)
    purse: Purse = field(default_factory=Purse)
    ordered: int = 0
    ordered_s: float = -math.inf


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

    def learn(self, seen: Observation, bounds: Bounds, memory: FacefleetMemory) -> FacefleetMemory:
        """Return what is known after something that is past; planning for it would take most of the time."""
        view = self._view(seen, bounds, memory)
        purse = memory.purse.count(
            seen.now_s, committed(seen), wanted=0, boot_s=view.boot_s, objective=self.objective, billing=self.billing
        )
        return replace(memory, learned=view.learned.remembered(), jumps=_jumps(view), purse=purse)

    def decide(self, seen: Observation, bounds: Bounds, memory: FacefleetMemory) -> tuple[Decision, FacefleetMemory]:
        """Answer the three questions; start or drain by the highest answer."""
        view = self._view(seen, bounds, memory)
        back_s = 0.0 if view.over else view.boot_s
        ready = readiness(view)
        ahead = memory.readiness.add(seen.now_s, ready.slots, span_s=back_s)
        idle = idle_workers(seen)
        spare = memory.spare.add(seen.now_s, len(idle) - seen.visible, span_s=_spare_span_s(view))
        there = committed(seen)
        have = max(there, memory.ordered if 0 <= seen.now_s - memory.ordered_s < UNSEEN_S else 0)
        boot_s, aim, billing = view.boot_s, self.objective, self.billing
        wants = (workers_against_lateness(view), _workers(ahead.peak(), seen.capacity))
        purse = memory.purse.count(seen.now_s, there, wanted=max(wants), boot_s=boot_s, objective=aim, billing=billing)
        affords = purse.affords(have, boot_s=boot_s, objective=aim, billing=billing)
        goal = clamp(int(min(max(wants), affords, bounds.maximum)), bounds)
        start = max(0, min(goal - have, bounds.maximum - there))
        drain = () if start else self._leaving(view, idle, spare, seen.count(WorkerState.RUNNING) - goal)
        if have > max(affords, bounds.minimum):
            drain = _unaffordable(seen, seen.count(WorkerState.RUNNING) - max(int(affords), bounds.minimum))
        kept = FacefleetMemory(
            learned=view.learned,
            jumps=_jumps(view),
            spare=spare,
            readiness=ahead,
            purse=purse,
            ordered=(have + start if start else have if have > there else 0) - len(drain),
            ordered_s=seen.now_s if start else memory.ordered_s,
        )
        does = f"start {start}" if start else f"drain {len(drain)}" if drain else "hold"
        if have > goal and not drain:
            does += self._holding(view, idle, seen.count(WorkerState.RUNNING) - goal)
        unseen = f" and {have - there} ordered just now" if have > there else ""
        reason = f"{self._because(view, ready, wants, affords)} {goal}"
        reason += f"{_bound(goal, min(max(wants), affords), bounds)}, with {there} there or coming{unseen}: {does}."
        return Decision(start=start, drain=drain, reason=reason), kept

    def _view(self, seen: Observation, bounds: Bounds, memory: FacefleetMemory) -> View:
        before = memory.learned
        boot_s = max(seen.boot_s, 1e-3)
        slow_s = boot_s * slow(seen.boot_spread) + before.tick_s
        blind_s = slow_s - self.objective.slo_s
        price = _PRICE_OF_LATENESS / max(self.objective.late_share, _FEWEST_LATE)
        learned = before.add(
            seen,
            slots=bounds.maximum * seen.capacity,
            slo_s=self.objective.slo_s,
            regret_s=price * max(0.0, blind_s),
            minimum_s=self.billing.minimum_s,
        )
        return View(
            seen=seen,
            bounds=bounds,
            objective=self.objective,
            learned=learned,
            before=before,
            crew=crew(seen, learned, boot_s, self.objective.at),
            boot_s=boot_s,
            slow_s=slow_s,
            cold=cold_start(seen.boot_spread, boot_s, learned.tick_s, self.objective, bounds.maximum),
            minimum_s=self.billing.minimum_s,
            jumps=memory.jumps,
            sustained=self._sustained(),
        )

    def _sustained(self) -> float:
        budget, price = self.objective.budget_per_h, self.billing.price_per_h
        return math.inf if budget is None or price <= 0 else budget / price

    def _leaving(self, view: View, idle: list[Worker], spare: Window, surplus: int) -> tuple[str, ...]:
        """Choose who drains: longest idle first, as many as were spare all along, none whose time is paid for."""
        keep_s = view.before.levels.cheapest_s  # what has just come is no reason to let more go
        if surplus <= 0 or spare.readings[-1][0] - spare.readings[0][0] < keep_s:
            return ()
        unused = _unused(view, spare, keep_s)
        ripe = [worker for worker in idle if self._paid_s(worker, view) <= view.learned.tick_s]
        return tuple(worker.worker_id for worker in ripe[: max(0, min(surplus, unused))])

    def _holding(self, view: View, idle: list[Worker], surplus: int) -> str:
        """Say why more workers stay than are needed."""
        if surplus <= 0:
            return " until those coming are there"
        if not idle:
            return ", all are at work"
        if all(self._paid_s(worker, view) > view.learned.tick_s for worker in idle):
            return ", their time is paid for"
        return f", fewer than {surplus} were spare for {max(view.before.levels.cheapest_s, view.learned.tick_s):.0f} s"

    def _paid_s(self, worker: Worker, view: View) -> float:
        if worker.run_s is not None:
            return self.billing.paid_for_s(worker.run_s)
        took_s = view.boot_s if worker.boot_s is None else worker.boot_s
        return self.billing.paid_for_s(max(0.0, view.seen.now_s - worker.since_s) + took_s)

    def _because(self, view: View, ready: Readiness, wants: tuple[int, ...], affords: float) -> str:
        seen, learned, aim = view.seen, view.learned, self.objective
        service = "not yet timed" if learned.service_s is None else f"{learned.service_s:.2g} s each"
        jump = f" (it may jump to {ready.risen_hz:.2g}/s)" if ready.risen_hz else ""
        cap = "" if math.isinf(affords) else f", budget for {affords:.0f}"
        return (
            f"{seen.visible} waiting and {seen.in_flight} in work at {learned.rate_hz(0.0):.2g}/s, {service}; "
            f"{aim.at:g} % within {aim.slo_s:g} s needs {wants[0]} against lateness and {wants[1]} "
            f"in readiness{jump}{cap}, so"
        )


def _bound(goal: int, want: float, bounds: Bounds) -> str:
    """Say which bound is the reason for a goal, if one is."""
    if goal == bounds.maximum < want:
        return ", the most allowed"
    return ", the fewest allowed" if goal == bounds.minimum > want else ""


def _jumps(view: View) -> Jumps:
    """Return what is known of jumps after this look: of what came, beside what was reckoned with at looks before."""
    return view.jumps.add(
        view.seen.now_s,
        view.before.total,
        view.learned.total,
        rate_hz=view.learned.persistence.trend.level_hz,
        reckoned_hz=view.learned.lasting_hz(view.boot_s),
        kept_hz=kept_hz(view),
        tick_s=view.learned.tick_s,
        horizon_s=view.slow_s,
        most_hz=view.slots / view.crew.service_s,
        slo_s=view.objective.slo_s,
    )


def _workers(slots: float, capacity: int) -> int:
    """Return the workers for so many slots; a sliver of one is not worth one, but a whole slot needs somebody."""
    return max(int(slots > 1 - _ROUNDING), math.ceil(slots / capacity - SLIVER))


def _spare_span_s(view: View) -> float:
    """Return how far back spare workers are remembered: a boot, or as long as keeping one pays if that is longer."""
    return max(view.boot_s, view.before.levels.cheapest_s) + 2 * view.learned.tick_s


def _unused(view: View, spare: Window, keep_s: float) -> int:
    """Return how many workers were spare all along, or on average over no less than a boot if that is more.

    What they did besides can wait for those who stay.
    """
    now_s = view.seen.now_s
    all_along = int(spare.trough(since_s=now_s - keep_s))
    span_s = max(keep_s, view.boot_s)
    if now_s - spare.readings[0][0] < span_s:
        return all_along
    return max(all_along, math.floor(spare.mean(since_s=now_s - span_s)))


def _unaffordable(seen: Observation, count: int) -> tuple[str, ...]:
    """Choose who drains for want of money: idle ones first, then busy ones, who finish what they have."""
    running = sorted(
        seen.those(WorkerState.RUNNING), key=lambda worker: (bool(worker.jobs), worker.since_s, worker.worker_id)
    )
    return tuple(worker.worker_id for worker in running[: max(0, count)])
