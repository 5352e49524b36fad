"""How benchmarks/elasticity.py sets ours against another rule: which objectives, chosen on the choosing seeds alone."""

import numpy as np

from elasticity_aims import BUDGET

CLEARLY = 0.8  # of another's wait or cost
TOLERANCE = 1.02  # of the same
FLOOR_S = 0.1  # waits below are alike to anybody


def ratios(ours: dict, other: dict) -> tuple[float, float]:
    """Return our p99 and instance-seconds relative to another's."""
    return max(ours["p99"], FLOOR_S) / max(other["p99"], FLOOR_S), ours["instance_s"] / other["instance_s"]


def margin(row: dict, policy: str, aim: str) -> tuple[float, float, float]:
    """Return how near an objective is to losing to a rule on the choosing seeds: above 1 it does on most; ties follow.

    Both meet the same arrivals on each seed, so they are compared seed by seed, and luck on one is not set off against
    a loss on another: clearly better is enough. Among equals, the one with the shortest of all longest waits is the
    least due to chance.
    """
    ours, others = row["ours"][aim]["choose"], row["known"][policy]["choose"]["each"]
    pairs = [ratios(mine, theirs) for mine, theirs in zip(ours["each"], others, strict=True)]
    dearer = np.mean([max(cost, CLEARLY) for _, cost in pairs])
    return float(np.mean([max(*pair, CLEARLY) for pair in pairs])), float(dearer), ours["longest"]


def ranked(row: dict, policy: str) -> list[str]:
    """Return the objectives of ours, those first that on the choosing seeds are farthest from losing to a rule."""
    return sorted(row["ours"], key=lambda aim: margin(row, policy, aim))


def together(row: dict, policy: str, aim: str) -> tuple[float, float]:
    """Return the same over the requests of all choosing seeds together, which is how the figures are reported."""
    wait, cost = ratios(row["ours"][aim]["choose"], row["known"][policy]["choose"])
    return max(wait, cost, CLEARLY), max(cost, CLEARLY)


def too_dear(row: dict, policy: str) -> list[str]:
    """Return the objectives at which ours waits about as long as a rule, or less, on the choosing seeds but costs more.

    The cheapest first; without those that have a budget.
    """
    theirs, ours = row["known"][policy]["choose"], row["ours"]
    pairs = {aim: ratios(ours[aim]["choose"], theirs) for aim in ours if BUDGET not in aim}
    dear = [aim for aim, (wait, cost) in pairs.items() if wait <= TOLERANCE and cost > 1]
    return sorted(dear, key=lambda aim: pairs[aim][1])


def candidates(row: dict, policy: str) -> list[str]:
    """Return the objectives set against a rule, by the choosing seeds: the best three, the best but for budgets.

    And the best by all requests together: the mean of seeds is much moved by one on which the other rule hardly waits.
    And where one must stand to be no worse on both axes by the most on one of them.
    """
    order = ranked(row, policy)
    unbought = [aim for aim in order if BUDGET not in aim]
    best = min(order, key=lambda aim: together(row, policy, aim))
    return list(dict.fromkeys((*order[:3], *unbought[:1], best, *corners(row, policy))))


def corners(row: dict, policy: str) -> list[str]:
    """Return the objective that waits least of those no dearer than a rule, and the cheapest of those no later.

    Of objectives at which hardly anybody waits, the one with the shortest of all longest waits, and of these the
    dearest: the most careful one.
    """
    cells = {aim: row["ours"][aim]["choose"] for aim in ranked(row, policy)}
    pairs = {aim: ratios(cell, row["known"][policy]["choose"]) for aim, cell in cells.items()}
    sooner = [aim for aim, (_, cost) in pairs.items() if cost <= 1]
    cheaper = [aim for aim, (wait, _) in pairs.items() if wait <= 1]
    least = min(sooner, key=lambda aim: (pairs[aim][0], cells[aim]["longest"], -pairs[aim][1]), default=None)
    cheapest = min(cheaper, key=lambda aim: pairs[aim][1], default=None)
    return [aim for aim in (least, cheapest) if aim is not None]
