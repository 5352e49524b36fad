"""Idle times, and when work may come again after one.

Source: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020: keep a histogram of idle times, let the fleet go
after work and have it back before the next. Here the histogram is the last idle times themselves, where all was done
and nothing had come for at least one boot; and each keeps how much came after it. A silence that chance explains is
none of them, where requests come too often for a worker to leave. When to have how many back is decided in `prewarm`.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist, fmean, stdev

Gaps = tuple[tuple[float, float], ...]  # idle times in seconds, and how many came at once after each
_KEPT = 48
ENOUGH = 4  # idle times that make a pattern
_SOME = 3.0  # requests in the time for which it pays no worker to leave make a load
_CHANCE = 15.0  # of them that do not come: chance does that once in three million times
_SIGMAS = 3.0  # by which what comes at once must differ from chance
_DOUBTS = 4  # silences by chance for which one short idle time is forgotten
MARGIN = 0.02  # of an idle time, against a pattern that drifts
_UNKNOWN_S = 3600.0  # without a pattern, work may come back for up to so long


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What idle times are measured against.

    Attributes:
        tick_s: from one look to the next.
        boot_s: of a worker.
        reach_s: how long it takes until a worker ordered when work came back is there, even if it boots slowly.
        leave_s: for less it pays no worker to leave: a boot, or what a start is charged with at least.
        patience_s: objective plus service time: in it, one slot begins one request more.
        apart_s: how long one request occupies the largest fleet, which who comes with many others has to wait at least.
    """

    tick_s: float
    boot_s: float
    reach_s: float
    leave_s: float
    patience_s: float
    apart_s: float

    def at_once(self, requests: float, within_s: float) -> float:
        """Return how many requests at once need as many slots as these, who came over so long and half a look."""
        over_s = within_s + self.tick_s / 2
        return max(1.0, requests / (1 + over_s / (self.patience_s + requests * self.apart_s)))


