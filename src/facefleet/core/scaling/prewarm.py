"""When to have workers back before work is, and how many: the cheapest plan that past idle times would have liked.

A plan is tried on every idle time that is remembered and what came after it: workers ordered so long after the last
request, as many as that, and kept until then; once work has come, as many more as it needs. Each pays its boot, its
wait and the billing minimum. Of the plans under which few enough requests would have been late the cheapest is taken,
also where nobody need be there before: who comes early does with fewer, for they have longer. Shahrad et al.,
"Serverless in the Wild" (USENIX ATC 2020), pre-warm at a percentile of idle times; here costs say when.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facefleet.core.scaling.idle import MARGIN, Gaps, latest

_MOMENTS, _COUNTS = 24, 12  # tried, at most
_KEPT = (0.5, 0.8)  # shares of the idle times after which giving up is tried, besides the longest to reckon with
_PHASES = (0.25, 0.75)  # of a look, at which work comes
_SOON = 0.2  # see `lateness`: who is late anyway is begun soon after the boot
_SLIVER = 0.3
_MANY = 12  # idle times, of which one may be an exception
_SURE = 2.0  # standard errors by which a plan must be cheaper where nobody need be there before
_LITTLE = 0.5  # of what the whole fleet takes for a burst, which a boot may add to it
_SLACK = 0.2  # ... or else what may be added

_Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a plan has to go by.

    Attributes:
        boots_s: of a worker, each equally likely, ascending.
        tick_s: from one look to the next.
        service_s: mean service time.
        slo_s, late_share: how long a request may wait, and which share of them longer.
        minimum_s: charged for every start.
        boot_fits: whether the objective is kept for those who find nobody.
        slots: the most requests that can be worked on at once.
        sigmas: by how many standard deviations the rule allows for chance once work has come.
    """

    boots_s: tuple[float, ...]
    tick_s: float
    service_s: float
    slo_s: float
    late_share: float
    minimum_s: float
    boot_fits: bool
    slots: int
    sigmas: float


@dataclass(frozen=True, kw_only=True)
class Prewarm:
    """Slots to have, ordered `after_s` seconds after the last request and kept until `until_s`; 0 for nobody."""

    after_s: float = 0.0
    until_s: float = 0.0
    slots: int = 0

    def wanted(self, quiet_s: float) -> int:
        """Return the slots to have there or on their way so long after the last request."""
        return self.slots if self.after_s <= quiet_s <= self.until_s else 0


@lru_cache(maxsize=64)
def prewarm(gaps: Gaps, means: Means) -> Prewarm:
    """Return the plan for the next idle time.

    Where not even the whole fleet could keep the objective, or no plan does, little worse than what can be kept counts.

    Args:
        gaps: past idle times in seconds, and how many requests came at once after each; two or more.
        means: fleet, work and objective.
    """
    past = _Past(gaps, means)
    most = max(1, int(min(means.slots, np.ceil(past.sizes.max()))))
    counts = np.unique(np.geomspace(1, most, min(most, _COUNTS)).round())
    soonest_s = past.quiet_s.min() - means.boots_s[-1] - means.tick_s
    moments_s = np.unique(np.clip(np.linspace(soonest_s, past.quiet_s.max(), _MOMENTS), 0, None))
    kept_s = np.quantile([gap_s for gap_s, _ in gaps], _KEPT) * (1 + MARGIN)
    untils_s = np.array([*kept_s, latest(gaps, 100 * (1 - means.late_share))])
    costs, late = past.tried(moments_s, untils_s, counts)
    cost_of_none, late_of_none = past.without()
    fewest = min(late.min(), late_of_none)
    fine = late <= max(means.late_share, fewest + means.late_share / 2)
    if means.boot_fits:
        gains = cost_of_none - costs
        fine &= gains.mean(-1) > _SURE * gains.std(-1) / np.sqrt(len(gaps))
    if not fine.any():
        return Prewarm()
    best = np.unravel_index(np.argmin(np.where(fine, costs.mean(-1), np.inf)), fine.shape)
    return Prewarm(after_s=float(moments_s[best[0]]), until_s=float(untils_s[best[1]]), slots=int(counts[best[2]]))


