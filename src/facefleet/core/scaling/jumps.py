"""How far a load that goes on jumps, learned from its last jumps.

A spike that nothing foretells is over, or half over, before a worker ordered for it is there. So where an objective is
shorter than a boot, somebody has to be there before; how many, and whether it is worth it, past spikes tell.
"""

import math
from dataclasses import dataclass, field, replace
from operator import itemgetter

from facefleet.core.scaling.window import Window

_REMEMBERED = 32
_REMEMBERED_S = 3 * 3600.0
_WAITED_FOR_S = 3600.0  # nobody is kept for longer for this
_APART_S = 1200.0  # on average, at most: then nineteen of twenty come within that hour, if they come by chance
_ALIKE = 0.7  # of a height is about as high
_MOMENT_S = 1e-6
_SIGMAS = 3.0  # by which a jump must differ from chance


@dataclass(frozen=True, kw_only=True)
class Jump:
    """A spell in which requests came faster than those ordered a boot and a look before could begin them in time.

    Attributes:
        until_s: when that was last so.
        before: requests before it.
        requests: that came in it.
        behind: that came after it, too many before them to be begun in time, with nobody kept for it.
        rate_hz: at which these came, on average.
        beyond_hz: by how much that was more than had been reckoned with.
    """

    until_s: float
    before: int
    requests: int
    rate_hz: float
    beyond_hz: float
    behind: int = 0

    @property
    def late(self) -> int:
        """How many are late if nobody is kept for it."""
        return self.requests + self.behind

    def and_then(self, later: "Jump") -> "Jump":
        """Return the two as one."""
        requests = self.requests + later.requests
        share = later.requests / max(1, requests)
        return Jump(
            until_s=later.until_s,
            before=self.before,
            requests=requests,
            rate_hz=self.rate_hz + share * (later.rate_hz - self.rate_hz),
            beyond_hz=self.beyond_hz + share * (later.beyond_hz - self.beyond_hz),
            behind=self.behind,
        )


@dataclass(frozen=True, kw_only=True)
class Jumps:
    """The last jumps of a load.

    Attributes:
        jumps: oldest first.
        reckoned: the rate that was reckoned with, at the looks of the last slow boot and look.
        kept: the rate that the headroom for it could have begun in time.
        waiting: of the last jump and behind it, those not begun yet with nobody kept for it; 0 once these are few.
    """

    jumps: tuple[Jump, ...] = ()
    reckoned: Window = field(default_factory=Window)
    kept: Window = field(default_factory=Window)
    waiting: float = 0.0

    def add(
        self,
        now_s: float,
        total_before: int,
        total: int,
        *,
        rate_hz: float,
        reckoned_hz: float,
        kept_hz: float,
        tick_s: float,
        horizon_s: float,
        most_hz: float,
        slo_s: float,
    ) -> "Jumps":
        """Return what is known after one more look. One that comes too late tells nothing.

        Args:
            now_s: when.
            total_before, total: requests so far, at the look before and now.
            rate_hz: at which they come.
            reckoned_hz: which is reckoned with for when a worker ordered now is there.
            kept_hz: which the headroom for that can begin in time, if the load jumps to it; infinite where there is no
                load, or no more can be kept.
            tick_s: how long after the look before.
            horizon_s: how far ahead an order reaches.
            most_hz: which the whole fleet can begin.
            slo_s: how long a request may wait.
        """
        reckoned = self.reckoned.add(now_s, reckoned_hz, span_s=horizon_s)
        kept = self.kept.add(now_s, kept_hz, span_s=horizon_s)
        jumps = self.jumps
        if jumps and not now_s - _REMEMBERED_S <= jumps[0].until_s <= jumps[-1].until_s <= now_s:
            jumps = tuple(jump for jump in jumps if now_s - _REMEMBERED_S <= jump.until_s <= now_s)
        (then_s, then_hz), (_, enough_hz) = reckoned.readings[0], kept.readings[0]
        beyond_hz, came, waiting = rate_hz - then_hz, total - total_before, 0.0
        if then_s < now_s and rate_hz > enough_hz and beyond_hz * horizon_s >= _SIGMAS * math.sqrt(rate_hz * horizon_s):
            jump = Jump(
                until_s=now_s,
                before=total_before,
                requests=came,
                rate_hz=rate_hz,
                beyond_hz=beyond_hz,
            )
            same = bool(jumps) and now_s - jumps[-1].until_s <= horizon_s
            jumps = (*jumps[:-1], jumps[-1].and_then(jump)) if same else (*jumps, jump)[-_REMEMBERED:]
            waiting = max(0.0, self.waiting + came - enough_hz * tick_s)
        elif then_s < now_s and self.waiting > slo_s * most_hz and jumps:
            jumps = (*jumps[:-1], replace(jumps[-1], behind=jumps[-1].behind + came))
            waiting = max(0.0, self.waiting + came - most_hz * tick_s)
        return Jumps(jumps=jumps, reckoned=reckoned, kept=kept, waiting=waiting)

    def heights_hz(self, now_s: float, total: int, late_share: float, clear_s: float) -> tuple[float, float]:
        """Return the rate, and the rate beyond what is reckoned with, to which the load may jump; 0 for none.

        Args:
            now_s: when.
            total: requests so far.
            late_share: that may be late, of those since the first of these jumps began.
            clear_s: for how long one more request a second has to be prepared for, to begin so many requests: a crowd
                that comes at once need not be begun as fast as it comes.
        """
        if not self.jumps or now_s - self.jumps[-1].until_s > _WAITED_FOR_S:
            return 0.0, 0.0
        may_miss, clear_s = late_share * (total - self.jumps[0].before), max(clear_s, _MOMENT_S)
        levels = [(min(jump.rate_hz, jump.requests / clear_s), jump) for jump in self.jumps]
        beyonds = [(min(jump.beyond_hz, jump.requests / clear_s), jump) for jump in self.jumps]
        return _enough(levels, may_miss, now_s), _enough(beyonds, may_miss, now_s)


def _enough(heights: list[tuple[float, Jump]], may_miss: float, now_s: float) -> float:
    """Return the lowest height, 0 or one of those given, above which no more than so many requests came.

    Jumps about as high must come often. The highest of all is left out: once is no pattern, and what it made late is
    late.
    """
    missed = 0
    for height, jump in sorted(heights, key=itemgetter(0), reverse=True)[1:]:
        missed += jump.late
        if missed > may_miss and _often([one.until_s for each, one in heights if each >= _ALIKE * height], now_s):
            return height
    return 0.0


def _often(moments_s: list[float], now_s: float) -> bool:
    """Return whether jumps at these moments, ascending, came often enough to wait for the next."""
    apart_s = (moments_s[-1] - moments_s[0]) / (len(moments_s) - 1)
    return apart_s <= _APART_S and now_s - moments_s[-1] <= _WAITED_FOR_S
