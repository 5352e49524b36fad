"""What a fleet costs under somebody who knows the future, yet pays for every boot.

A schedule made backwards in time as it were: workers are ready the moment the first request needs them, and stop the
moment the last is done, whenever the next comes later than a boot is worth. Requests go in order of arrival; a worker
that comes free within the wait allowed is preferred to one that idles, and that to a new one. This is a schedule, not
a proof: nobody without foresight does it, and the least possible may be a little lower. What can be proved is the work
itself, which no fleet does in fewer worker-seconds.

It ignores much of what binds a rule: the minimum of workers, the budget, the delay until a stopped worker's place is
free again, and the controller's ticks; and workers that boot do not count towards the maximum. All restart from a warm
pool that holds the whole fleet, none from a smaller one.
"""

import math
from bisect import bisect_left, bisect_right, insort
from functools import cache

import numpy as np

from facefleet.core.fleet import Bounds
from facefleet.lab.simulate.durations import Durations
from facefleet.lab.simulate.engine import Run
from facefleet.lab.simulate.fleet import World, boots_s
from facefleet.lab.simulate.workload import Seconds, Workload

_STEPS = 9  # of the search for a wait, each halving the interval


def clairvoyant(
    workload: Workload, services_s: Seconds, *, bounds: Bounds, world: World, wait_s: float, seed: int
) -> Run:
    """Schedule a workload so that nobody waits longer than `wait_s`, as far as the maximum allows.

    It is the cheapest of several schedules: new workers are ready at once, or `wait_s` later; a worker idles for no
    more than a boot costs, or for more, as a short run costs the minimum. Where the maximum is too small for the load
    that may be one in which more wait too long.

    With a capacity above 1, each slot is scheduled by itself and charged its share of a worker.
    """
    boot_s = _kind(bounds, world).mean_s
    kept_s = math.sqrt(boot_s * max(boot_s, world.billing.minimum_s))
    runs = [
        _schedule(
            workload, services_s, bounds=bounds, world=world, wait_s=wait_s, seed=seed, delay_s=delay_s, idle_s=idle_s
        )
        for delay_s in dict.fromkeys((0.0, wait_s))
        for idle_s in dict.fromkeys((boot_s, kept_s))
    ]
    return min(runs, key=lambda run: run.billed_s)


def clairvoyant_at(
    p99_s: float, workload: Workload, services_s: Seconds, *, bounds: Bounds, world: World, seed: int
) -> Run:
    """Return the cheapest such schedule found whose 99th percentile of waits is no longer than `p99_s`.

    Tried are waits allowed to all, with the maximum and with the smallest fleet that is just enough without any.
    """

    @cache
    def schedule(maximum: int, wait_s: float) -> Run:
        fewer = Bounds(minimum=0, maximum=maximum)
        return clairvoyant(workload, services_s, bounds=fewer, world=world, wait_s=wait_s, seed=seed)

    def meets(run: Run) -> bool:
        return bool(np.percentile(run.waits_s, 99) <= p99_s + 1e-6)

    enough = 1 + bisect_left(range(1, bounds.maximum), 1, key=lambda maximum: int(meets(schedule(maximum, 0.0))))
    runs = []
    for maximum in {enough, bounds.maximum}:
        runs.append(schedule(maximum, 0.0))
        low, high = 0.0, 2 * p99_s + 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            run = schedule(maximum, middle)
            low, high = (middle, high) if meets(run) else (low, middle)
            runs.append(run)
    return min((run for run in runs if meets(run)), key=lambda run: run.billed_s, default=runs[0])


def _schedule(
    workload: Workload,
    services_s: Seconds,
    *,
    bounds: Bounds,
    world: World,
    wait_s: float,
    seed: int,
    delay_s: float,
    idle_s: float,
) -> Run:
    """Schedule.

    Args:
        delay_s: a new worker is ready so long after the request that needs it, so that others can queue behind.
        idle_s: the most that a worker's idling may cost.
    """
    boots = boots_s(_kind(bounds, world), np.random.default_rng([seed, 2]))
    bill = world.billing.billed_s
    slots = bounds.maximum * world.capacity
    free: list[tuple[float, float]] = []  # (free at, ordered at) of each slot in use, ascending
    begins, billed_s, starts = [], 0.0, 0
    for arrival, service in zip(workload.arrivals_s.tolist(), services_s.tolist(), strict=True):
        idle = bisect_right(free, (arrival, float("inf")))
        if idle < len(free) and (free[idle][0] <= arrival + wait_s or len(free) - idle >= slots):
            begin, ordered = free.pop(idle)
        elif idle and _idling_costs(free[idle - 1], arrival, world) <= idle_s:
            begin, ordered = free.pop(idle - 1)
            begin = arrival
        else:
            for done, since in free[:idle]:
                billed_s += bill(done - since)
            del free[:idle]
            begin = arrival + delay_s
            ordered = begin - next(boots)
            starts += 1
        begins.append(begin)
        insort(free, (begin + service, ordered))
    billed_s += sum(bill(done - since) for done, since in free)
    return Run(
        policy="clairvoyant",
        waits_s=np.array(begins) - workload.arrivals_s,
        billed_s=billed_s / world.capacity,
        starts=math.ceil(starts / world.capacity),
        stops=math.ceil(starts / world.capacity),
    )


def _kind(bounds: Bounds, world: World) -> Durations:
    """Return what a start takes: from the warm pool if all can come from there, and that is faster."""
    whole = world.warm >= bounds.maximum and world.warm_boot.mean_s < world.boot.mean_s
    return world.warm_boot if whole else world.boot


def _idling_costs(slot: tuple[float, float], until_s: float, world: World) -> float:
    done, ordered = slot
    bill = world.billing.billed_s
    return bill(until_s - ordered) - bill(done - ordered)