@dataclass(frozen=True, kw_only=True)
class Idleness:
    """When the fleet was without a request, and for how long.

    Attributes:
        gaps: (seconds from the last request before idling to the first after, requests that came at once then), oldest
            first. From the last request, as how long a burst takes to be done says nothing of when the next comes.
        since_s: since when nothing has come or been left to do; None while there is work.
        rate_hz: at which requests came then.
        chance: silences that chance explains, since one was last forgotten for these.
        last_s: when a request was last seen to have come; the first look if none was.
        onset_s, onset_total: when work last came after idling, and how many requests had come before.
    """

    gaps: Gaps = ()
    since_s: float | None = None
    rate_hz: float = 0.0
    chance: int = 0
    last_s: float | None = None
    onset_s: float | None = None
    onset_total: int = 0

    def add(self, now_s: float, total_before: int, total: int, *, busy: bool, rate_hz: float, pace: Pace) -> "Idleness":
        """Return what is known after one more look.

        Args:
            now_s: when.
            total_before, total: requests so far, at the look before and now.
            busy: whether there is work.
            rate_hz: at which requests came over the last `leave_s`.
            pace: of the fleet.
        """
        last_s = now_s if total > total_before or self.last_s is None else self.last_s
        if not busy and total == total_before:
            if self.since_s is not None:
                return self._sized(now_s, total, pace)
            return replace(self, since_s=now_s, last_s=last_s, rate_hz=rate_hz)
        quiet_s, came = self.quiet_s(now_s), total - total_before
        if self.since_s is None or not total_before or quiet_s < pace.boot_s:
            return replace(self._sized(now_s, total, pace), since_s=None, last_s=last_s)
        if self._is_chance(quiet_s, came, pace):
            return replace(self._goes_on(pace), since_s=None, last_s=last_s)
        gaps = (*self.gaps, (quiet_s, pace.at_once(came, 0.0)))[-_KEPT:]
        return Idleness(gaps=gaps, chance=self.chance, last_s=last_s, onset_s=now_s, onset_total=total_before)

    def _is_chance(self, quiet_s: float, came: int, pace: Pace) -> bool:
        """Return whether a silence may be what chance makes of a load that goes on.

        That is, too short for a worker to leave, and no surprise; and no more came at once after it than in any look.
        """
        missed, usual = self.rate_hz * quiet_s, self.rate_hz * pace.tick_s
        dense = self.rate_hz * pace.leave_s >= _SOME and quiet_s < pace.leave_s
        return dense and missed < _CHANCE and came <= usual + _SIGMAS * math.sqrt(usual)

    def _goes_on(self, pace: Pace) -> "Idleness":
        """Return the same after one more silence by chance: of each few of these, one was taken for an idle time."""
        if self.chance + 1 < _DOUBTS:
            return replace(self, chance=self.chance + 1, onset_s=None)
        short = next((number for number, (quiet_s, _) in enumerate(self.gaps) if quiet_s < pace.leave_s), None)
        gaps = self.gaps if short is None else self.gaps[:short] + self.gaps[short + 1 :]
        return replace(self, gaps=gaps, chance=0, onset_s=None)

    def _sized(self, now_s: float, total: int, pace: Pace) -> "Idleness":
        """Count what comes after an onset, until a worker ordered at the onset is there."""
        if self.onset_s is None:
            return self
        after_s = now_s - self.onset_s
        if not 0 <= after_s <= pace.reach_s:
            return replace(self, onset_s=None)
        quiet_s, size = self.gaps[-1]
        size = max(size, pace.at_once(total - self.onset_total, after_s))
        return replace(self, gaps=(*self.gaps[:-1], (quiet_s, size)))

    def quiet_s(self, now_s: float) -> float:
        """Return how long ago the last request came, if there is nothing to do; else 0."""
        return 0.0 if self.since_s is None or self.last_s is None else now_s - self.last_s

    @property
    def compares(self) -> bool:
        """Whether idle times are known that differ, or do not: the next may be like one of them."""
        return len(self.gaps) > 1

    @property
    def foretells(self) -> bool:
        """Whether enough idle times are known to say when work comes back."""
        return len(self.gaps) >= ENOUGH

    def too_soon(self, now_s: float, boot_s: float) -> bool:
        """Return whether work came back after a worker ordered now is there, each time that took a boot or more."""
        if self.since_s is None or not self.foretells:
            return False
        first, _ = _window(self.gaps, 99.0)
        return self.quiet_s(now_s) < first - boot_s

    def unknown(self, now_s: float, boot_s: float, at: float) -> bool:
        """Return whether there is no pattern yet and work may come while a worker ordered now would boot.

        It may for as long as an idle time takes with `at` percent chance, if no more is known of it than that it takes
        a boot to an hour, each order of magnitude as likely as any other (the prior of Jeffreys for a scale).
        """
        unknown_s = boot_s * math.pow(max(1.0, _UNKNOWN_S / boot_s), at / 100)
        return not self.foretells and self.quiet_s(now_s) < unknown_s


@lru_cache(maxsize=256)
def _window(gaps: Gaps, at: float) -> tuple[float, float]:
    """Return the shortest and longest idle time to reckon with.

    They are those of the percentile `at` on either side, of the idle times seen or of a gamma distribution with their
    mean and deviation, whichever is wider: nearly normal where they hardly differ, and exponential where they come by
    chance (its quantiles after Wilson and Hilferty, "The distribution of chi-square", 1931).
    """
    idle_times = sorted(gap_s for gap_s, _ in gaps)
    rank = min(len(gaps) - 1, int(at / 100 * len(gaps)))
    z = NormalDist().inv_cdf(at / 100)
    sure = z * (1 + (z * z + 1) / (4 * (len(gaps) - 1)))  # Student's t from the normal quantile, to first order
    mean = fmean(idle_times)
    spread = stdev(idle_times) / max(mean, 1e-9)
    low, high = (mean * max(0.0, 1 - spread * spread / 9 + side * spread / 3) ** 3 for side in (-sure, sure))
    first = min(idle_times[0], low) - max(0.0, mean * MARGIN - max(0.0, mean - low))
    return first, max(idle_times[rank], high) * (1 + MARGIN)


def latest(gaps: Gaps, at: float) -> float:
    """Return the longest idle time to reckon with at a percentile, in seconds."""
    return _window(gaps, min(99.99, max(1.0, round(at, 1))))[1]  # few values are ever computed
