"""What is said of a policy after several runs: means over the seeds, with 95 % confidence intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate.engine import Run

# Student's t, 97.5 %, for 1 to 30 degrees of freedom; from any table.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_NORMAL, _TAIL = 1.960, 2.4  # beyond: the normal distribution's, and what t has above it by degrees of freedom


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds and half the width of its 95 % confidence interval; one seed tells of none."""

    mean: float
    plus_minus: float | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One policy on one workload.

    Attributes:
        p50_s, p95_s, p99_s: percentiles of the wait until a worker begins.
        late_percent: requests that waited longer than the objective.
        instance_s: worker-seconds charged for, minimum and granularity applied.
        cost: in the currency of the price.
    """

    policy: str
    p50_s: Estimate
    p95_s: Estimate
    p99_s: Estimate
    late_percent: Estimate
    instance_s: Estimate
    cost: Estimate
    starts: Estimate
    stops: Estimate
    unanswered: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return asdict(self)


def summarise(runs: Sequence[Run], objective: Objective, billing: Billing) -> Outcome:
    """Return the means of one policy's runs, one run a seed."""

    def over(measure: Callable[[Run], float]) -> Estimate:
        return estimate([measure(run) for run in runs])

    return Outcome(
        policy=runs[0].policy,
        p50_s=over(lambda run: _percentile(run, 50)),
        p95_s=over(lambda run: _percentile(run, 95)),
        p99_s=over(lambda run: _percentile(run, 99)),
        late_percent=over(lambda run: 100 * float(np.mean(run.waits_s > objective.slo_s)) if run.waits_s.size else 0),
        instance_s=over(lambda run: run.billed_s),
        cost=over(lambda run: run.billed_s / 3600 * billing.price_per_h),
        starts=over(lambda run: run.starts),
        stops=over(lambda run: run.stops),
        unanswered=sum(run.unanswered for run in runs),
    )


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean, and Student's interval around it where there are two values or more."""
    count = len(values)
    if count == 1:
        return Estimate(mean=float(values[0]), plus_minus=None)
    t = _T[count - 2] if count - 2 < len(_T) else _NORMAL + _TAIL / (count - 1)
    return Estimate(mean=float(np.mean(values)), plus_minus=t * float(np.std(values, ddof=1)) / math.sqrt(count))


def _percentile(run: Run, percent: float) -> float:
    return float(np.percentile(run.waits_s, percent)) if run.waits_s.size else 0.0
