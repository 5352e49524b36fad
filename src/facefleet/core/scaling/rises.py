"""How far a load that goes on rises at once, learned from its last rises.

A spike that nothing foretells is over, or half over, before a worker ordered for it is there. So where an objective is
shorter than a boot, somebody has to be there before; how many, and whether it is worth it, past spikes tell.
"""

import math
from dataclasses import dataclass, field

from facefleet.core.scaling.persistence import NOTHING
from facefleet.core.scaling.window import Window

_REMEMBERED = 32
_WAITED_FOR_S = 3600.0  # nobody is kept for longer for this
_SIGMAS = 3.0  # by which a rise must differ from chance


@dataclass(frozen=True, kw_only=True)
class Rise:
    """A time in which more came than those could begin in time for whom an order was in time.

    Attributes:
        until_s: when that was last so.
        before: requests before it.
        requests: that came then.
        rate_hz: at which these came, on average.
        beyond_hz: by how much that was more than reckoned with.
    """

    until_s: float
    before: int
    requests: int
    rate_hz: float
    beyond_hz: float

    def and_then(self, later: "Rise") -> "Rise":
        """Return the two as one."""
        requests = self.requests + later.requests
        share = later.requests / max(1, requests)
        return Rise(
            until_s=later.until_s,
            before=self.before,
            requests=requests,
            rate_hz=self.rate_hz + share * (later.rate_hz - self.rate_hz),
            beyond_hz=self.beyond_hz + share * (later.beyond_hz - self.beyond_hz),
        )


@dataclass(frozen=True, kw_only=True)
class Rises:
    """The last rises, none of them more than an hour after the one before.

    Attributes:
        rises: oldest first.
        reckoned: the rate that was reckoned with, at the looks of the last slow boot and look.
        kept: the rate that those could begin in time who were kept for it.
    """

    rises: tuple[Rise, ...] = ()
    reckoned: Window = field(default_factory=Window)
    kept: Window = field(default_factory=Window)

    def add(
        self,
        now_s: float,
        total_before: int,
        total: int,
        *,
        rate_hz: float,
        reckoned_hz: float,
        kept_hz: float,
        horizon_s: float,
    ) -> "Rises":
        """Return what is known after one more look.

        Args:
            now_s: when.
            total_before, total: requests so far, at the look before and now.
            rate_hz: at which they come.
            reckoned_hz: which is reckoned with for when a worker ordered now is there.
            kept_hz: which those kept for that can begin in time, if it jumps to it; infinite where no more can be kept.
            horizon_s: how far ahead an order reaches.
        """
        reckoned = self.reckoned.add(now_s, reckoned_hz, span_s=horizon_s)
        kept = self.kept.add(now_s, kept_hz, span_s=horizon_s)
        rises = self.rises
        if rises and not 0 <= now_s - rises[-1].until_s <= _WAITED_FOR_S:
            rises = ()
        then_hz = reckoned.readings[0][1]
        if rate_hz > kept.readings[0][1] and _surprising(rate_hz * horizon_s, then_hz * horizon_s):
            rise = Rise(
                until_s=now_s,
                before=total_before,
                requests=total - total_before,
                rate_hz=rate_hz,
                beyond_hz=rate_hz - then_hz,
            )
            goes_on = bool(rises) and now_s - rises[-1].until_s <= horizon_s
            rises = (*rises[:-1], rises[-1].and_then(rise)) if goes_on else (*rises, rise)[-_REMEMBERED:]
        return Rises(rises=rises, reckoned=reckoned, kept=kept)

    def risen_hz(self, rate_hz: float, total: int, late_share: float) -> float:
        """Return the rate to be ready for where no more than a share of the requests may be late.

        Spikes may have a height of their own, or be so much on top of whatever there is: the lower of both counts.

        Args:
            rate_hz: to be ready for if nothing rises.
            total: requests so far.
            late_share: that may be late, of those since the first of these rises began.
        """
        if not self.rises:
            return rate_hz
        may_miss = late_share * (total - self.rises[0].before)
        level_hz = _enough([(rise.rate_hz, rise.requests) for rise in self.rises], may_miss)
        beyond_hz = _enough([(rise.beyond_hz, rise.requests) for rise in self.rises], may_miss)
        return max(rate_hz, min(level_hz, rate_hz + beyond_hz))


def _surprising(came: float, reckoned: float) -> bool:
    """Return whether chance does not make so many of what was reckoned with, and that was a load at all."""
    return reckoned >= NOTHING and came - reckoned >= _SIGMAS * math.sqrt(came)


def _enough(heights: list[tuple[float, int]], may_miss: float) -> float:
    """Return the lowest height, 0 or one of those given, above which no more than so many requests came.

    The highest of all does not count: once is no pattern.
    """
    missed = 0
    for height, requests in sorted(heights, reverse=True)[1:]:
        missed += requests
        if missed > may_miss:
            return height
    return 0.0
