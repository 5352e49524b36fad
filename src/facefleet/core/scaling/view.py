"""One observation together with what was learned, as the questions of our rule need it."""

import math
from dataclasses import dataclass

from facefleet.core.boots import slowest
from facefleet.core.fleet import Bounds, Observation, WorkerState
from facefleet.core.scaling.cold import ColdStart
from facefleet.core.scaling.jumps import Jumps
from facefleet.core.scaling.learned import Learned
from facefleet.core.scaling.staffing import Crew, sigmas
from facefleet.core.scaling.terms import Objective

_STUCK = 4.0  # a worker pending for this many boots is not counted on
UNSEEN_S = 10.0  # how long a start that the fleet does not show yet is believed in


@dataclass(frozen=True, kw_only=True)
class View:
    """What is seen and known at one look.

    Attributes:
        boot_s: mean boot of the next start.
        slow_s: how long after now a worker ordered at the *next* look is there, even if it boots slowly.
        before: what was learned before this look.
        cold: what becomes of requests that find nobody there.
        minimum_s: charged for every start.
        jumps: that were learned of before this look.
        sustained: workers that the budget pays for without end; infinite without one.
    """

    seen: Observation
    bounds: Bounds
    objective: Objective
    learned: Learned
    before: Learned
    crew: Crew
    boot_s: float
    slow_s: float
    cold: ColdStart
    minimum_s: float
    jumps: Jumps
    sustained: float

    @property
    def blind_s(self) -> float:
        """How long from now requests come too early for any later order to help them; negative if none do."""
        return self.slow_s - self.objective.slo_s

    @property
    def over(self) -> bool:
        """Whether all work is done and, as past idle times say, none comes before a worker ordered later is there."""
        return self.learned.idleness.too_soon(self.seen.now_s, self.slow_s)

    @property
    def slots(self) -> int:
        """The most requests that can be worked on at once."""
        return self.bounds.maximum * self.seen.capacity


def crew(seen: Observation, learned: Learned, boot_s: float, at: float) -> Crew:
    """Return the slots of the workers that run, and of those pending that can be counted on."""
    workers = seen.those(WorkerState.RUNNING)
    running = len(workers) * seen.capacity
    held = sum(len(worker.jobs) for worker in workers)
    coming = [
        min(boot_s, max(learned.tick_s, worker.since_s + boot_s - seen.now_s))
        for worker in seen.those(WorkerState.PENDING)
        if seen.now_s - worker.since_s < _STUCK * boot_s + UNSEEN_S
    ]
    service_s = math.inf if learned.service_s is None else max(learned.service_s, 1e-6)
    ready = tuple(ready_s for ready_s in coming for _ in range(seen.capacity))
    busy = min(held, running)
    return Crew(
        free=running - busy,
        busy=busy,
        ready_s=ready,
        service_s=service_s,
        late_boot_s=(slowest(seen.boot_spread) - 1) * boot_s,
        sigmas=sigmas(at),
    )
