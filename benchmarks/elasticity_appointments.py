"""What bursts cost a rule that knows the law by which they come: orders by the clock, and the rest at sight.

Bursts are independent of each other once the fleet is gone, so many are played at once, each with its own fleet, in
place of a day one after the other. Not covered are fleets that stay from one burst to the next.
"""

from collections.abc import Sequence

import numpy as np

from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.workload import Seconds

_DRAWS = 1000
_GOLDEN = (np.sqrt(5) - 1) / 2
# The law of `lab.simulate.workload`.
BURST, _BURST_S, _SOONEST_S, _LATEST_S = 100, 2.0, 570.0, 630.0


class Appointments:
    """Orders for the next burst, by looks since the one at which the last was seen first.

    A rule has five numbers: of its `workers`, `timed` ones are ordered by the clock, of these `first` ones after
    `looks` looks and the others `later` looks after that; the look that sees the burst orders all who are not ordered
    yet. All are kept until all hundred have come and none waits; then they leave as they are idle. Each of the draws
    is one burst: the time since the last and the phase of the look are spread evenly (a lattice), all else is drawn.
    """

    def __init__(self, cell: Experiment) -> None:
        self._cell = cell
        rng = np.random.default_rng(0)
        even = (np.arange(_DRAWS) + 0.5) / _DRAWS
        tick_s = cell.world.tick_s
        seen_s = tick_s * (np.arange(_DRAWS) * _GOLDEN % 1)  # the last burst was seen so long after it began
        begins_s = _SOONEST_S + (_LATEST_S - _SOONEST_S) * even - seen_s
        self._arrivals_s = begins_s + np.sort(rng.uniform(0, _BURST_S, (BURST, _DRAWS)), axis=0)
        self._look_s = np.ceil(self._arrivals_s[0] / tick_s) * tick_s
        self._boots_s = cell.world.boot.draw(rng, cell.bounds.maximum * _DRAWS).reshape(-1, _DRAWS)
        self._services_s = cell.service.draw(rng, BURST * _DRAWS).reshape(BURST, _DRAWS)

    def ranges(self) -> tuple[range, ...]:
        """Return what each of the five numbers may be."""
        most = self._cell.bounds.maximum
        slowest_s = float(self._boots_s.max())
        tick_s = self._cell.world.tick_s
        looks = range(int((_SOONEST_S - slowest_s) / tick_s) - 2, int(_LATEST_S / tick_s) + 2)
        later = range(int((_LATEST_S - _SOONEST_S) / tick_s) + 1)
        return (range(1, most + 1), range(most + 1), range(most + 1), looks, later)

    def coarse(self) -> tuple[Sequence[int], ...]:
        """Return a grid of these: all by the clock, at once."""
        workers, timed, first, looks, later = self.ranges()
        return workers[::3], timed[-1:], first[-1:], looks[::3], later[:1]

    def price(self, numbers: tuple[int, ...]) -> tuple[float, float]:
        """Return the 99th percentile of waits, and the worker-seconds of one burst."""
        workers, timed, first, looks, later = numbers
        world = self._cell.world
        number = np.arange(workers)[:, None]
        at_s = np.where(number < timed, world.tick_s * np.where(number < first, looks, looks + later), np.inf)
        ordered_s = np.minimum(at_s, self._look_s)  # (workers, draws)
        waits_s, free_s = self._play(ordered_s + self._boots_s[:workers])
        over_s = (self._arrivals_s + waits_s).max(axis=0)
        end_s = np.ceil(np.maximum(free_s, over_s) / world.tick_s) * world.tick_s
        paid_s = np.maximum(world.billing.minimum_s, end_s - ordered_s)
        return float(np.percentile(waits_s, 99)), float(paid_s.sum() / _DRAWS)

    def _play(self, free_s: Seconds) -> tuple[Seconds, Seconds]:
        """Return the waits, and when each worker is free at last."""
        waits_s, draws = np.empty_like(self._arrivals_s), np.arange(_DRAWS)
        for number, arrivals_s in enumerate(self._arrivals_s):
            worker = free_s.argmin(axis=0)
            begins_s = np.maximum(free_s[worker, draws], arrivals_s)
            waits_s[number] = begins_s - arrivals_s
            free_s[worker, draws] = begins_s + self._services_s[number]
        return waits_s, free_s
