"""Confidence intervals by resampling people.

Pairs are not independent: one odd photo spoils every pair it is in, so that binomial intervals over pairs come out far
too narrow. Here people are drawn with replacement; a pair counts as often as its people were drawn (a pair of two
people as the product). That is the pigeonhole bootstrap, which errs on the wide side (Owen, "The pigeonhole bootstrap",
Annals of Applied Statistics 1, 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facefleet.lab.rates import Comparisons, Scores, Weights, equal_error_rate

REPLICATES = 500
_CONFIDENCE = 0.95
_LEAST_TAIL = 0.05  # share of impostors kept sorted for each replicate; the rates of interest lie within


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a rate lies with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervals:
    """Intervals of the equal error rate, and of the FNMR at each FMR that was asked for."""

    eer: Interval
    fnmr: tuple[Interval, ...]


def intervals(comparisons: Comparisons, rates: Sequence[float], rng: np.random.Generator) -> Intervals:
    """Resample people `REPLICATES` times, the thresholds determined anew each time."""
    sampler = _Sampler(comparisons, tail=max(_LEAST_TAIL, *rates, 3 * equal_error_rate(comparisons)))
    people = int(max(comparisons.one.max(), comparisons.other.max())) + 1
    replicates = np.empty((REPLICATES, 1 + len(rates)))
    for row in replicates:
        weights = np.bincount(rng.integers(people, size=people), minlength=people).astype(np.float64)
        row[:] = sampler.rates(weights, rates)
    edges = [50 * (1 - _CONFIDENCE), 50 * (1 + _CONFIDENCE)]
    eer, *fnmr = (Interval(*np.nanpercentile(column, edges).tolist()) for column in replicates.T)
    genuine = int(comparisons.genuine.sum())
    return Intervals(eer=eer, fnmr=tuple(_at_least_rule_of_three(interval, genuine) for interval in fnmr))


def _at_least_rule_of_three(interval: Interval, pairs: int) -> Interval:
    """Widen an interval that saw no error: 3/N bounds what N pairs can have missed (ISO/IEC 19795-1, rule of 3)."""
    return Interval(interval.low, max(interval.high, min(3 / pairs, 1.0)))


class _Sampler:
    """Weighted error rates at the highest impostor scores, which are sorted once."""

    def __init__(self, comparisons: Comparisons, *, tail: float) -> None:
        genuine = comparisons.genuine
        order = np.argsort(comparisons.impostor_scores)[::-1]
        self._one = comparisons.one[~genuine][order]
        self._other = comparisons.other[~genuine][order]
        self._tail = max(1, int(min(tail, 1.0) * len(order)))
        thresholds = comparisons.impostor_scores[order[: self._tail]]
        by_score = np.argsort(comparisons.genuine_scores)
        self._genuine_person = comparisons.one[genuine][by_score]
        self._missed = np.searchsorted(comparisons.genuine_scores[by_score], thresholds, side="left")

    def rates(self, weights: Weights, at_fmr: Sequence[float]) -> list[float]:
        """Return EER and FNMRs, NaN where no genuine or no impostor pair was drawn."""
        impostors = float(weights[self._one] @ weights[self._other])
        genuine = weights[self._genuine_person]
        if impostors == 0 or genuine.sum() == 0:
            return [np.nan] * (1 + len(at_fmr))
        fmr: Scores = np.cumsum(weights[self._one[: self._tail]] * weights[self._other[: self._tail]]) / impostors
        fnmr: Scores = np.concatenate([[0.0], np.cumsum(genuine)])[self._missed] / genuine.sum()
        crossing = int(np.argmin(np.abs(fmr - fnmr)))
        last_allowed = np.searchsorted(fmr, at_fmr, side="right") - 1
        return [(fmr[crossing] + fnmr[crossing]) / 2, *np.where(last_allowed < 0, 1.0, fnmr[last_allowed])]
