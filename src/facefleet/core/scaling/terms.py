"""What the user asks of the fleet, and what the fleet's owner is charged."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What scaling is for: `--slo 2s --at 99`, `--budget 3/h`, or both.

    Attributes:
        slo_s: how long a request may wait before a worker begins it.
        at: the percentage of requests for which that must hold.
        budget_per_h: the most to spend an hour, in the currency of the price; None for no limit.
    """

    slo_s: float = 2.0
    at: float = 99.0
    budget_per_h: float | None = None


@dataclass(frozen=True, kw_only=True)
class Billing:
    """How worker time is charged, from the order to start until the drain has ended.

    Attributes:
        price_per_h: of one worker, in any currency.
        minimum_s: charged for every start, however short (EC2: 60 s).
        granularity_s: charged time is rounded up to a multiple of this (EC2: 1 s; some clouds: an hour).
    """

    price_per_h: float = 0.0
    minimum_s: float = 0.0
    granularity_s: float = 1.0

    def billed_s(self, run_s: float) -> float:
        """Return the seconds charged for a worker that was there for `run_s`."""
        rounded = math.ceil(run_s / self.granularity_s - 1e-9) * self.granularity_s
        return max(self.minimum_s, rounded)

    def paid_for_s(self, run_s: float) -> float:
        """Return how much longer a worker `run_s` old may stay at no extra charge."""
        return self.billed_s(run_s) - run_s
