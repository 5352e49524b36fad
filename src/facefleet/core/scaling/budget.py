"""Spending no more than so much an hour, and saving what is not spent for when it is needed."""

import math
from dataclasses import dataclass

from facefleet.core.scaling.terms import Billing, Objective

_SAVED_H = 1.0  # at most this many hours of the budget can be saved
_SPREAD_S = 300.0  # savings are spent over no less than this
_LAST = 0.25  # of that time is the last for which those who are there stay
_STRETCH_BOOTS = 20  # once they are used up, over no less than so many boots, which would eat what is bought


@dataclass(frozen=True, kw_only=True)
class Purse:
    """What was saved of the budget so far: over any T hours the fleet spends at most budget x (T + 1).

    Billing minimums and the last requests of workers that drain come on top. A budget too small to buy even one worker
    that way saves what it takes.

    Attributes:
        saved: in the currency of the budget; negative after spending ahead.
        spent: nearly all savings were used, and at every look since more workers were wanted than the budget pays for
            all the time. Never if it pays for none all the time: nobody waits for a long stretch of the only worker.
        now_s: when it was last counted.
    """

    saved: float = 0.0
    spent: bool = False
    now_s: float | None = None

    def count(
        self, now_s: float, workers: int, *, wanted: int, boot_s: float, objective: Objective, billing: Billing
    ) -> "Purse":
        """Return the purse after `workers` workers were paid since it was last counted; now `wanted` are wanted."""
        budget, price = objective.budget_per_h, billing.price_per_h
        if budget is None or price <= 0 or self.now_s is None:
            return Purse(saved=self.saved, now_s=now_s)
        hours, spread_h = max(0.0, now_s - self.now_s) / 3600, _spread_h(boot_s, billing)
        most = max(budget * _SAVED_H, price * spread_h)
        saved = min(most, self.saved + (budget - workers * price) * hours)
        spent = self.spent or _paid(budget, price, saved, spread_h * _LAST) < workers
        return Purse(saved=saved, spent=spent and 1 <= _paid(budget, price) < wanted, now_s=now_s)

    def affords(self, have: int, *, boot_s: float, objective: Objective, billing: Billing) -> float:
        """Return how many workers there may be now, of whom `have` are there; infinite without a budget or a price.

        Those there stay until nearly all is spent that they were started for, or a budget for two and a half would
        start the third at one look and drain it at the next.
        """
        budget, price = objective.budget_per_h, billing.price_per_h
        if budget is None or price <= 0:
            return math.inf
        spread_h = _spread_h(boot_s, billing)
        stretch_h = max(spread_h, _STRETCH_BOOTS * boot_s / 3600)
        most = _paid(budget, price, self.saved, stretch_h if self.spent else spread_h)
        return max(most, min(have, _paid(budget, price, self.saved, spread_h * _LAST)))


def _paid(budget_per_h: float, price_per_h: float, saved: float = 0.0, span_h: float = 1.0) -> int:
    """Return how many workers the budget pays, with savings that are spent over so long."""
    return max(0, math.floor((budget_per_h + saved / span_h) / price_per_h + 1e-9))


def _spread_h(boot_s: float, billing: Billing) -> float:
    return max(_SPREAD_S, 2 * boot_s, billing.minimum_s, billing.granularity_s) / 3600
