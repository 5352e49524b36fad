"""What a rule without foresight costs at least for spikes, which begin by chance: a bound as in `elasticity_chance`."""

from heapq import heappop, heappush

import numpy as np

from elasticity_chance import LATE, Sample
from facefleet.lab.simulate.workload import Seconds

_REPETITIONS = 60
# The law of `lab.simulate.workload`: rates in loads of ten workers, the time between spikes, and how long one takes.
_OFFERED, _USUAL, _RISEN = 10.0, 0.25, 1.5
_QUIET_S, _LENGTH_S = 480.0, np.array([60.0, 180.0])


def spiky(sample: Sample) -> float:
    """Return the bound for spikes of known height, of which nobody knows when the next begins.

    The time between them is exponential, so a spike finds as many workers, there or ordered, as there are on average
    (conditional PASTA: what is decided before it does not depend on it). Nobody ordered later is there before the
    fastest boot, B: of those who come up to B - w into the spike all are late whom the workers of before have not begun
    within w. How many that are on average is simulated for each number of workers, all free and ready when it begins,
    and nothing waiting. Chance may decide how many there are, so the lowest convex line through these counts. In the
    long run no more than 1 % may be late; so many workers are paid between spikes, and in a spike at least what is done
    of its work until it ends, less that of those who may be late. (The simulated counts are good for about 1 %.)
    """
    mean_s = sample.service.mean_s
    risen_hz, length_s = _RISEN * _OFFERED / mean_s, float(_LENGTH_S.mean())
    requests = _USUAL * _OFFERED / mean_s * _QUIET_S + risen_hz * length_s
    workers = fewest(_late(sample, risen_hz), LATE * requests)
    works_s = sample.works_s()
    until_s = np.linspace(*_LENGTH_S, 13)[1::2] - sample.p99_s  # the middles of six parts
    done_s = np.array([_done(works_s, max(0.0, span_s)) for span_s in until_s]).mean()
    busy_s = max(0.0, risen_hz * done_s - LATE * requests * mean_s)
    return max(sample.work_s, (workers * _QUIET_S + busy_s) / (_QUIET_S + length_s) * sample.span_s)


def _done(works_s: Seconds, span_s: float) -> float:
    """Return how much of the work is done by then of requests that begin evenly over a span, one a second on average.

    That is the mean of the integral of min(X, v) over v from 0 to the span.
    """
    return float(np.where(works_s < span_s, works_s * (span_s - works_s / 2), span_s * span_s / 2).mean())


def _late(sample: Sample, rate_hz: float) -> Seconds:
    """Return (maximum + 1,) how many are late on average before anybody ordered in the spike can be there."""
    blind_s, rng = float(sample.boots_s().min()) - sample.p99_s, np.random.default_rng(5)
    if blind_s <= 0:
        return np.zeros(sample.maximum + 1)
    late = np.zeros(sample.maximum + 1)
    for _ in range(_REPETITIONS):
        arrivals_s = np.sort(rng.uniform(0, blind_s, rng.poisson(rate_hz * blind_s)))
        services_s = sample.service.draw(rng, arrivals_s.size)
        late += [_late_of(arrivals_s, services_s, workers, sample.p99_s) for workers in range(late.size)]
    return late / _REPETITIONS


def _late_of(arrivals_s: Seconds, services_s: Seconds, workers: int, p99_s: float) -> int:
    """Return how many wait longer, begun in order by so many workers."""
    if not workers:
        return arrivals_s.size
    free_s, late = [0.0] * workers, 0
    for arrival_s, service_s in zip(arrivals_s.tolist(), services_s.tolist(), strict=True):
        begin_s = max(arrival_s, heappop(free_s))
        late += begin_s - arrival_s > p99_s
        heappush(free_s, begin_s + service_s)
    return late


def fewest(late: Seconds, allowed: float) -> float:
    """Return the fewest workers, on average, of whom no more are late: where the lowest convex line is as low."""
    if late[-1] > allowed:
        return 0.0  # not even the maximum does it: then no claim is made
    candidates = [
        few + (many - few) * (late[few] - allowed) / (late[few] - late[many])
        for few in range(late.size)
        for many in range(few + 1, late.size)
        if late[few] > allowed >= late[many]
    ]
    return min(candidates, default=0.0)
