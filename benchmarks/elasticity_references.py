"""What a simple rule pays that is told what ours must find out, at the same 99th percentile of waits.

Each is the cheapest of a family that a search found: what the best such rule pays is no more, and may be less. So it is
no bound; it says how much of what ours pays above the clairvoyant is the price of not knowing the moment.

*Bursts*: told the law by which they come and how large they are, not when. *Spiky*: told at every look whether a spike
is on. *Azure*: told nothing, but tuned in hindsight on this very trace. *Trickle*: told that arrivals have no memory:
workers are kept for always the same time, and several may be ordered at once, of which the first to boot counts.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations_with_replacement, product

import numpy as np

from elasticity_appointments import BURST, Appointments
from elasticity_search import cheapest
from facefleet.core.fleet import Bounds, Decision, Observation, Policy
from facefleet.core.scaling.moves import committed, move_to
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.experiment import Experiment

_TRIES = 150
_TRIES_BURSTS = 500  # a rule costs less to try there
_WORKERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 19)
_PER_WORKER = (1, 3, 7, 15, 30, 50, 70, 100, 300)
_CALM_S = (0, 5, 15, 30, 60, 120, 240, 480)
_GONE_S = (5, 15, 30, 60, 120, 240, 480, np.inf)
_COLD = (1, 2, 3)
_KEPT_S = (0, 30, 60, 90, 130, 180, 250, 350, 500, np.inf)
_SECOND_S = (0, 60, np.inf)


@dataclass(frozen=True, kw_only=True)
class KeptAlive:
    """One worker for so long after the last request, and a second for so long.

    Attributes:
        cold: workers ordered at once where nobody is there.
        kept_s, second_s: how long after the last request the first and the second stay.
    """

    cold: int
    kept_s: float
    second_s: float
    name: str = "kept alive"

    def begin(self) -> "Level":
        """Return the level before anything came."""
        return Level(came_s=-np.inf)

    def decide(self, seen: Observation, bounds: Bounds, memory: "Level") -> tuple[Decision, "Level"]:
        """Want those for whom the time is not over."""
        if seen.enqueued_total > memory.total:
            memory = replace(memory, came_s=seen.now_s, total=seen.enqueued_total)
        quiet_s = seen.now_s - memory.came_s
        alone = not committed(seen)
        wanted = sum(quiet_s < kept_s for kept_s in (self.kept_s, self.second_s))
        if seen.visible > 0:
            wanted = max(wanted, self.cold if alone else 1)
        return move_to(wanted, seen, bounds, "for so long"), memory


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
    """How many workers are wanted, when a request was last seen to wait, and when one last came, up to which total."""

    workers: int = 0
    waited_s: float = 0.0
    came_s: float = 0.0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A worker for so many that wait, kept until none has waited for so long, and a few for longer.

    Attributes:
        few, most: the fewest and the most workers.
        per_worker: requests that wait, for each worker wanted.
        calm_s: how long nothing must have waited before the fleet goes back to `few`.
        gone_s: how long nothing must have come before these go, too.
    """

    few: int
    most: int
    per_worker: int
    calm_s: float
    gone_s: float
    name: str = "tuned in hindsight"

    def begin(self) -> Level:
        """Return the level before anything came."""
        return Level()

    def decide(self, seen: Observation, bounds: Bounds, memory: Level) -> tuple[Decision, Level]:
        """Want as many as what waits asks for, or as were wanted since it was calm."""
        if seen.enqueued_total > memory.total:
            memory = replace(memory, came_s=seen.now_s, total=seen.enqueued_total)
        if seen.visible > 0:
            wanted = min(self.most, -(-seen.visible // self.per_worker))
            memory = replace(memory, workers=max(memory.workers, wanted), waited_s=seen.now_s)
        elif seen.now_s - memory.waited_s >= self.calm_s:
            memory = replace(memory, workers=0)
        few = self.few if seen.now_s - memory.came_s < self.gone_s else 0
        return move_to(max(memory.workers, few), seen, bounds, "by hindsight"), memory


def spikes_s(duration_s: float, seed: int) -> tuple[tuple[float, float], ...]:
    """Return when each spike of this seed begins and ends, as drawn by `lab.simulate.workload`."""
    rng = np.random.default_rng([seed, 1])
    spikes, start = [], rng.exponential(480)
    while start < duration_s:
        length = rng.uniform(60, 180)
        spikes.append((float(int(start)), float(int(start + length))))
        start += length + rng.exponential(480)
    return tuple(spikes)


def bursts(cell: Experiment, p99_s: float, seed: int, *, tries: int = _TRIES_BURSTS) -> float:
    """Return the worker-seconds of the cheapest orders found that keep `p99_s` in the long run, for as many bursts."""
    orders = Appointments(cell)
    requests = np.count_nonzero(cell.workload(seed).arrivals_s >= cell.warmup_s)
    return float(requests / BURST * cheapest(orders.price, orders.ranges(), orders.coarse(), p99_s, tries=tries))


def spiky(cell: Experiment, p99_s: float, seed: int) -> float:
    """Return the worker-seconds of the cheapest such rule that keeps `p99_s` on this very sample; all are tried."""
    spikes, most = spikes_s(cell.workload(seed).duration_s, seed), cell.bounds.maximum
    pairs = combinations_with_replacement(range(most + 1), 2)
    runs = [played(cell, Told(quiet=quiet, rush=rush, spikes_s=spikes), seed) for quiet, rush in pairs if rush]
    return min((paid for p99, paid in runs if p99 <= p99_s), default=np.inf)


def azure(cell: Experiment, p99_s: float, seed: int, *, tries: int = _TRIES) -> float:
    """Return the worker-seconds of the cheapest rule found that keeps `p99_s` on this very trace."""
    menus: tuple[tuple[float, ...], ...] = (_WORKERS, _WORKERS, _PER_WORKER, _CALM_S, _GONE_S)

    def price(numbers: tuple[int, ...]) -> tuple[float, float]:
        few, most, per_worker, calm_s, gone_s = (menu[number] for menu, number in zip(menus, numbers, strict=True))
        rule = Tuned(few=few, most=max(1, few, most), per_worker=per_worker, calm_s=calm_s, gone_s=gone_s)
        return played(cell, rule, seed)

    few, most, per_worker, calm_s, gone_s = ranges = tuple(range(len(menu)) for menu in menus)
    coarse = few[:10], most[-1:], per_worker[::2], calm_s[::2], gone_s[-1:]
    return cheapest(price, ranges, coarse, p99_s, tries=tries)


def trickle(cell: Experiment, p99_s: float, seed: int) -> float:
    """Return the worker-seconds of the cheapest keep-alive that keeps `p99_s` on this sample; all are tried."""
    return min((paid for p99, paid in _kept_alive(cell, seed) if p99 <= p99_s), default=np.inf)


@lru_cache
def _kept_alive(cell: Experiment, seed: int) -> tuple[tuple[float, float], ...]:
    rules = (
        KeptAlive(cold=cold, kept_s=kept_s, second_s=second_s)
        for cold, kept_s, second_s in product(_COLD, _KEPT_S, _SECOND_S)
        if second_s <= kept_s
    )
    return tuple(played(cell, rule, seed) for rule in rules)


def played(cell: Experiment, rule: Policy, seed: int) -> tuple[float, float]:
    """Return the 99th percentile of waits and the worker-seconds of a rule on one sample."""
    workload, services_s = cell.draw(seed)
    run = simulate(workload, services_s, rule, bounds=cell.bounds, world=cell.world, seed=seed, warmup_s=cell.warmup_s)
    return float(np.percentile(run.waits_s, 99)), run.billed_s


REFERENCES = {"trickle": trickle, "bursts": bursts, "spiky": spiky, "azure": azure}
