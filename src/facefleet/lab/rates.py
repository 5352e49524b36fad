"""Verification error rates from scores: FMR, FNMR, EER, ten-fold accuracy, and how sure one can be of them.

Terms are ISO/IEC 19795-1's: a comparison of two photos of one person is genuine, of two people an impostor's; a
threshold is met by scores equal to it or higher.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Weights = NDArray[np.float64]
Indices = NDArray[np.intp]

FOLDS = 10
MIN_ERRORS = 10  # a rate that rests on fewer false matches is not reported
_TOLERANCE = 1e-9  # 1e-3 of 1,000 pairs is one pair, whatever binary fractions make of it


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Scored pairs and whose photos they are.

    Attributes:
        scores: (N,) cosine.
        one, other: (N,) number of the person on each side, from 0; equal where the pair is genuine.
    """

    scores: Scores
    one: Indices
    other: Indices

    @property
    def genuine(self) -> NDArray[np.bool_]:
        """(N,) whether both photos show the same person."""
        return np.equal(self.one, self.other)

    @property
    def genuine_scores(self) -> Scores:
        """Scores of the genuine pairs."""
        return self.scores[self.genuine]

    @property
    def impostor_scores(self) -> Scores:
        """Scores of the others."""
        return self.scores[~self.genuine]


def supports(rate: float, impostor_pairs: int) -> bool:
    """Say whether so many pairs can show a false match rate at all, by `MIN_ERRORS` of them."""
    return rate * impostor_pairs + _TOLERANCE >= MIN_ERRORS


def score_at_fmr(impostor_scores: Scores, rate: float) -> float:
    """Return the least score seen that at most this share of impostors reach.

    Raises:
        ValueError: not one impostor may pass at this rate, so no score is known to stop them.
    """
    ordered = np.sort(impostor_scores)
    allowed = math.floor(rate * len(ordered) + _TOLERANCE)
    if allowed < 1:
        raise ValueError(f"{len(ordered)} impostor pairs cannot show a false match rate of {rate:g}")
    score = ordered[len(ordered) - allowed]
    if np.count_nonzero(ordered >= score) > allowed:  # ties would let more pass
        above = ordered[np.searchsorted(ordered, score, side="right") :]
        score = above[0] if len(above) else np.nextafter(score, np.inf)
    return float(score)


def false_non_match_rate(genuine_scores: Scores, threshold: float) -> float:
    """Return the share of genuine pairs that miss the threshold."""
    return float(np.mean(genuine_scores < threshold))


def det_points(comparisons: Comparisons) -> tuple[Scores, Scores, Scores]:
    """Return thresholds and the (FMR, FNMR) at each: every score that occurs, rising."""
    genuine, impostor = np.sort(comparisons.genuine_scores), np.sort(comparisons.impostor_scores)
    thresholds = np.unique(comparisons.scores)
    fmr = 1 - np.searchsorted(impostor, thresholds, side="left") / len(impostor)
    fnmr = np.searchsorted(genuine, thresholds, side="left") / len(genuine)
    return thresholds, fmr, fnmr


def equal_error_rate(comparisons: Comparisons) -> float:
    """Return the rate at which FMR and FNMR cross, half-way between them where they jump past each other."""
    _, fmr, fnmr = det_points(comparisons)
    at = int(np.argmin(np.abs(fmr - fnmr)))
    return float(fmr[at] + fnmr[at]) / 2


def fold_accuracies(comparisons: Comparisons) -> Scores:
    """Return the accuracy on each tenth of the pairs, the threshold chosen on the other nine (as LFW prescribes).

    Genuine and impostor pairs are cut into consecutive tenths in the order given.
    """
    fold = np.empty(len(comparisons.scores), np.intp)
    for kind in (comparisons.genuine, ~comparisons.genuine):
        fold[kind] = np.arange(kind.sum()) * FOLDS // kind.sum()
    accuracies = np.empty(FOLDS)
    for number in range(FOLDS):
        held_out = fold == number
        threshold = _best_threshold(comparisons.scores[~held_out], comparisons.genuine[~held_out])
        accuracies[number] = np.mean((comparisons.scores[held_out] >= threshold) == comparisons.genuine[held_out])
    return accuracies


def _best_threshold(scores: Scores, genuine: NDArray[np.bool_]) -> float:
    """Return the middle of the thresholds that err least."""
    order = np.argsort(scores)
    rejected_genuine = np.concatenate([[0], np.cumsum(genuine[order])])
    accepted_impostors = np.count_nonzero(~genuine) - np.concatenate([[0], np.cumsum(~genuine[order])])
    edges = np.concatenate([[-1.0], scores[order], [1.0]])
    middles = (edges[:-1] + edges[1:]) / 2
    errors = np.where(edges[:-1] < edges[1:], rejected_genuine + accepted_impostors, len(scores))
    return float(np.median(middles[errors == errors.min()]))
