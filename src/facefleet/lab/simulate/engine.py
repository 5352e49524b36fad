"""The simulation: a queue in order of arrival, a fleet on paper, and the very policy that the controller runs.

Between two looks of the controller nothing but work happens, so requests are handed out in one tight loop, and only
the ticks cost Python time beyond it. A request's wait ends when a worker begins it.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapreplace
from typing import Any, NamedTuple

import numpy as np

from facefleet.core.fleet import Bounds, Observation, Policy, WorkerState
from facefleet.lab.simulate.fleet import SimulatedFleet, World
from facefleet.lab.simulate.workload import Seconds, Workload

_PATIENCE = 10  # a simulation ends, answered or not, after this many times the workload's duration ...
_GRACE_S = 3600.0  # ... and an hour


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
        run_s: worker-seconds used, before minimum and rounding.
        unanswered: requests that no worker had begun when the simulation gave up; they count as waiting until then.
        looks: what happened at each tick; empty for a schedule made without a controller.
    """

    policy: str
    waits_s: Seconds
    billed_s: float
    run_s: float
    starts: int
    stops: int
    unanswered: int = 0
    looks: tuple[Look, ...] = ()


def simulate(
    workload: Workload, services_s: Seconds, policy: Policy[Any], *, bounds: Bounds, world: World, seed: int
) -> Run:
    """Run a policy over a workload.

    Args:
        workload: when requests arrive.
        services_s: (N,) how long a worker takes for each.
        policy: the rule under test.
        bounds: the fewest and the most workers.
        world: the fleet and its charges.
        seed: of the boot delays; they are the same for every policy, first start to last.
    """
    fleet = SimulatedFleet(world, np.random.default_rng([seed, 2]))
    arrivals, services = workload.arrivals_s.tolist(), services_s.tolist()
    done_s = np.concatenate(([0.0], np.cumsum(services_s)))
    begins: list[float] = []
    looks: list[Look] = []
    memory = policy.begin()
    now = 0.0
    fleet.start(bounds.minimum, now)
    for now in _ticks(world.tick_s, workload.duration_s * _PATIENCE + _GRACE_S):
        arrived = bisect_right(arrivals, now, len(begins))
        _work(arrivals, services, begins, fleet.slots, arrived, now)
        workers, at_work = fleet.observe(now)
        begun = len(begins)
        if begun == len(arrivals) and not at_work and now >= workload.duration_s:
            break
        seen = Observation(
            now_s=now,
            visible=arrived - begun,
            in_flight=len(at_work),
            oldest_age_s=now - arrivals[begun] if arrived > begun else 0.0,
            enqueued_total=arrived,
            finished_total=begun - len(at_work),
            busy_ms_total=1000.0 * (float(done_s[begun]) - sum(services[request] for request in at_work)),
            workers=workers,
            boot_s=fleet.boot_s,
            stop_s=world.stop_s,
            capacity=world.capacity,
        )
        decision, memory = policy.decide(seen, bounds, memory)
        fleet.start(min(decision.start, bounds.maximum - fleet.serving), now)
        fleet.drain(decision.drain, now)
        looks.append(_look(seen, decision.start, len(decision.drain), decision.reason))
    fleet.close(now)
    begun = len(begins)
    waits = np.concatenate((np.array(begins), np.full(len(arrivals) - begun, now))) - workload.arrivals_s
    return Run(
        policy=policy.name,
        waits_s=np.maximum(waits, 0.0),
        billed_s=fleet.billed_s,
        run_s=fleet.run_s,
        starts=fleet.starts,
        stops=fleet.stops,
        unanswered=len(arrivals) - begun,
        looks=tuple(looks),
    )


def _ticks(tick_s: float, end_s: float) -> Iterator[float]:
    count = 0
    while count * tick_s <= end_s:
        yield count * tick_s
        count += 1


def _work(
    arrivals: list[float],
    services: list[float],
    begins: list[float],
    slots: list[tuple[float, int, int]],
    arrived: int,
    now_s: float,
) -> None:
    """Give each request that has arrived to the slot that is free first, until none is free before `now_s`."""
    for request in range(len(begins), arrived):
        if not slots or slots[0][0] > now_s:
            return
        free, number, _ = slots[0]
        arrival = arrivals[request]
        begin = arrival if arrival > free else free
        begins.append(begin)
        heapreplace(slots, (begin + services[request], number, request))


def _look(seen: Observation, start: int, drain: int, reason: str) -> Look:
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
        start=start,
        drain=drain,
        reason=reason,
    )
