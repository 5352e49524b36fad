"""Our scaling rule on a fleet like EC2, in a simulation or look by look."""

import numpy as np

from facefleet.core.fleet import Bounds, Worker, WorkerState
from facefleet.core.scaling import policy
from facefleet.core.scaling.terms import Billing
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Workload

BOUNDS = Bounds(minimum=0, maximum=19)
EC2 = World(boot=durations("45"), stop_s=10.0, tick_s=5.0, billing=Billing(minimum_s=60.0))


def ours(objective=None, world=None):
    """Return our rule."""
    return policy("facefleet", objective=objective, billing=world and world.billing)


def run(arrivals, service_s, *, world=EC2, rule=None, duration_s=None, bounds=BOUNDS, warmup_s=0.0):
    """Return what our rule, or another, does about requests that take so long each."""
    arrivals = np.asarray(arrivals, dtype=float)
    workload = Workload(name="test", arrivals_s=arrivals, duration_s=duration_s or float(arrivals[-1]) + 60)
    services = np.broadcast_to(np.asarray(service_s, dtype=float), arrivals.shape)
    rule = rule or policy("facefleet", billing=world.billing)
    return simulate(workload, services, rule, bounds=bounds, world=world, seed=1, warmup_s=warmup_s)


def workers(running, *, pending=0, busy=0, now_s=0.0):
    """Return so many workers, the first `busy` of them at work."""
    return tuple(
        Worker(
            worker_id=f"w{number}",
            state=WorkerState.RUNNING if number < running else WorkerState.PENDING,
            since_s=now_s,
            jobs=("job",) if number < busy else (),
            idle_since_s=now_s if busy <= number < running else None,
        )
        for number in range(running + pending)
    )


def play(rule, seen, bounds=BOUNDS):
    """Return what a rule decides, look by look."""
    memory, decisions = rule.begin(), []
    for one in seen:
        decision, memory = rule.decide(one, bounds, memory)
        decisions.append(decision)
    return decisions
