"""The simulation: a queue in order of arrival, a fleet on paper, and the very policy that the controller runs.

Between two looks of the controller nothing but work happens, so requests are handed out in one tight loop, and only
the ticks cost Python time beyond it. A request's wait ends when a worker begins it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heapreplace
from typing import Any, NamedTuple

import numpy as np

from facefleet.core.fleet import Bounds, Decision, Observation, Policy, WorkerState
from facefleet.lab.simulate.fleet import SimulatedFleet, World
from facefleet.lab.simulate.workload import Seconds, Workload

_PATIENCE = 10  # a simulation ends, answered or not, after this many times the workload's duration ...
_GRACE_S = 3600.0  # ... and an hour, but no more than so many looks after its end
_PATIENT_LOOKS = 1_000_000
_TOLD_LOOKS = 1_000  # between two reports of how far it is


class Look(NamedTuple):
    """What the controller saw and did at one tick."""

    at_s: float
    arrived: int
    visible: int
    in_flight: int
    oldest_age_s: float
    pending: int
    running: int
    leaving: int
    start: int
    drain: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """One simulated run of one policy.

    Attributes:
        waits_s: (N,) seconds from arrival until a worker began, in order of arrival.
        billed_s: worker-seconds charged for, boot included.
        unanswered: requests that no worker had begun when the simulation gave up; they count as waiting until then.
        looks: what happened at each tick; empty for a schedule made without a controller.
    """

    policy: str
    waits_s: Seconds
    billed_s: float
    starts: int
    stops: int
    unanswered: int = 0
    looks: tuple[Look, ...] = ()


def simulate(
    workload: Workload,
    services_s: Seconds,
    policy: Policy[Any],
    *,
    bounds: Bounds,
    world: World,
    seed: int,
    warmup_s: float = 0.0,
    passed: Callable[[float], None] = lambda _now_s: None,
) -> Run:
    """Run a policy over a workload.

    Args:
        workload: when requests arrive.
        services_s: (N,) how long a worker takes for each.
        policy: the rule under test.
        bounds: the fewest and the most workers.
        world: the fleet and its charges.
        seed: of the boot delays; they are the same for every policy, first start to last.
        warmup_s: requests that arrive before, and worker-seconds, starts and stops before, are not counted, nor is
            the work that is left over from before.
        passed: is told now and then how much of the time that is simulated is over.
    """
    fleet = SimulatedFleet(world, np.random.default_rng([seed, 2]))
    line = _Line(workload, services_s)
    looks: list[Look] = []
    memory = policy.begin()
    now = 0.0
    before = (0.0, 0, 0)
    fleet.start(bounds.minimum, now)
    patience_s = min(workload.duration_s * (_PATIENCE - 1) + _GRACE_S, _PATIENT_LOOKS * world.tick_s)
    for now in _ticks(world.tick_s, workload.duration_s + patience_s):
        line.hand_out(fleet.slots, now)
        if now <= warmup_s > 0:
            left_s = line.left_s(fleet.slots, now) / world.capacity
            before = (fleet.spent_s(now) + left_s, fleet.starts, fleet.stops)
        seen = _observe(line, fleet, world, now)
        if now >= workload.duration_s and seen.finished_total == len(line.arrivals):
            break
        decision, memory = policy.decide(seen, bounds, memory)
        fleet.start(min(decision.start, bounds.maximum - fleet.serving), now)
        fleet.drain(decision.drain, now)
        looks.append(_look(seen, decision))
        if len(looks) % _TOLD_LOOKS == 0:
            passed(now)
    begun = len(line.begins)
    waits = np.concatenate((np.array(line.begins), np.full(len(line.arrivals) - begun, now))) - workload.arrivals_s
    return Run(
        policy=policy.name,
        waits_s=np.maximum(waits, 0.0)[workload.arrivals_s >= warmup_s],
        billed_s=fleet.spent_s(now) - before[0],
        starts=fleet.starts - before[1],
        stops=fleet.stops - before[2],
        unanswered=len(line.arrivals) - begun,
        looks=tuple(looks),
    )


class _Line:
    """Requests in order of arrival.

    Attributes:
        arrivals, services: seconds, of every request.
        begins: when a worker began each, as far as they are begun.
        arrived: how many have come.
    """

    def __init__(self, workload: Workload, services_s: Seconds) -> None:
        self.arrivals: list[float] = workload.arrivals_s.tolist()
        self.services: list[float] = services_s.tolist()
        self.begins: list[float] = []
        self.arrived = 0
        self._work_s = np.concatenate(([0.0], np.cumsum(services_s)))

    def hand_out(self, slots: list[tuple[float, int, int]], now_s: float) -> None:
        """Give each request that has arrived to the slot that is free first, until none is free before `now_s`."""
        arrivals, services, begun = self.arrivals, self.services, self.begins.append
        self.arrived = bisect_right(arrivals, now_s, self.arrived)
        for request in range(len(self.begins), self.arrived if slots else 0):
            free, number, _ = slots[0]
            if free > now_s:
                return
            arrival = arrivals[request]
            begin = arrival if arrival > free else free  # noqa: FURB136 - a call would take a quarter as long as the rest
            begun(begin)
            heapreplace(slots, (begin + services[request], number, request))

    def left_s(self, slots: list[tuple[float, int, int]], now_s: float) -> float:
        """Return the work that is still to do on the requests that have come, in seconds of one slot."""
        waiting = float(self._work_s[self.arrived] - self._work_s[len(self.begins)])
        return waiting + sum(free - now_s for free, _, request in slots if request >= 0 and free > now_s)

    def finished_s(self, at_work: list[int]) -> float:
        """Return the work of all requests that are begun and done."""
        return float(self._work_s[len(self.begins)]) - sum(self.services[request] for request in at_work)


def _ticks(tick_s: float, end_s: float) -> Iterator[float]:
    count = 0
    while count * tick_s <= end_s:
        yield count * tick_s
        count += 1


def _observe(line: _Line, fleet: SimulatedFleet, world: World, now_s: float) -> Observation:
    workers, at_work = fleet.observe(now_s)
    begun, boots = len(line.begins), fleet.next_boots
    return Observation(
        now_s=now_s,
        visible=line.arrived - begun,
        in_flight=len(at_work),
        oldest_age_s=now_s - line.arrivals[begun] if line.arrived > begun else 0.0,
        enqueued_total=line.arrived,
        finished_total=begun - len(at_work),
        busy_ms_total=1000.0 * line.finished_s(at_work),
        workers=workers,
        boot_s=boots.mean_s,
        boot_spread=boots.spread,
        stop_s=world.stop_s,
        capacity=world.capacity,
    )


def _look(seen: Observation, decision: Decision) -> Look:
    states = [worker.state for worker in seen.workers]
    return Look(
        at_s=seen.now_s,
        arrived=seen.enqueued_total,
        visible=seen.visible,
        in_flight=seen.in_flight,
        oldest_age_s=seen.oldest_age_s,
        pending=states.count(WorkerState.PENDING),
        running=states.count(WorkerState.RUNNING),
        leaving=states.count(WorkerState.DRAINING) + states.count(WorkerState.STOPPING),
        start=decision.start,
        drain=len(decision.drain),
        reason=decision.reason,
    )
