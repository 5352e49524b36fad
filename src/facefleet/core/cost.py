"""What the fleet costs: worker time as it is charged, and what a managed face API would have charged instead.

Amounts are in the currency of the prices. Taxes, discounts, the web tier, the database and the photos' storage are not
counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from facefleet.core.fleet import Worker, WorkerState
from facefleet.core.scaling.terms import Billing

_CHARGED = frozenset({WorkerState.PENDING, WorkerState.RUNNING, WorkerState.DRAINING})
_MONTH_H = 730.0
# In a shorter time what starts and what is rounded up count for more than what goes on.
_SETTLED_S = 60.0
_ROUNDED_UP = 10.0  # times
_LONGEST_S = 43_200.0  # averages go back no more than a day


def charged(workers: Sequence[Worker]) -> int:
    """Return how many workers are being paid for: from the order to start until the drain has ended."""
    return sum(worker.state in _CHARGED for worker in workers)


def runs_s(workers: Sequence[Worker], *, now_s: float) -> dict[str, float]:
    """Return for how long those that are paid for have been there, by the clock of their `since_s`."""
    return {worker.worker_id: max(0.0, now_s - worker.since_s) for worker in workers if worker.state in _CHARGED}


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Counts charged worker-seconds, look by look.

    Attributes:
        now_s: when it was last read; None before the first time.
        runs_s: worker id → how long it has been charged for, before the billing rounds that up.
    """

    now_s: float | None = None
    runs_s: Mapping[str, float] = field(default_factory=dict)

    def read(self, now_s: float, workers: Sequence[Worker], billing: Billing) -> "tuple[Meter, float]":
        """Return the meter after one more look, and the worker-seconds charged since the one before.

        Of workers that are there at the first look nobody knows what was charged: nothing is.

        Args:
            now_s: by the clock of the workers' `since_s`.
            workers: who is there.
            billing: a minimum is charged when a worker is first seen, and time is rounded up from then on.
        """
        passed_s = 0.0 if self.now_s is None else max(0.0, now_s - self.now_s)
        runs_s: dict[str, float] = {}
        charged_s = 0.0
        for worker in workers:
            if worker.state not in _CHARGED:
                continue
            age_s = max(0.0, now_s - worker.since_s)
            before_s = self.runs_s.get(worker.worker_id)
            run_s = min(age_s, passed_s) if before_s is None else before_s + passed_s
            if self.now_s is None:
                run_s = age_s
            else:
                charged_s += billing.billed_s(run_s) - (0.0 if before_s is None else billing.billed_s(before_s))
            runs_s[worker.worker_id] = run_s
        return Meter(now_s=now_s, runs_s=runs_s), charged_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What is paid.

    Attributes:
        worker_per_h: for one worker; None if nobody said.
        managed_per_1000: what a managed face API charges for 1,000 photos.
    """

    worker_per_h: float | None
    managed_per_1000: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What was used up to a time.

    Attributes:
        at_s: Unix time.
        worker_s: worker-seconds charged for.
        answered: photos answered.
    """

    at_s: float
    worker_s: float
    answered: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What the fleet costs; None where a price is unknown or nothing was measured yet.

    Attributes:
        workers: how many are paid for now.
        per_h: what they cost an hour.
        since_s: Unix time from which the next three are averages; None before there is a history.
        per_1000: cost of 1,000 photos.
        per_month: projection to 730 hours; at first, before the averages have settled, of the workers there now.
        managed_per_month: the same for a managed API; None at first.
        worker_s, answered: worker-seconds charged and photos answered since the beginning.
        total: what they cost, at today's price.
        managed_total: what a managed API would have cost for the same photos.
    """

    workers: int
    per_h: float | None
    since_s: float | None
    per_1000: float | None
    per_month: float | None
    managed_per_month: float | None
    worker_s: float
    answered: float
    total: float | None
    managed_total: float


def settled_s(billing: Billing) -> float:
    """Return after how long averages are more than what starts and what is rounded up."""
    return min(_LONGEST_S, max(_SETTLED_S, billing.minimum_s, _ROUNDED_UP * billing.granularity_s))


def cost(workers: int, now: Totals, before: Totals | None, prices: Prices, *, settles_s: float = _SETTLED_S) -> Cost:
    """Return what is spent, from the totals now and those of about a day ago.

    Args:
        workers: how many are paid for now.
        now: the totals now.
        before: earlier totals; None if there are none. Totals that have gone back since are those of another service.
        prices: what is paid.
        settles_s: over a shorter time than this nothing is projected, see `settled_s`.
    """
    if before is not None and (now.at_s <= before.at_s or now.worker_s < before.worker_s):
        before = None
    per_h = None if prices.worker_per_h is None else workers * prices.worker_per_h
    per_1000 = managed_per_month = None
    per_month = None if per_h is None else per_h * _MONTH_H
    if before is not None:
        months = (now.at_s - before.at_s) / 3600 / _MONTH_H
        settled = now.at_s - before.at_s >= settles_s
        photos = max(0.0, now.answered - before.answered)
        managed_per_month = photos / 1000 * prices.managed_per_1000 / months if settled else None
        spent = _price(now.worker_s - before.worker_s, prices)
        if spent is not None:
            per_month = spent / months if settled else per_month
            per_1000 = spent / photos * 1000 if photos else None
    return Cost(
        workers=workers,
        per_h=per_h,
        since_s=None if before is None else before.at_s,
        per_1000=per_1000,
        per_month=per_month,
        managed_per_month=managed_per_month,
        worker_s=now.worker_s,
        answered=now.answered,
        total=_price(now.worker_s, prices),
        managed_total=now.answered / 1000 * prices.managed_per_1000,
    )


def _price(worker_s: float, prices: Prices) -> float | None:
    return None if prices.worker_per_h is None else worker_s / 3600 * prices.worker_per_h
