"""How many requests will come: level, trend and the hour of the day, from nothing but a running total.

The level is the mean rate over the longest recent window that is consistent with Poisson arrivals at one rate: windows
double while the older half does not differ from the newer by more than `_SIGMAS` standard deviations (the idea of
ADWIN: Bifet and Gavaldà, SDM 2007). The first window is one tick, or all of the silence since the last request. So a
steady load is averaged over an hour, and a step is seen within a tick or two; `persistence` says how much of it to
believe. The rate used is one standard error below the mean, which makes one lone request no evidence of more.
"""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

_FINE_S = 120.0  # every reading is kept this long
_COARSE_S = 3600.0  # ... and one in `_SPACING_S` this long
_SPACING_S = 15.0
_SIGMAS = 3.0
_DOUBTED = 3.0  # requests, at most, that are taken for chance
_BINS = 96  # a day in quarters of an hour
_LEARN = 0.5  # weight of the newest day in the profile
_TRUST = 0.1  # weight of the newest error in the comparison of forecasts


@dataclass(frozen=True)
class Arrivals:
    """The running total of requests, as read at the latest ticks: times and totals, ascending."""

    times_s: tuple[float, ...] = ()
    totals: tuple[int, ...] = ()
    fine_from: int = 0  # readings before this one are thinned already

    def add(self, now_s: float, total: int) -> "Arrivals":
        """Return the log with one more reading; one set back in time starts it anew."""
        if self.times_s and now_s < self.times_s[-1]:
            return Arrivals((now_s,), (total,))
        times, totals, first = (*self.times_s, now_s), (*self.totals, total), self.fine_from
        while times[first] < now_s - _FINE_S:
            if first and times[first] - times[first - 1] < _SPACING_S:
                times, totals = times[:first] + times[first + 1 :], totals[:first] + totals[first + 1 :]
            else:
                first += 1
        if times[0] < now_s - _COARSE_S - _SPACING_S:
            times, totals, first = times[1:], totals[1:], max(0, first - 1)
        return Arrivals(times, totals, first)

    @property
    def known_s(self) -> float:
        """How long arrivals have been watched."""
        return self.times_s[-1] - self.times_s[0] if self.times_s else 0.0

    @property
    def _silent_s(self) -> float:
        """For how long nothing has come."""
        return self.times_s[-1] - self.times_s[bisect_left(self.totals, self.totals[-1])] if self.times_s else 0.0

    def within(self, span_s: float) -> float:
        """Return how many requests came in the last `span_s` seconds, by linear interpolation."""
        times_s, totals = self.times_s, self.totals
        at = times_s[-1] - span_s
        after = bisect_right(times_s, at)
        if after == 0:
            return float(totals[-1] - totals[0])
        if after == len(times_s):
            return 0.0
        t0, n0 = times_s[after - 1], totals[after - 1]
        return totals[-1] - (n0 + (totals[after] - n0) * (at - t0) / (times_s[after] - t0))

    def trend(self, tick_s: float) -> "Trend":
        """Return the level of the rate, and its rise where it rises by more than one standard error.

        More requests at the last look may cut the window short, or let it reach back beyond a lull, and with that goes
        the rise that was seen in it. That is no reason to reckon with fewer: what fewer would have foretold counts too.
        """
        known_s = self.known_s
        span = min(max(tick_s, self._silent_s, 1e-9), known_s)
        if span <= 0:
            return Trend()
        of_fewer = [self._latest]  # with none it is silent still
        late, newer = self.within(span / 2), self.within(span)
        while 2 * span <= known_s:
            older = self.within(2 * span) - newer
            if abs(newer - older) > _SIGMAS * math.sqrt(newer + older):
                of_fewer.append(math.ceil(newer - _most_like(older)))
                break
            too_few = math.floor(newer - _least_like(older)) + 1
            if _risen(late - too_few, newer - too_few) > 0:
                of_fewer.append(too_few)
            late, newer, span = newer, newer + older, 2 * span
        return Trend(
            level_hz=max(0.0, newer - min(math.sqrt(newer), _DOUBTED)) / span,
            rise_hz_per_s=_risen(late, newer) / (span / 2) / (span / 2),
            span_s=span,
            of_fewer=tuple(self._without(fewer).trend(tick_s) for fewer in of_fewer if 0 < fewer <= self._latest),
        )

    @property
    def _latest(self) -> int:
        """How many came at the last look."""
        return self.totals[-1] - self.totals[-2]

    def _without(self, fewer: int) -> "Arrivals":
        """Return the log with so many requests fewer at the last look."""
        return replace(self, totals=(*self.totals[:-1], self.totals[-1] - fewer))


