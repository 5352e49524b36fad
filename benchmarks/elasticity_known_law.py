"""What bursts cost a rule that knows the law by which they come, and orders once for each: a search, no bound.

It says how much of what ours pays above the clairvoyant is the price of not knowing the moment, and how much that of
having to learn the law from a few bursts. Tried are counts of workers and, for each, the latest order after the last
request at which the 99th percentile of waits is no longer than asked for.
"""

from dataclasses import dataclass

import numpy as np

from facefleet.core.fleet import Bounds, Decision, Observation
from facefleet.core.scaling.moves import move_to
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.experiment import Experiment

_COUNTS, _HALVINGS = 6, 6
_BURST, BURST_S, _SOONEST_S, _LATEST_S = 100, 2.0, 570.0, 630.0  # the law of `lab.simulate.workload`


@dataclass(frozen=True)
class Quiet:
    """When the last request came, and the total then."""

    last_s: float = 0.0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class Appointment:
    """So many workers, ordered so long after the last request, kept until the burst is over and all work is done."""

    workers: int
    after_s: float
    name: str = "known law"

    def begin(self) -> Quiet:
        """Return the memory of nothing."""
        return Quiet()

    def decide(self, seen: Observation, bounds: Bounds, memory: Quiet) -> tuple[Decision, Quiet]:
        """Want all or nobody."""
        if seen.enqueued_total > memory.total:
            memory = Quiet(seen.now_s, seen.enqueued_total)
        quiet_s = seen.now_s - memory.last_s
        busy = seen.visible + seen.in_flight > 0 or (memory.total and quiet_s < BURST_S)
        return move_to(self.workers if busy or quiet_s >= self.after_s else 0, seen, bounds, "by the law"), memory


def known_law(cell: Experiment, p99_s: float, seed: int) -> float:
    """Return the worker-seconds of the cheapest such order that was found; infinite if none has this percentile."""
    workload, services_s = cell.draw(seed)
    most = cell.bounds.maximum
    fewest = int(np.clip(np.floor(_BURST / (1 + p99_s / cell.service.mean_s)), 1, most))
    best = np.inf

    def run(workers: int, after_s: float) -> tuple[float, float]:
        rule = Appointment(workers=workers, after_s=after_s)
        result = simulate(
            workload, services_s, rule, bounds=cell.bounds, world=cell.world, seed=seed, warmup_s=cell.warmup_s
        )
        return float(np.percentile(result.waits_s, 99)), result.billed_s

    for workers in np.unique(np.linspace(fewest, min(most, 1 + 1.6 * fewest), _COUNTS).astype(int)):
        low, high = _SOONEST_S - 2 * cell.world.boot.mean_s - 10, _LATEST_S + 10
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            p99, billed_s = run(int(workers), middle)
            fits = p99 <= p99_s
            low, high = (middle, high) if fits else (low, middle)
            best = min(best, billed_s) if fits else best
    return float(best)
