"""A load that jumps: our rule is ready for the next time once it has seen it twice, as long as that may come."""

from dataclasses import replace

import numpy as np
import pytest
from our_rule import BOUNDS, EC2, ours, run

from facefleet.core.scaling.rises import Rises
from facefleet.core.scaling.terms import Objective

HOUR_S = 3600


def jumping(begins_s, *, usual_hz=2.0, risen_hz=10.0, length_s=90, hours=2, seed=1):
    """Return Poisson arrivals at one rate, and at another for a while from these moments on."""
    rates_hz = np.full(hours * HOUR_S, usual_hz)
    for begin_s in begins_s:
        rates_hz[begin_s : begin_s + length_s] = risen_hz
    rng = np.random.default_rng(seed)
    seconds = np.repeat(np.arange(rates_hz.size), rng.poisson(rates_hz))
    return np.sort(seconds + rng.random(seconds.size))


def late(arrivals, objective, since_s, **kwargs):
    """Return which share of the later requests waits too long, and what the later looks saw and decided."""
    result = run(arrivals, 1.0, rule=ours(objective, EC2), duration_s=2 * HOUR_S, warmup_s=since_s, **kwargs)
    return np.mean(result.waits_s > objective.slo_s), [look for look in result.looks if look.at_s >= since_s]


@pytest.mark.parametrize("slo_s", [2.0, 10.0, 20.0, 30.0])
def test_an_objective_shorter_than_a_boot_is_kept_where_load_jumps(slo_s):
    """By five times, at random about every ten minutes, for a minute and a half."""
    begins_s = np.random.default_rng(7).exponential(600, 11).cumsum().astype(int)
    share, looks = late(jumping(begins_s), Objective(slo_s=slo_s), HOUR_S)
    assert share < 0.01
    assert "(it may rise to 1" in looks[-1].reason or "(it may rise to 9" in looks[-1].reason


def test_the_longer_the_objective_the_fewer_are_kept_for_it():
    arrivals = jumping(range(300, 2 * HOUR_S, 600))
    kept = [min(look.running for look in late(arrivals, Objective(slo_s=slo_s), HOUR_S)[1]) for slo_s in (2, 20, 35)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > 10 > kept[1] > kept[2]


@pytest.mark.parametrize(
    ("begins_s", "objective"),
    [
        ([], Objective(slo_s=2.0)),
        ([1000], Objective(slo_s=2.0)),
        ([300, 2000], Objective(slo_s=2.0)),
        (range(300, 2 * HOUR_S, 4000), Objective(slo_s=2.0)),
        (range(300, 2 * HOUR_S, 600), Objective(slo_s=50.0)),
        (range(300, 2 * HOUR_S, 600), Objective(slo_s=2.0, at=60)),
    ],
    ids=["steady", "once", "no more", "seldom", "a boot fits", "may be late"],
)
def test_nobody_is_kept_for_a_rise_that_is_not_to_come_or_does_not_matter(begins_s, objective):
    _, looks = late(jumping(begins_s), objective, 6000)
    assert not any("may rise" in look.reason for look in looks)
    assert min(look.running for look in looks) < 7


@pytest.mark.parametrize("rate_hz", [0.3, 2.0, 12.0])
def test_chance_makes_no_rises(rate_hz):
    for seed in range(3):
        arrivals = np.sort(np.random.default_rng(seed).uniform(0, 2 * HOUR_S, int(rate_hz * 2 * HOUR_S)))
        _, looks = late(arrivals, Objective(slo_s=2.0), 0.0)
        assert not any("may rise" in look.reason for look in looks)


def test_what_nobody_can_be_kept_for_is_no_rise():
    """The usual load takes all who may be there."""
    arrivals = jumping(range(300, 2 * HOUR_S, 600), usual_hz=9.0, risen_hz=30.0)
    result = run(arrivals, 1.0, duration_s=2 * HOUR_S, bounds=replace(BOUNDS, maximum=10))
    assert not any("may rise" in look.reason for look in result.looks)


def learned(*rises, total=100_000):
    """Return what is known after looks every 5 s, of (seconds, rate, requests) each, beside a settled load of 1/s."""
    known, before = Rises(), 0
    for now_s in range(0, 3600, 5):
        rate_hz, came = next(((rate, came) for at_s, rate, came in rises if at_s == now_s), (1.0, 5))
        known = known.add(
            float(now_s), before, before + came, rate_hz=rate_hz, reckoned_hz=1.0, kept_hz=3.0, horizon_s=50.0
        )
        before += came
    return known.risen_hz(1.0, total, 0.01)


def test_it_is_ready_for_the_height_above_which_few_enough_requests_came():
    """The highest does not count; of 100,000 requests 1,000 may be late."""
    assert learned((1000, 9.0, 800)) == 1.0
    assert learned((1000, 9.0, 800), (2000, 8.0, 800)) == 1.0
    assert learned((1000, 9.0, 800), (2000, 8.0, 1100)) == 8.0
    assert learned((1000, 9.0, 800), (2000, 8.0, 800), (2500, 7.0, 800)) == 7.0
    assert learned((1000, 9.0, 800), (2000, 8.0, 800), (2030, 6.0, 800)) == pytest.approx(7.0)
    assert learned((1000, 9.0, 1100), (2000, 2.9, 1100)) == 1.0


def test_rises_of_a_clock_set_back_are_forgotten():
    known = Rises()
    for now_s in (1000.0, 1200.0):
        known = known.add(now_s - 50, 0, 5, rate_hz=1.0, reckoned_hz=1.0, kept_hz=3.0, horizon_s=60.0)
        known = known.add(now_s, 5, 105, rate_hz=20.0, reckoned_hz=1.0, kept_hz=3.0, horizon_s=60.0)
    assert known.risen_hz(1.0, 300, 0.01) == 20.0
    known = known.add(500.0, 200, 205, rate_hz=1.0, reckoned_hz=1.0, kept_hz=3.0, horizon_s=60.0)
    assert known.risen_hz(1.0, 300, 0.01) == 1.0
