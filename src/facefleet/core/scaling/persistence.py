"""How much of a rate that has just changed lasts for as long as a worker takes to come.

What a rate has above the lowest of the last slow boot and a look is a guess: the load may have begun, or be over. What
came of the last such guesses is the share of the next that is believed; those that began from nothing, as bursts do,
apart from those on top of a load that had settled. And where a later order is still in time, little more is reckoned
with than the mean rate of the last boot and look: the later look will know whether the rest came.
"""

import math
from dataclasses import dataclass, field, replace
from statistics import fmean

from facefleet.core.scaling.forecast import Trend
from facefleet.core.scaling.window import Window

_GUESSES = 32  # of which it is remembered what came
_ENOUGH = 4  # of them say something
_SIGMAS = 3.0  # by which an excess must differ from chance to be a guess
_MOST = 2.0  # counted for a guess that was far exceeded; a limit of 1 would take chance for a load that fades
_LEAST = 0.25  # of a slow boot and a look: a new rate is reckoned with for at least so long, as rises may be steep
_NOTHING = 1.0  # requests while a worker comes: a load of fewer is none


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """Excesses that were foretold, one at a time, and what came of them.

    Attributes:
        end_s, then, settled, hoped: of the guess that is not decided yet: until when, the total when it was made, the
            requests of the settled load until its end, and those it foretells beyond; `hoped` is 0 where there is none.
        shares: what came of the last ones, oldest first, and the weight of each: how far it stood out from chance.
        share: of such an excess, what comes on average; 1 until enough guesses are decided.
    """

    end_s: float = 0.0
    then: int = 0
    settled: float = 0.0
    hoped: float = 0.0
    shares: tuple[tuple[float, float], ...] = ()
    share: float = 1.0

    def decided(self, now_s: float, total_before: int, total: int, horizon_s: float) -> "Guesses":
        """Return the guesses with the one that is due decided: by the totals of the look before and of this one.

        If that comes too late, what came in time is known only where nothing came since; else the guess tells nothing,
        as one that a clock set back left in the future.
        """
        if not self.hoped or 0 < self.end_s - now_s <= 2 * horizon_s:
            return self
        if not 0 <= now_s - self.end_s < horizon_s and not (now_s > self.end_s and total == total_before):
            return Guesses(shares=self.shares, share=self.share)
        came = (total_before if now_s - self.end_s >= horizon_s else total) - self.then - self.settled
        share = min(_MOST, max(0.0, came / self.hoped))
        shares = (*self.shares, (share, math.sqrt(self.hoped)))[-_GUESSES:]
        return Guesses(shares=shares, share=_mean_share(shares))


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The requests to reckon with from a look on.

    Attributes:
        settled_hz: the rate that has lasted.
        young_hz: what there is beyond, as far as the mean over a slow boot and a look is as high.
        new_hz: what there is beyond both.
        new_s: for how long that is reckoned with.
        share, horizon_s: how much is believed to come of what has not lasted, and the slow boot and the look.
        least_hz: what comes in any case.
    """

    settled_hz: float
    young_hz: float
    new_hz: float
    new_s: float
    share: float
    horizon_s: float
    least_hz: float

    def coming(self, within_s: float) -> float:
        """Return the requests of the next `within_s` seconds; those believed in may come at once."""
        believed_s = min(within_s, self.share * max(within_s, self.horizon_s))
        new_s = min(believed_s, self.new_s)
        coming = self.settled_hz * within_s + self.young_hz * believed_s + self.new_hz * new_s
        return max(coming, self.least_hz * within_s)


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """A trend, and as much of it as is believed to last.

    Attributes:
        trend: of the latest look.
        horizon_s: how far ahead an order decided now reaches.
        levels: of the rate, at the looks of the last `horizon_s`.
        settled_hz: the lowest of these: the rate that has lasted.
        mean_hz: the mean rate over as long.
        onsets, rises: what came of loads that began from nothing, and of those that rose.
    """

    trend: Trend = field(default_factory=Trend)
    horizon_s: float = 0.0
    levels: Window = field(default_factory=Window)
    settled_hz: float = 0.0
    mean_hz: float = 0.0
    onsets: Guesses = field(default_factory=Guesses)
    rises: Guesses = field(default_factory=Guesses)

    def add(
        self, now_s: float, total_before: int, total: int, trend: Trend, horizon_s: float, *, mean_hz: float
    ) -> "Persistence":
        """Return what is known after one more look, its totals of requests before and now, its trend and mean."""
        lowest_hz = trend.level_hz
        if self.levels.readings and now_s - self.levels.readings[-1][0] > self.horizon_s:
            # A late look: since when the rate is what it is nobody knows.
            lowest_hz = min(lowest_hz, self.levels.readings[-1][1])
        levels = self.levels.add(now_s, lowest_hz, span_s=horizon_s)
        new = Persistence(
            trend=trend,
            horizon_s=horizon_s,
            levels=levels,
            settled_hz=levels.trough(since_s=-math.inf),
            mean_hz=mean_hz,
            onsets=self.onsets.decided(now_s, total_before, total, horizon_s),
            rises=self.rises.decided(now_s, total_before, total, horizon_s),
        )
        settled, hoped = new.settled_hz * horizon_s, new._excess_hz(0.0) * horizon_s
        if hoped < _SIGMAS * math.sqrt(settled + hoped) or not hoped or new._guesses.hoped:
            return new
        guess = replace(new._guesses, end_s=now_s + horizon_s, then=total, settled=settled, hoped=hoped)
        return replace(new, onsets=guess) if new._begins else replace(new, rises=guess)

    def lasting_hz(self, ahead_s: float) -> float:
        """Return the requests a second to reckon with `ahead_s` from now, as far as they are believed in."""
        return self.settled_hz + self._excess_hz(ahead_s) * self._share

    def outlook(self, blind_s: float, *, least_hz: float = 0.0) -> Outlook:
        """Return what to reckon with in the next seconds, where it is no less than `least_hz` in any case.

        For `blind_s` from now requests come too early for a later order to help them; negative if none do.
        """
        rate_hz = self.trend.rate_hz(0.0)
        older_hz = min(max(self.settled_hz, self.mean_hz), rate_hz)
        return Outlook(
            settled_hz=self.settled_hz,
            young_hz=older_hz - self.settled_hz,
            new_hz=rate_hz - older_hz,
            new_s=max(blind_s, _LEAST * self.horizon_s),
            share=self._share,
            horizon_s=self.horizon_s,
            least_hz=least_hz,
        )

    @property
    def goes_on(self) -> bool:
        """Whether there is a load that may jump: something has come lately."""
        return self.mean_hz * self.horizon_s >= _NOTHING

    @property
    def _begins(self) -> bool:
        return self.settled_hz * self.horizon_s < _NOTHING

    @property
    def _guesses(self) -> Guesses:
        return self.onsets if self._begins else self.rises

    @property
    def _share(self) -> float:
        return self._guesses.share

    def _excess_hz(self, ahead_s: float) -> float:
        """Return the part of the rate that has not lasted for as long as an order reaches."""
        return self.trend.rate_hz(ahead_s) - self.settled_hz


def _mean_share(shares: tuple[tuple[float, float], ...]) -> float:
    if len(shares) < _ENOUGH:
        return 1.0
    return min(1.0, fmean(*zip(*shares, strict=True)))
