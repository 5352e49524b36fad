"""What a rule without foresight costs at least: it may know every law of chance, and no draw.

Each function returns the worker-seconds that no such rule undercuts on average while no more than 1 % of the requests
wait longer than `p99_s` in the long run, over all the draws that the laws allow. Nothing is said about one sample: in a
lucky one a rule may pay less, or show a better percentile than it keeps. They relax: waits by expectations (Jensen's
inequality), workers to fractions, looks to any moment, and share the load perfectly. So the least possible is higher,
and 0 means that nothing is known, not that it could be had for nothing. A single request is the exception: who knew its
law would know when it comes, so there a rule knows nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import bmat, csr_array, eye_array, kron

from facefleet.lab.simulate.durations import Durations
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Seconds

LATE = 0.01  # of the requests may wait longer than `p99_s`, in the long run
_DRAWS, _REPETITIONS = 20_000, 2_000
# The laws of `lab.simulate.workload`.
_SINGLE_S = 60.0
_TRICKLE_HZ = 1 / 90
_BURST, _BURST_S, _SOONEST_S, _LATEST_S = 100, 2.0, 570.0, 630.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The counted part of a run, and the laws it was drawn from.

    Attributes:
        requests, work_s, span_s: how many came, what they take in all, and over how long.
        maximum: the most workers at a time.
        p99_s: the wait that 99 % of the requests do not exceed in the long run; that of the one request of `single`.
    """

    requests: int
    work_s: float
    span_s: float
    service: Durations
    world: World
    maximum: int
    p99_s: float

    def boots_s(self) -> Seconds:
        """Return draws of the boot."""
        return self.world.boot.draw(np.random.default_rng(0), _DRAWS)

    def works_s(self) -> Seconds:
        """Return draws of the service time."""
        return self.service.draw(np.random.default_rng(1), _DRAWS)

    def begun(self, most: int) -> "Begun":
        """Return how many requests, up to `most`, a worker begins in how long."""
        works_s = self.service.draw(np.random.default_rng(2), _REPETITIONS * (most - 1)).reshape(_REPETITIONS, -1)
        return Begun(np.sort(works_s.cumsum(axis=1).ravel()), _REPETITIONS)


@dataclass(frozen=True)
class Begun:
    """The renewal function: how many requests a worker that never idles begins within a time, on average.

    Sizes are unknown before they are done and requests go in order, so no rule begins more (Wald).
    """

    ends_s: Seconds  # ascending, when the first, second, ... request was done, of all repetitions
    repetitions: int

    def within(self, spans_s: Seconds) -> Seconds:
        """Return the mean number by each span; none in a negative one."""
        done = np.searchsorted(self.ends_s, spans_s, side="right") / self.repetitions
        return np.where(spans_s < 0, 0.0, 1.0 + done)


def single(sample: Sample) -> float:
    """Return the bound for one request of which nothing is known before.

    It may come at any moment: if not even the fastest boot after it fits into `p99_s`, somebody must have been ordered
    from the beginning on, and is paid until the request is done. Else it is one boot, the work and the billing minimum.
    """
    boot_s = float(sample.boots_s().min())
    waited_s = _SINGLE_S if sample.p99_s < boot_s else min(boot_s, _SINGLE_S)
    return max(sample.world.billing.minimum_s, waited_s + sample.work_s)