def _risen(late: float, newer: float) -> float:
    """Return how many more of the newer requests came in the later half of their time than chance explains."""
    return max(0.0, 2 * late - newer - math.sqrt(max(0.0, newer)))


def _most_like(older: float) -> float:
    """Return the most requests that differ from so many older ones by no more than chance."""
    return older + _SIGMAS * (_SIGMAS / 2 + math.sqrt(_SIGMAS * _SIGMAS / 4 + 2 * older))


def _least_like(older: float) -> float:
    """Return the fewest requests that differ from so many older ones by no more than chance."""
    return older + _SIGMAS * (_SIGMAS / 2 - math.sqrt(_SIGMAS * _SIGMAS / 4 + 2 * older))


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A rate that was `level_hz` on average over the last `span_s` seconds, rising all the while.

    Attributes:
        of_fewer: what it were if fewer requests had come at the last look.
    """

    level_hz: float = 0.0
    rise_hz_per_s: float = 0.0
    span_s: float = 0.0
    of_fewer: "tuple[Trend, ...]" = ()

    def rate_hz(self, ahead_s: float) -> float:
        """Return the rate to reckon with so far from now; a rise that has not lasted as long yet counts as a step."""
        carried_on_s = ahead_s + self.span_s / 2 if self.span_s >= ahead_s else 0.0
        rates_hz = (fewer.rate_hz(ahead_s) for fewer in self.of_fewer)
        return max(self.level_hz + self.rise_hz_per_s * carried_on_s, *rates_hz, 0.0)


@dataclass(frozen=True, kw_only=True)
class Season:
    """The mean rate in each of 96 parts of a day (or week), and whether it foretells better than "as just now".

    Attributes:
        period_s: the length of the day.
        rates_hz: (96,) the learned rate of each part; None where nothing was seen yet.
        part, begun_s, total: the part that runs now, since when, and the total of requests then.
        last_hz: the rate of the part before.
        error_hz, error_of_last_hz: mean absolute errors of this forecast, and of taking the last rate for the next.
    """

    period_s: float
    rates_hz: tuple[float | None, ...] = (None,) * _BINS
    part: int | None = None
    begun_s: float = 0.0
    total: int = 0
    last_hz: float = 0.0
    error_hz: float = 0.0
    error_of_last_hz: float = 0.0

    def add(self, now_s: float, total: int) -> "Season":
        """Return the season with the part that has just ended learned."""
        part = self._part(now_s)
        if part == self.part and now_s >= self.begun_s:
            return self
        length = self.period_s / _BINS
        if self.part is None or not 0.5 * length < now_s - self.begun_s < 1.5 * length:
            return replace(self, part=part, begun_s=now_s, total=total)
        rate = (total - self.total) / (now_s - self.begun_s)
        known = self.rates_hz[self.part]
        learned = rate if known is None else known + _LEARN * (rate - known)
        rates = (*self.rates_hz[: self.part], learned, *self.rates_hz[self.part + 1 :])
        ended = replace(self, rates_hz=rates, part=part, begun_s=now_s, total=total, last_hz=rate)
        if known is None:
            return ended
        return replace(
            ended,
            error_hz=self.error_hz + _TRUST * (abs(known - rate) - self.error_hz),
            error_of_last_hz=self.error_of_last_hz + _TRUST * (abs(self.last_hz - rate) - self.error_of_last_hz),
        )

    def rate_hz(self, at_s: float) -> float:
        """Return the rate expected then; 0 while the season has not proved itself."""
        if self.error_hz >= self.error_of_last_hz:
            return 0.0
        known = self.rates_hz[self._part(at_s)]
        return 0.0 if known is None else known

    def _part(self, at_s: float) -> int:
        return math.floor(at_s / self.period_s * _BINS) % _BINS
