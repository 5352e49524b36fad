"""Plans for the return of work, tried on the idle times that are remembered and what came after them.

A plan orders workers so long after the last request, as many as that, and keeps them until then; once work has come, as
many more are ordered as it needs. Each pays its boot, its wait and the billing minimum.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefleet.core.scaling.idle import MARGIN, Gaps

_PHASES = (0.25, 0.75)  # of a look, at which work comes
_SOON = 0.2  # see `lateness`: who is late anyway is begun soon after the boot
_SLIVER = 0.3
_MANY = 12  # idle times, of which one may be an exception
_LITTLE = 0.5  # of what the whole fleet takes for a burst, which a boot may add to it
_SLACK = 0.2  # ... or else what may be added

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a plan has to go by.

    Attributes:
        boots_s: of a worker, each equally likely, ascending.
        tick_s: from one look to the next.
        service_s: mean service time.
        slo_s, late_share: how long a request may wait, and which share of them longer.
        minimum_s: charged for every start.
        first: workers ordered at once for those who find nobody.
        cold: the share of these that wait longer than the objective then.
        slots: the most requests that can be worked on at once.
        sigmas: by how many standard deviations the rule allows for chance once work has come.
    """

    boots_s: tuple[float, ...]
    tick_s: float
    service_s: float
    slo_s: float
    late_share: float
    minimum_s: float
    first: int
    cold: float
    slots: int
    sigmas: float

    @property
    def boot_fits(self) -> bool:
        """Whether the objective is kept for those who find nobody."""
        return self.cold <= self.late_share


@lru_cache(maxsize=64)
def soonest_s(gaps: Gaps, means: Means) -> float:
    """Return after how long a plan may order first: too soon for work that comes after the shortest idle time."""
    return float(stretched(np.array(gaps)[:, 0]).min() - means.boots_s[-1] - means.tick_s)