def trickle(sample: Sample) -> float:
    """Return the bound for Poisson arrivals, of which the next is never foretold.

    Arrivals see time averages (PASTA: Wolff, Operations Research 1982). Whoever finds nobody, not even one that boots,
    waits for the look and the fastest of the k boots ordered there; k - 1 of them are extra, each paid at least the
    minimum. While p99 is shorter than any boot, whoever is there at its end was there `blind_s` before; if that was
    one worker alone, and another request came since that holds it for longer, the request is late. What was there then
    does not depend on what came since, so that happens for a share `busy` of the arrivals. A linear programme finds the
    cheapest shares of time with nobody (by phase of the look and by k), with one, and with two or more.
    """
    boots_s, tick_s, p99_s = sample.boots_s(), sample.world.tick_s, sample.p99_s
    boot_s = float(boots_s.min())
    if p99_s >= 2 * boot_s:
        return 0.0  # a second order may then wait for how the first goes: not covered
    blind_s = max(0.0, boot_s - p99_s)
    busy = -np.expm1(-_TRICKLE_HZ * float(np.clip(sample.works_s() - p99_s, 0, blind_s).mean()))
    phases, most = 50, 1 if blind_s else sample.maximum
    extra_s = max(sample.world.billing.minimum_s, boot_s)
    boots_late = np.array([np.mean(boots_s > p99_s - tick_s * phase / phases) for phase in range(phases)])
    orders = np.arange(1, most + 1)
    late = (boots_late[:, None] ** orders).ravel()
    # Variables: the share with nobody, by phase and k; the share with one; whole ticks with nobody.
    saved = np.tile(2 - _TRICKLE_HZ * (orders - 1) * extra_s, phases)
    of_phase = kron(eye_array(phases), np.ones((1, most))).toarray()
    one, whole = np.zeros((phases, 1)), np.full((phases, 1), 1 / phases)
    rows = np.vstack(
        (
            np.concatenate((late, [busy, 0])),
            np.concatenate((np.ones(late.size), [1, 0])),
            # Each who finds nobody has somebody booted.
            np.concatenate((np.full(late.size, 1 + _TRICKLE_HZ * boot_s), [0, 0])),
            # A worker may leave within a tick only after a request, so nearly all ticks with nobody are whole.
            np.hstack((of_phase, one, -whole)),
            np.hstack((-of_phase, one, whole)),
        )
    )
    limits = np.concatenate(
        (
            [LATE, 1, 1],
            np.full(phases, _TRICKLE_HZ * tick_s / phases),
            np.zeros(phases),
        )
    )
    best = linprog(-np.concatenate((saved, [1, 0])), A_ub=rows, b_ub=limits)
    return float(2 + best.fun) * sample.span_s


def bursts(sample: Sample, step_s: float = 0.5) -> float:
    """Return the bound for bursts, the next of which comes uniformly within a minute of uncertainty.

    Of the requests that have come `u` into the burst, no more are begun in time than the workers can begin by
    `u + p99_s`, whichever way the load is shared. A linear programme finds the cheapest orders: so many at each moment
    before the burst, unless it has come already, and so many at the look after it began, by when that look is. Boots
    are independent of all else, so their expectation is what counts, whatever is decided on seeing some of them.
    Requests that are late before anybody ordered after the burst began can be there are left to a whole number of
    workers, decided before: at best all are ready then, and what is late on average is convex in their number.
    Paid are all idle and booting times plus the work, or the billing minimums, whichever is dearer. Nobody is let go
    before the burst: it becomes ever likelier, so who was worth keeping so far is worth more from now on.
    """
    boots_s, begun = np.sort(sample.boots_s())[20::40], sample.begun(_BURST)
    count, work_s = sample.requests / _BURST, sample.work_s / sample.requests * _BURST
    looks_s = np.arange(6) / 6 * sample.world.tick_s
    into_s = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0]) * _BURST_S
    came_s = np.arange(_SOONEST_S, _LATEST_S, step_s)  # it came in this step, an order went out in that
    ordered_s = np.arange(_SOONEST_S - step_s * np.ceil(boots_s.max() / step_s + 1), _LATEST_S, step_s)
    early_s = came_s[:, None] - ordered_s
    possible = early_s > -step_s
    due_s = into_s[:, None] + sample.p99_s
    # In favour of the rule: readiness counts from the start of the order's step to the end of the burst's step.
    ages_s = np.arange(0, early_s.max() + 2 * step_s, step_s)
    ready_s = np.maximum(0, boots_s - ages_s[:, None])
    by_age = np.array([begun.within(due - ready_s).mean(axis=1) for due in due_s[:, 0]])  # (into, ages)
    age = np.maximum(0, np.round(early_s / step_s) + 1).astype(int)
    before = np.where(possible, by_age[:, age], 0.0) / _BURST  # (into, came, ordered)
    after = np.array([begun.within(due_s - look - boots_s).mean(axis=1) for look in looks_s]) / _BURST  # (looks, into)
    shares = into_s / _BURST_S
    blind = due_s[:, 0] < sample.boots_s().min()
    least_late = _least_late(sample, shares[blind], due_s[blind, 0])
    minimum_s = sample.world.billing.minimum_s
    prices = []
    for least_s, fixed_s in ((0.0, work_s), (minimum_s, 0.0)):
        paid_s = np.maximum(np.maximum(early_s - step_s, sample.world.boot.mean_s), least_s)
        costs = np.where(possible, paid_s, 0.0).mean(axis=0)
        boot_s = float(np.maximum(boots_s, least_s).mean())
        prices.append(fixed_s + _cheapest(costs, boot_s, before, after, shares, least_late, possible, sample.maximum))
    return count * max(prices)


