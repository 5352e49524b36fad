"""A search over integers: the cheapest rule of a family whose 99th percentile of waits is no longer than asked for."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

_STARTS = 3
_CHANGED = 0.5  # of the numbers, each time
_FAR = 0.3  # of these, to anywhere; the others to nearby
Price = Callable[[tuple[int, ...]], tuple[float, float]]  # the numbers of a rule -> its p99 and its price


def cheapest(
    price: Price, ranges: Sequence[range], coarse: Sequence[Sequence[int]], p99_s: float, *, tries: int
) -> float:
    """Return the lowest price found at no more than `p99_s`; infinite if no rule that was tried keeps it.

    First a coarse grid, then from its best on the (1+1) evolution strategy (Droste, Jansen and Wegener, Theoretical
    Computer Science 2002), a few times: change some numbers of the best so far at random, keep what is no worse. Worse
    than any that keeps `p99_s` is who does not, the longer its p99 the worse. What it finds is no less than the least
    price, with no proof of how near.

    Args:
        price: of the rule with these numbers.
        ranges: of each number.
        coarse: the values of each number that the grid has.
        p99_s: the percentile to keep.
        tries: how many rules are tried each time, at most.
    """
    known: dict[tuple[int, ...], tuple[float, float]] = {}

    def score(numbers: tuple[int, ...]) -> tuple[float, float]:
        if numbers not in known:
            p99, paid = price(numbers)
            known[numbers] = (max(p99, p99_s), paid if p99 <= p99_s else np.inf)
        return known[numbers]

    start = min(product(*coarse), key=score)
    return min(_climb(score, ranges, start, np.random.default_rng(seed), tries)[1] for seed in range(_STARTS))


def _climb(
    score: Price, ranges: Sequence[range], best: tuple[int, ...], rng: np.random.Generator, tries: int
) -> tuple[float, float]:
    low, high = np.array([(one.start, one.stop) for one in ranges]).T
    for _ in range(tries):
        near = np.clip(best + rng.geometric(0.4, low.size) * rng.choice((-1, 1), low.size), low, high - 1)
        moved = np.where(rng.random(low.size) < _FAR, rng.integers(low, high), near)
        tried = tuple(np.where(rng.random(low.size) < _CHANGED, moved, best).tolist())
        if score(tried) <= score(best):
            best = tried
    return score(best)