class Rehearsal:
    """Idle times and what came after them, on which plans are tried.

    How an idle time ends depends on a plan only through how many workers it has there and how soon they are ready. So
    an *ending* is worked out once for those who are ready before, and for each order that is still booting then; what
    the plans come to is put together from these.

    Axes: M orders, U moments of giving up, N idle times, P phases of the look, C counts, B boots, E endings.
    """

    def __init__(self, gaps: Gaps, means: Means) -> None:
        quiet_s, sizes = np.array(gaps).T
        self.means = means
        self.quiet_s, self.sizes = stretched(quiet_s), sizes
        self.phases_s = means.tick_s * np.array(_PHASES)
        self.boots_s = np.array(means.boots_s)
        self.due_s = self._due_s()
        self.gap, self.phase = (index.ravel() for index in np.indices((sizes.size, len(_PHASES))))
        alone = self._endings(np.zeros((1, 1)), np.zeros((1, 1, 1)), self.gap, self.phase)
        late = np.maximum(alone.late, means.cold)  # the first, at least: phases are coarse
        few = (sizes[self.gap] - means.first) * means.service_s <= means.first * means.tick_s
        hedged = few[:, None] & (means.first > 1)  # `_endings` does not know that the first of several boots counts
        self.alone = replace(alone, late=np.where(hedged, means.cold * sizes[self.gap][:, None], late))

    def _due_s(self) -> _Numbers:
        """Return by when those who come at once are to be begun: the objective, or what the whole fleet makes of it."""
        whole_s = self.sizes / max(1, self.means.slots) * self.means.service_s
        cold_s = self.means.boots_s[-1] + self.means.tick_s
        can_s = whole_s + np.where(cold_s <= _LITTLE * whole_s, cold_s, _SLACK * whole_s)
        due_s: _Numbers = np.maximum(self.means.slo_s, can_s)
        return due_s

    def without(self) -> tuple[_Numbers, float]:
        """Return (N,) slot-seconds after each idle time if nobody is there, and then the share of late requests."""
        paid_s, late = (self._by_phase(each)[:, :, 0].mean(1) for each in (self.alone.paid_s, self.alone.late))
        return paid_s, float(late.mean() / self.sizes.mean())

    def tried(self, after_s: _Numbers, until_s: _Numbers, counts: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return (M, U, N, C) slot-seconds for each plan and idle time, (M, U, C) each plan's share of late requests.

        Args:
            after_s: (M,) when workers are ordered.
            until_s: (U,) until when they are kept.
            counts: (C,) of slots.
        """
        kept = (after_s == 0)[:, None, None]
        ordered_s = np.where(kept, 0.0, after_s[:, None, None] + self.phases_s)  # (M, 1, P)
        waited_s = self.quiet_s[:, None] - ordered_s  # (M, N, P)
        ordered = waited_s >= 0
        # The mean of so many boots differs the less.
        boots_s = self.boots_s.mean() + (self.boots_s - self.boots_s.mean()) / np.sqrt(counts)[:, None]  # (C, B)
        order, gap, phase = np.nonzero(ordered & ~kept & (waited_s < boots_s.max()))
        booting_s = ordered_s[order, 0, phase][:, None, None] + boots_s - self.quiet_s[gap][:, None, None]
        endings = self._endings(
            counts[:, None],
            np.concatenate((np.zeros((self.gap.size, *boots_s.shape)), booting_s.clip(0.0))),  # (E, C, B)
            np.concatenate((self.gap, gap)),
            np.concatenate((self.phase, phase)),
        )
        ending = np.broadcast_to(self._by_phase(np.arange(self.gap.size)), ordered.shape).copy()
        ending[order, gap, phase] = self.gap.size + np.arange(gap.size)

        boots_s = np.where(kept[..., None, None], 0.0, boots_s)  # (M, 1, 1, C, B)
        minimum_s = np.where(kept[..., None, None], 0.0, self.means.minimum_s)
        used_s = np.maximum(boots_s, waited_s[..., None, None]) + endings.busy_s[ending]
        used_s = counts * np.maximum(minimum_s, used_s).mean(-1) + endings.paid_s[ending]  # (M, N, P, C)
        gone_s = np.maximum(boots_s, (until_s[:, None] - ordered_s)[..., None, None])  # (M, U, P, C, B)
        gone_s = counts * np.maximum(minimum_s, gone_s).mean(-1) / len(_PHASES)
        unused_s, missed = self._by_phase(self.alone.paid_s), self._by_phase(self.alone.late)
        used_s = np.where(ordered[..., None], used_s, unused_s).mean(2)[:, None]  # (M, 1, N, C)
        late = np.where(ordered[..., None], endings.late[ending], missed).mean(2)[:, None]
        there = (self.quiet_s <= until_s[:, None])[:, :, None]  # (U, N, 1)
        costs = np.where(there, used_s, unused_s.mean(1) + ordered[:, None].astype(float) @ gone_s)
        return costs, np.where(there, late, missed.mean(1)).mean(2) / self.sizes.mean()

    def _by_phase(self, each: NDArray[Any]) -> NDArray[Any]:
        """Return what is known of each idle time and phase, (N P, ...), as (N, P, ...)."""
        return each.reshape(self.sizes.size, len(_PHASES), *each.shape[1:])

    def _endings(self, counts: _Numbers, ready_s: _Numbers, gap: _Indices, phase: _Indices) -> "_Endings":
        """Return how idle times end with (C, 1) slots that are ready (E, C, B) seconds after work has come.

        Args:
            counts: 0 for nobody.
            ready_s: ascending.
            gap, phase: (E,) which idle time it is that ends, and in which phase of the look.
        """
        means = self.means
        sizes, due_s, phases_s = (
            each[:, None, None] for each in (self.sizes[gap], self.due_s[gap], self.phases_s[phase])
        )
        in_time = counts * (ready_s <= due_s)
        finished = in_time * np.maximum(0.0, due_s - ready_s) / means.service_s
        # About as many more are ordered as `lateness` does, by a simpler allowance for chance.
        counted_on = in_time + np.maximum(0.0, finished - means.sigmas * np.sqrt(finished))
        missing = np.maximum(0.0, sizes + np.sqrt(sizes - 1) - counted_on)
        left_s = due_s - phases_s - self.boots_s
        each = 1 + np.maximum(left_s, _SOON * np.minimum(means.slo_s, self.boots_s)) / means.service_s
        unsure = (self.boots_s[-1] - self.boots_s.mean()) / means.service_s
        more = np.square((unsure + np.sqrt(unsure * unsure + 4 * each * missing)) / (2 * each))
        more = np.minimum(np.minimum(np.ceil(missing), means.slots - counts), np.ceil(more - _SLIVER))
        more = np.where((counts == 0) & (missing > 0), np.maximum(min(means.first, means.slots), more), more)
        helped = np.where(left_s >= 0, more * (1 + left_s / means.service_s), 0.0)
        at_once = np.floor(helped)
        late = _shortfall(sizes - in_time - at_once, finished + helped - at_once)
        busy_s = sizes * means.service_s / np.maximum(1.0, counts + more) + means.tick_s / 2
        paid_s = more * np.maximum(means.minimum_s, self.boots_s + busy_s)
        return _Endings(paid_s=paid_s.mean(-1), late=late.mean(-1), busy_s=busy_s)


@dataclass(frozen=True, kw_only=True)
class _Endings:
    """How idle times end.

    Attributes:
        paid_s: (E, C) slot-seconds of those ordered once work has come.
        late: (E, C) requests.
        busy_s: (E, C, B) how long all are at work.
    """

    paid_s: _Numbers
    late: _Numbers
    busy_s: _Numbers


def stretched(quiet_s: _Numbers) -> _Numbers:
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