def _least_late(sample: Sample, shares: Seconds, due_s: Seconds) -> Seconds:
    """Return (maximum + 1,) the least late share of a burst, by how many workers were ordered before it began.

    A sum of independent, equally distributed numbers, none negative, in a convex function is convex in how many
    there are, and so is the maximum over the moments.
    """
    rng, shape = np.random.default_rng(4), (sample.maximum, _REPETITIONS, _BURST)
    done_s = sample.service.draw(rng, int(np.prod(shape))).reshape(shape).cumsum(axis=2)
    least = np.zeros(sample.maximum + 1)
    for share, due in zip(shares, due_s, strict=True):
        begun = (1 + (done_s <= due).sum(axis=2)).cumsum(axis=0)
        late = np.maximum(0.0, share - begun / _BURST).mean(axis=1)
        least = np.maximum(least, np.concatenate(([share], late)))
    return least


def _cheapest(
    costs: Seconds,
    boot_s: float,
    before: Seconds,
    after: Seconds,
    shares: Seconds,
    least_late: Seconds,
    possible: NDArray[np.bool_],
    maximum: int,
) -> float:
    """Solve the programme of `bursts`; variables: orders, what they begin, orders after, late shares."""
    (into, came, ordered), looks = before.shape, len(after)
    cells = came * looks
    spread = kron(eye_array(came), np.ones((looks, 1)))  # (cells, came)
    begins = csr_array(before.transpose(1, 0, 2).reshape(came * into, ordered))
    equal = bmat([[begins, -eye_array(came * into), csr_array((came * into, 2 * cells))]])
    # late >= share - begun before - after's part
    by_cell = [
        [
            csr_array((cells, ordered)),
            -spread @ kron(eye_array(came), np.eye(1, into, u)),
            -kron(eye_array(came), np.diag(after[:, u])),
            -eye_array(cells),
        ]
        for u in range(into)
    ]
    room = [spread @ csr_array(possible.astype(float)), csr_array((cells, came * into)), eye_array(cells), None]
    # late, on average over the looks >= the line through the least for n and n + 1, at the number ordered before
    slopes = np.diff(least_late)
    crossings = least_late[:-1] - slopes * np.arange(slopes.size)
    average = kron(eye_array(came), np.full((1, looks), 1 / looks))
    whole = [
        kron(slopes[:, None], csr_array(possible.astype(float))),
        None,
        None,
        -kron(np.ones((slopes.size, 1)), average),
    ]
    mean = [None, None, None, csr_array(np.full((1, cells), 1 / cells))]
    limits = np.concatenate(
        (np.repeat(-shares, cells), np.full(cells, float(maximum)), -np.repeat(crossings, came), [LATE])
    )
    objective = np.concatenate((costs, np.zeros(came * into), np.full(cells, boot_s / cells), np.zeros(cells)))
    best = linprog(
        objective,
        A_ub=bmat([*by_cell, room, whole, mean], format="csr"),
        b_ub=limits,
        A_eq=equal,
        b_eq=np.zeros(came * into),
    )
    return float(best.fun) if best.success else 0.0  # not even the maximum does it: then no claim is made


CHANCE = {"single": single, "trickle": trickle, "bursts": bursts}
