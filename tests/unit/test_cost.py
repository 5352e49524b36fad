"""What worker time is charged, and what it costs."""

import pytest

from facefleet.core.cost import Meter, Prices, Totals, cost, settled_s
from facefleet.core.fleet import Worker, WorkerState
from facefleet.core.scaling.terms import Billing

BY_THE_SECOND = Billing()
PRICES = Prices(worker_per_h=0.36, managed_per_1000=1.0)


def worker(name, since_s, state=WorkerState.RUNNING):
    return Worker(worker_id=name, state=state, since_s=since_s)


def metered(looks, billing=BY_THE_SECOND):
    """Return what is charged at each look of (time, workers)."""
    meter, charges = Meter(), []
    for now_s, workers in looks:
        meter, charged_s = meter.read(now_s, workers, billing)
        charges.append(charged_s)
    return charges


def test_every_worker_is_charged_for_the_time_between_two_looks():
    """From the order to start, which may lie between the looks, on."""
    one, two = worker("one", 0.0), worker("two", 17.0, WorkerState.PENDING)
    assert metered([(10.0, [one]), (20.0, [one, two]), (25.0, [one, two])]) == [0, 13, 10]


def test_a_worker_that_drains_is_paid_for_and_one_that_stops_is_not():
    """As EC2 does it."""
    states = (WorkerState.RUNNING, WorkerState.DRAINING, WorkerState.STOPPING, WorkerState.STOPPED)
    assert metered([(float(n), [worker("w", 0.0, state)]) for n, state in enumerate(states)]) == [0, 1, 0, 0]


def test_a_minimum_is_charged_at_the_start_and_fractions_are_rounded_up():
    """A worker of 25 s at a minimum of 60 s costs 60; one of 130 s by the minute costs 180."""
    looks = [(float(now_s), [worker("w", 10.0)] if 10 <= now_s <= 35 else []) for now_s in range(0, 200, 5)]
    assert sum(metered(looks, Billing(minimum_s=60))) == 60
    looks = [(float(now_s), [worker("w", 10.0)] if 10 <= now_s <= 140 else []) for now_s in range(0, 200, 5)]
    assert sum(metered(looks, Billing(granularity_s=60))) == 180


def test_a_new_leader_does_not_charge_twice():
    """Workers that are there at its first look were charged by whoever led before."""
    assert metered([(100.0, [worker("w", 0.0)]), (101.0, [worker("w", 0.0)])], Billing(granularity_s=3600)) == [0, 0]


def test_a_clock_that_goes_back_charges_nothing():
    """Nor is anything paid back."""
    one = worker("w", 0.0)
    assert metered([(10.0, [one]), (20.0, [one]), (5.0, [one]), (6.0, [one])]) == [0, 10, 0, 1]


def totals(at_s, worker_s, answered):
    return Totals(at_s=at_s, worker_s=worker_s, answered=answered)


def test_averages_are_over_the_time_since_the_earlier_reading():
    """Half a day: 10 worker-hours and 7,200 photos at 0.36 an hour."""
    told = cost(2, totals(43_200.0, 72_000.0, 9200), totals(0.0, 36_000.0, 2000), PRICES)
    assert (told.per_h, told.since_s) == (0.72, 0.0)
    assert told.per_1000 == pytest.approx(0.5)
    assert told.per_month == pytest.approx(3.6 / 12 * 730)
    assert told.managed_per_month == pytest.approx(7.2 / 12 * 730)
    assert told.total == pytest.approx(7.2)
    assert told.managed_total == pytest.approx(9.2)


@pytest.mark.parametrize("before", [None, totals(100.0, 0.0, 0), totals(0.0, 99.0, 0)])
def test_without_an_earlier_reading_the_workers_there_now_are_projected(before):
    """None yet, one of the same moment, or one of totals that have been set back since."""
    told = cost(2, totals(100.0, 50.0, 7), before, PRICES)
    assert (told.per_month, told.per_1000, told.managed_per_month, told.since_s) == (0.72 * 730, None, None, None)


def test_no_photos_have_no_price_each():
    """An idle fleet costs, but not by the photo."""
    told = cost(1, totals(3600.0, 3600.0, 7), totals(0.0, 0.0, 7), PRICES)
    assert (told.per_1000, told.per_month) == (None, pytest.approx(0.36 * 730))


def test_an_unknown_price_makes_no_amounts_up():
    """What was counted is still told, and what a managed API would have cost."""
    prices = Prices(worker_per_h=None, managed_per_1000=1.0)
    told = cost(1, totals(3600.0, 3600.0, 2000), totals(0.0, 0.0, 1000), prices)
    assert (told.per_h, told.per_1000, told.per_month, told.total) == (None, None, None, None)
    assert (told.worker_s, told.answered, told.managed_total, told.managed_per_month) == (3600, 2000, 2, 730)


@pytest.mark.parametrize(
    ("billing", "after_s"),
    [
        (Billing(minimum_s=30.0), 60.0),
        (Billing(minimum_s=600.0), 600.0),
        (Billing(granularity_s=3600.0), 36_000.0),
        (Billing(granularity_s=86_400.0), 43_200.0),
    ],
)
def test_averages_have_settled_once_what_is_rounded_up_is_little(billing, after_s):
    """Two workers whose hour has just begun are charged for two hours each."""
    assert settled_s(billing) == after_s
    told = cost(2, totals(after_s - 1, 4 * 3600.0, 9), totals(0.0, 0.0, 0), PRICES, settles_s=settled_s(billing))
    assert (told.per_month, told.managed_per_month) == (pytest.approx(2 * PRICES.worker_per_h * 730), None)


def test_the_first_minute_is_no_average():
    """The half minute that is charged for a start would make a month of four; what 1,000 photos took is known."""
    told = cost(1, totals(9.0, 30.0, 100), totals(0.0, 0.0, 0), PRICES)
    assert (told.per_month, told.managed_per_month) == (0.36 * 730, None)
    assert told.per_1000 == pytest.approx(30 / 3600 * 0.36 * 10)
    told = cost(1, totals(60.0, 60.0, 100), totals(0.0, 0.0, 0), PRICES)
    assert told.per_month == pytest.approx(0.36 * 730)
    assert told.managed_per_month == pytest.approx(100 / 1000 * 60 * 730)
