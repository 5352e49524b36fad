"""Spending no more than so much an hour, and saving what is not spent for when it is needed."""

import math
from dataclasses import dataclass

from facefleet.core.scaling.terms import Billing, Objective

_SAVED_H = 1.0  # at most this many hours of the budget can be saved
_SPREAD_S = 300.0  # savings are spent over no less than this
_LAST = 0.25  # of that time is the last for which those who are there stay


@dataclass(frozen=True, kw_only=True)
class Purse:
    """What was saved of the budget so far: over any T hours the fleet spends at most budget x (T + 1).

    Billing minimums and the last requests of workers that drain come on top. A budget too small to buy even one worker
    that way saves what it takes.

    Attributes:
        saved: in the currency of the budget; negative after spending ahead.
        now_s: when it was last counted.
    """

    saved: float = 0.0
    now_s: float | None = None

    def count(self, now_s: float, workers: int, *, boot_s: float, objective: Objective, billing: Billing) -> "Purse":
        """Return the purse after `workers` workers were paid since it was last counted."""
        if objective.budget_per_h is None or self.now_s is None:
            return Purse(saved=self.saved, now_s=now_s)
        hours = max(0.0, now_s - self.now_s) / 3600
        saved = self.saved + (objective.budget_per_h - workers * billing.price_per_h) * hours
        most = max(objective.budget_per_h * _SAVED_H, billing.price_per_h * _spread_h(boot_s, billing))
        return Purse(saved=min(saved, most), now_s=now_s)

    def affords(self, have: int, *, boot_s: float, objective: Objective, billing: Billing) -> float:
        """Return how many workers there may be now, of whom `have` are there; infinite without a budget or a price.

        Those there stay until nearly all is spent that they were started for, or a budget for two and a half would
        start the third at one look and drain it at the next.
        """
        if objective.budget_per_h is None or billing.price_per_h <= 0:
            return math.inf
        spread_h = _spread_h(boot_s, billing)
        most, kept = (
            max(0, math.floor((objective.budget_per_h + self.saved / span_h) / billing.price_per_h + 1e-9))
            for span_h in (spread_h, spread_h * _LAST)
        )
        return max(most, min(have, kept))


def _spread_h(boot_s: float, billing: Billing) -> float:
    return max(_SPREAD_S, 2 * boot_s, billing.minimum_s, billing.granularity_s) / 3600