class _Past:
    """Idle times and what came after them, on which plans are tried.

    Axes from the last: boot, phase of the look, idle time; before them those of the plans.
    """

    def __init__(self, gaps: Gaps, means: Means) -> None:
        quiet_s, sizes = np.array(gaps).T
        self.means = means
        self.quiet_s = _stretched(quiet_s)[:, None, None]
        self.sizes = sizes[:, None, None]
        self.phases_s = means.tick_s * np.array(_PHASES)[:, None]
        self.boots_s = np.array(means.boots_s)
        self.due_s = self._due_s()
        nobody = np.zeros(1)
        self.none = self._ending(nobody, nobody, nobody)

    def _due_s(self) -> _Numbers:
        """Return by when those who come at once are to be begun: the objective, or what the whole fleet makes of it."""
        whole_s = self.sizes / max(1, self.means.slots) * self.means.service_s
        cold_s = self.means.boots_s[-1] + self.means.tick_s
        can_s = whole_s + np.where(cold_s <= _LITTLE * whole_s, cold_s, _SLACK * whole_s)
        due_s: _Numbers = np.maximum(self.means.slo_s, can_s)
        return due_s

    def tried(self, after_s: _Numbers, until_s: _Numbers, counts: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return what each plan comes to: one for every order (M,), giving up (U,) and count of slots (C,).

        How an idle time ends depends on when the plan gives up only in that workers are there by then or are not, so
        either is worked out once, and the plans are put together from it.

        Returns:
            (M, U, C, N) slot-seconds for each plan and idle time, and (M, U, C) each plan's share of late requests.
        """
        after_s, until_s = after_s[:, None, None, None, None, None], until_s[:, None, None, None, None]
        counts = counts[:, None, None, None]
        kept = after_s == 0
        ordered_s = np.where(kept, 0.0, after_s + self.phases_s)
        ordered, there = self.quiet_s >= ordered_s, self.quiet_s <= until_s
        # The mean of so many boots differs the less.
        boots_s = self.boots_s.mean() + (self.boots_s - self.boots_s.mean()) / np.sqrt(counts)
        ready_s = np.where(kept, 0.0, np.maximum(0.0, ordered_s + boots_s - self.quiet_s))
        in_time = counts * (ready_s <= self.due_s)
        more_s, late, busy_s = self._ending(counts, in_time, in_time * np.maximum(0.0, self.due_s - ready_s))
        boots_s, minimum_s = np.where(kept, 0.0, boots_s), np.where(kept, 0.0, self.means.minimum_s)
        used_s = counts * np.maximum(minimum_s, np.maximum(boots_s, self.quiet_s - ordered_s) + busy_s) + more_s
        gone_s = counts * np.maximum(minimum_s, np.maximum(boots_s, until_s - ordered_s)) + self.none[0]
        costs = np.where(ordered, np.where(there, used_s, gone_s), self.none[0])
        return costs.mean(axis=(-2, -1)), self._share(np.where(ordered & there, late, self.none[1]))

    def without(self) -> tuple[_Numbers, float]:
        """Return (N,) slot-seconds and the share of late requests where nobody is ever ordered before."""
        return self.none[0].mean(axis=(-2, -1)), self._share(self.none[1]).item()

    def _share(self, late: _Numbers) -> _Numbers:
        share: _Numbers = late.mean(axis=(-3, -2, -1)) / self.sizes.mean()
        return share

    def _ending(self, there: _Numbers, in_time: _Numbers, begun_s: _Numbers) -> tuple[_Numbers, _Numbers, _Numbers]:
        """Return how an idle time ends with so many slots there, of them so many in time, for so long in all.

        Returns:
            The slot-seconds of those ordered then, how many requests are late, and how long all are at work.
        """
        finished = begun_s / self.means.service_s
        more, helped = self._reaction(there, in_time, finished)
        at_once = np.floor(helped)
        late = _shortfall(self.sizes - in_time - at_once, finished + helped - at_once)
        busy_s = self.sizes * self.means.service_s / np.maximum(1.0, there + more) + self.means.tick_s / 2
        return more * np.maximum(self.means.minimum_s, self.boots_s + busy_s), late, busy_s

    def _reaction(self, there: _Numbers, in_time: _Numbers, finished: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return how many more are ordered once work has come, as `lateness` does, and what they begin in time."""
        means = self.means
        counted_on = in_time + np.maximum(0.0, finished - means.sigmas * np.sqrt(finished))
        missing = np.maximum(0.0, self.sizes + np.sqrt(self.sizes - 1) - counted_on)
        left_s = self.due_s - self.phases_s - self.boots_s
        each = 1 + np.maximum(left_s, _SOON * np.minimum(means.slo_s, self.boots_s)) / means.service_s
        unsure = (self.boots_s[-1] - self.boots_s.mean()) / means.service_s
        more = np.square((unsure + np.sqrt(unsure * unsure + 4 * each * missing)) / (2 * each))
        more = np.minimum(np.minimum(np.ceil(missing), means.slots - there), np.ceil(more - _SLIVER))
        more = np.where((there == 0) & (missing > 0), np.maximum(1.0, more), more)
        return more, np.where(left_s >= 0, more * (1 + left_s / means.service_s), 0.0)


def _stretched(quiet_s: _Numbers) -> _Numbers:
    """Return idle times drawn out about their middle, as far as the next one may lie outside.

    Of n draws from a uniform distribution the range is (n - 1) / (n + 1) of the whole on average. Those that hardly
    differ may drift: they are taken for a little shorter. One far longer than the others, as over a weekend, makes none
    of these shorter than by what they differ among themselves.
    """
    low, high = quiet_s.min(), quiet_s.max()
    middle, wide = (low + high) / 2, (quiet_s.size + 1) / (quiet_s.size - 1)
    drift = max(0.0, MARGIN * middle - wide * (high - low) / 2)
    drawn: _Numbers = middle + (quiet_s - middle) * wide
    if quiet_s.size >= _MANY:
        drawn = np.maximum(drawn, quiet_s - (np.median(quiet_s) - low))
    later_s: _Numbers = (drawn - drift).clip(0.0)
    return later_s


def _shortfall(wanted: _Numbers, finished: _Numbers) -> _Numbers:
    """Return how many of those wanted are missing on average, where so many are finished on average.

    The unit loss of the normal distribution, with its distribution function to three digits (Bowling et al., "A
    logistic approximation to the cumulative normal distribution", 2009), in place of Poisson's.
    """
    spread = np.sqrt(np.maximum(finished, 1e-12))
    z = np.clip((finished - wanted) / spread, -30.0, 30.0)
    above = 1 / (1 + np.exp(np.clip(0.07056 * z * z * z + 1.5976 * z, -500, 500)))
    loss = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) - z * above
    missing = np.where(finished > 0, loss * spread, wanted)
    short: _Numbers = np.clip(missing, 0.0, np.maximum(0.0, wanted))
    return short
