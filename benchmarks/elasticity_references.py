"""What a simple rule pays that is told what ours must find out, at the same 99th percentile of waits.

Each is the cheapest of a family that a search found: what the best such rule pays is no more, and may be less. So it is
no bound; it says how much of what ours pays above the clairvoyant is the price of not knowing the moment.

*Bursts*: told the law by which they come and how large they are, not when. *Spiky*: told at every look whether a spike
is on. *Azure*: told nothing, but tuned in hindsight on this very trace.
"""

from dataclasses import dataclass

import numpy as np

from elasticity_appointments import Appointments
from elasticity_search import cheapest
from facefleet.core.fleet import Bounds, Decision, Observation, Policy
from facefleet.core.scaling.moves import move_to
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.experiment import Experiment

_TRIES = {"bursts": 600, "spiky": 80, "azure": 100}
_PER_WORKER = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300)
_CALM_S = (0, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600)


@dataclass(frozen=True, kw_only=True)
class Told:
    """So many workers between spikes, and so many during them and until nothing waits.

    Spikes begin without memory (the times between are exponential), so what is worth keeping between them is constant.

    Attributes:
        quiet, rush: workers between spikes, and in them.
        spikes_s: (begin, end) of each spike.
    """

    quiet: int
    rush: int
    spikes_s: tuple[tuple[float, float], ...]
    name: str = "told of spikes"

    def begin(self) -> bool:
        """Return whether there is a rush: not yet."""
        return False

    def decide(self, seen: Observation, bounds: Bounds, memory: bool) -> tuple[Decision, bool]:
        """Want what the moment asks for."""
        on = any(begin <= seen.now_s < end for begin, end in self.spikes_s)
        rush = on or (memory and seen.visible > 0)
        return move_to(self.rush if rush else self.quiet, seen, bounds, "as told"), rush


@dataclass(frozen=True)
class Level:
    """How many workers are wanted, and when a request was last seen to wait."""

    workers: int = 0
    waited_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A worker for so many that wait, kept until none has waited for so long.

    Attributes:
        always, most: the fewest and the most workers.
        per_worker: requests that wait, for each worker wanted.
        calm_s: how long nothing must have waited before the fleet goes back to `always`.
    """

    always: int
    most: int
    per_worker: int
    calm_s: float
    name: str = "tuned in hindsight"

    def begin(self) -> Level:
        """Return the level before anything came."""
        return Level()

    def decide(self, seen: Observation, bounds: Bounds, memory: Level) -> tuple[Decision, Level]:
        """Want as many as what waits asks for, or as were wanted since it was calm."""
        wanted = min(self.most, -(-seen.visible // self.per_worker))
        if seen.visible > 0:
            memory = Level(max(memory.workers, wanted), seen.now_s)
        elif seen.now_s - memory.waited_s >= self.calm_s:
            memory = Level(self.always, memory.waited_s)
        return move_to(max(memory.workers, self.always), seen, bounds, "by hindsight"), memory


def spikes_s(duration_s: float, seed: int) -> tuple[tuple[float, float], ...]:
    """Return when each spike of this seed begins and ends, as drawn by `lab.simulate.workload`."""
    rng = np.random.default_rng([seed, 1])
    spikes, start = [], rng.exponential(480)
    while start < duration_s:
        length = rng.uniform(60, 180)
        spikes.append((float(int(start)), float(int(start + length))))
        start += length + rng.exponential(480)
    return tuple(spikes)


def reference(cell: Experiment, name: str, p99_s: float, seed: int) -> float:
    """Return the worker-seconds of the cheapest reference found for this workload; infinite if none keeps `p99_s`."""
    return {"bursts": _bursts, "spiky": _spiky, "azure": _azure}[name](cell, p99_s, seed)


def _bursts(cell: Experiment, p99_s: float, seed: int) -> float:
    arrivals_s = cell.workload(seed).arrivals_s
    orders = Appointments(cell)
    counted = np.count_nonzero(arrivals_s >= cell.warmup_s) / orders.burst
    return counted * cheapest(orders.price, orders.ranges(), orders.start(), p99_s, tries=_TRIES["bursts"])


def _spiky(cell: Experiment, p99_s: float, seed: int) -> float:
    spikes = spikes_s(cell.workload(seed).duration_s, seed)
    most = cell.bounds.maximum

    def price(numbers: tuple[int, ...]) -> tuple[float, float]:
        quiet, more = numbers
        return _run(cell, Told(quiet=quiet, rush=min(most, quiet + more), spikes_s=spikes), seed)

    return cheapest(price, (range(most + 1), range(most + 1)), (most, 0), p99_s, tries=_TRIES["spiky"])


def _azure(cell: Experiment, p99_s: float, seed: int) -> float:
    most = cell.bounds.maximum

    def price(numbers: tuple[int, ...]) -> tuple[float, float]:
        always, more, per_worker, calm = numbers
        rule = Tuned(
            always=always,
            most=min(most, always + more),
            per_worker=_PER_WORKER[per_worker],
            calm_s=_CALM_S[calm],
        )
        return _run(cell, rule, seed)

    ranges = (range(most + 1), range(most + 1), range(len(_PER_WORKER)), range(len(_CALM_S)))
    return cheapest(price, ranges, (most, 0, 0, len(_CALM_S) - 1), p99_s, tries=_TRIES["azure"])


def _run(cell: Experiment, rule: Policy, seed: int) -> tuple[float, float]:
    workload, services_s = cell.draw(seed)
    run = simulate(workload, services_s, rule, bounds=cell.bounds, world=cell.world, seed=seed, warmup_s=cell.warmup_s)
    return float(np.percentile(run.waits_s, 99)), run.billed_s
