"""What the user asks of the fleet, and what the fleet's owner is charged."""

import math
import re
from dataclasses import dataclass

from facefleet.errors import InvalidInput


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

    @property
    def late_share(self) -> float:
        """The share of requests that may be late."""
        return 1 - self.at / 100


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


_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_SPAN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)")
_RATE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*/\s*(h|hour|d|day|month)")
_PER_H = {"h": 1.0, "hour": 1.0, "d": 1 / 24, "day": 1 / 24, "month": 1 / 730}


def seconds(text: str) -> float:
    """Read a span of time: `2s`, `250ms`, `1.5m`, `1h`, or plain seconds.

    Raises:
        InvalidInput: it is none of these.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS_S:
        raise InvalidInput(f"{text!r} is no span of time; write one like 250ms, 2s, 5m, 1.5h or 1d.")
    return _finite(float(match[1]) * _UNITS_S[match[2]], text)


def per_hour(text: str) -> float:
    """Read an amount of money an hour: `3/h`, `20/d` or `500/month` (of 730 hours).

    Raises:
        InvalidInput: it is none of these.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"{text!r} is no amount over time; write one like 3/h, 20/d or 500/month.")
    return _finite(float(match[1]) * _PER_H[match[2]], text)


def _finite(value: float, text: str) -> float:
    if not math.isfinite(value):
        raise InvalidInput(f"{text[:20]}… is more than a number can be.")
    return value
