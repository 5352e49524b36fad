"""The objectives that benchmarks/elasticity.py tries: settings of the dial that a user turns, and what lies between.

An aim is written as seconds, maybe "at" a percentage other than 99, and maybe "for" the money of so many workers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from math import sqrt

from facefleet.core.scaling.terms import Objective

BUDGET = " for "
PRICE_PER_H = 0.1
_USUAL_AT = 99.0
_ENDS = {"at": (50.0, 99.99)}  # of the dial, where nothing farther was tried


def aims(slos_s: str, at: str, workers: tuple[float, ...]) -> tuple[str, ...]:
    """Return the seconds at 99 %, others as "seconds@percentage", and all that so many workers' money buys."""
    bought = (f"0{BUDGET}{count}" for count in workers)
    return (*slos_s.split(), *(aim.replace("@", " at ") for aim in at.split()), *bought)


def objective(aim: str) -> Objective:
    """Read an aim."""
    rest, _, workers = aim.partition(BUDGET)
    slo_s, _, at = rest.partition(" at ")
    budget_per_h = float(workers) * PRICE_PER_H if workers else None
    return Objective(slo_s=float(slo_s), at=float(at or _USUAL_AT), budget_per_h=budget_per_h)


def named(aim: Objective) -> str:
    """Write an objective as an aim, to three digits."""
    at = "" if aim.at == _USUAL_AT else f" at {aim.at:.4g}"
    money = "" if aim.budget_per_h is None else f"{BUDGET}{aim.budget_per_h / PRICE_PER_H:.3g}"
    return f"{aim.slo_s:.3g}{at}{money}"


def paid_with(aim: str, workers: float) -> str:
    """Return an aim with the money of so many workers."""
    return named(replace(objective(aim), budget_per_h=workers * PRICE_PER_H))


def between(aim: str, tried: Iterable[str]) -> list[str]:
    """Return what lies halfway from an aim to the nearest ones tried that differ from it in one number only.

    Halfway is the geometric mean of waits and of shares that may be late.
    """
    here, others = objective(aim), [objective(one) for one in tried]
    halfway = (
        replace(here, **{number: _middle(number, getattr(here, number), value)})
        for number in asdict(here)
        for value in _neighbours(number, here, others)
    )
    return [name for name in dict.fromkeys(map(named, halfway)) if name not in tried]


def _neighbours(number: str, here: Objective, others: list[Objective]) -> Iterator[float]:
    """Yield the next lower and the next higher value of one number among objectives that are alike but for it."""
    mine = getattr(here, number)
    if mine is None or (number == "at" and here.slo_s <= 0):  # where nobody may wait, the percentage means nothing
        return
    alike = [getattr(one, number) for one in others if replace(one, **{number: mine}) == here]
    values = [value for value in (*alike, *_ENDS.get(number, ())) if value is not None]
    yield from sorted(value for value in values if value < mine)[-1:]
    yield from sorted(value for value in values if value > mine)[:1]


def _middle(number: str, one: float, other: float) -> float:
    if number == "at":
        return 100 - sqrt((100 - one) * (100 - other))
    return sqrt(one * other) if one and other else (one + other) / 2
