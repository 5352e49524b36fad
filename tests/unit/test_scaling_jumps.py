"""A load that jumps: our rule is ready for the next time once it has seen it twice, as long as that may come."""

import re
from dataclasses import replace

import numpy as np
import pytest
from our_rule import BOUNDS, EC2, ours, run, workers

from facefleet.core.fleet import Observation
from facefleet.core.scaling.jumps import Jumps
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


def jumps_to(look):
    """Return the rate that a decision's reason says the load may jump to; 0 if it says nothing."""
    named = re.search(r"it may jump to ([\d.e+]+)/s", look.reason)
    return float(named[1]) if named else 0.0


@pytest.mark.parametrize("slo_s", [2.0, 10.0, 20.0, 30.0])
def test_an_objective_shorter_than_a_boot_is_kept_where_load_jumps(slo_s):
    """By five times, at random about every ten minutes, for a minute and a half."""
    begins_s = np.random.default_rng(7).exponential(600, 11).cumsum().astype(int)
    share, looks = late(jumping(begins_s), Objective(slo_s=slo_s), HOUR_S)
    assert share < 0.01
    assert "(it may jump to 1" in looks[-1].reason or "(it may jump to 9" in looks[-1].reason


@pytest.mark.parametrize("at", [60, 90, 95])
def test_no_more_are_late_than_may_be(at):
    """Of what comes before those ordered for a jump are there, and behind it; together 45 %."""
    share, looks = late(jumping(range(300, 2 * HOUR_S, 600)), Objective(slo_s=2.0, at=at), HOUR_S)
    assert share <= 1 - at / 100
    assert any(jumps_to(look) for look in looks)


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
        (range(300, 2 * HOUR_S, 3500), Objective(slo_s=2.0)),
        (range(300, 2 * HOUR_S, 1800), Objective(slo_s=2.0)),
        (range(300, 2 * HOUR_S, 600), Objective(slo_s=50.0)),
        (range(300, 2 * HOUR_S, 600), Objective(slo_s=2.0, at=50)),
    ],
    ids=["steady", "once", "no more", "hourly", "half-hourly", "a boot fits", "may be late"],
)
def test_nobody_is_kept_for_a_jump_that_is_not_to_come_or_does_not_matter(begins_s, objective):
    _, looks = late(jumping(begins_s), objective, 6000)
    assert not any(jumps_to(look) for look in looks)
    assert min(look.running for look in looks) < 7


@pytest.mark.parametrize("rate_hz", [0.3, 2.0, 12.0])
def test_chance_makes_no_jumps(rate_hz):
    for seed in range(3):
        arrivals = np.sort(np.random.default_rng(seed).uniform(0, 2 * HOUR_S, int(rate_hz * 2 * HOUR_S)))
        _, looks = late(arrivals, Objective(slo_s=2.0), 0.0)
        assert not any(jumps_to(look) for look in looks)


def test_what_nobody_can_be_kept_for_is_no_jump():
    """The usual load takes all who may be there."""
    arrivals = jumping(range(300, 2 * HOUR_S, 600), usual_hz=9.0, risen_hz=30.0)
    result = run(arrivals, 1.0, duration_s=2 * HOUR_S, bounds=replace(BOUNDS, maximum=10))
    assert not any(jumps_to(look) for look in result.looks)


def test_large_jumps_are_forgotten_while_small_ones_go_on():
    large, small = (600, 1200), tuple(range(2400, 3 * HOUR_S, 900))
    arrivals = np.sort(np.concatenate((jumping(large, risen_hz=18.0, hours=3), jumping(small, seed=2, hours=3))))
    looks = run(arrivals, 1.0, duration_s=3 * HOUR_S).looks
    assert max(jumps_to(look) for look in looks if look.at_s < 1.3 * HOUR_S) > 16
    assert max(jumps_to(look) for look in looks if look.at_s > 1.5 * HOUR_S) < 14


@pytest.mark.parametrize("slo_s", [2.0, 20.0])
def test_a_budget_that_pays_for_no_reserve_is_saved_for_the_jump(slo_s):
    """It pays for five workers; the load takes three, and nine for a minute and a half every ten."""
    arrivals = jumping(range(300, 2 * HOUR_S, 600))
    objective = Objective(slo_s=slo_s, budget_per_h=0.5)
    priced = replace(EC2, billing=replace(EC2.billing, price_per_h=0.1))
    result = run(arrivals, 1.0, world=priced, rule=ours(objective, priced), duration_s=2 * HOUR_S, warmup_s=HOUR_S)
    assert not any(jumps_to(look) for look in result.looks)
    assert max(look.running for look in result.looks if look.at_s > HOUR_S) > 6


def test_a_crowd_that_comes_at_once_gets_no_more_than_begin_it_in_time():
    """A hundred within two seconds take five workers twenty seconds."""
    crowds = [begin_s + 2 * np.random.default_rng(begin_s).random(100) for begin_s in range(300, 2 * HOUR_S, 600)]
    arrivals = np.sort(np.concatenate((jumping([], usual_hz=1.0), *crowds)))
    share, looks = late(arrivals, Objective(slo_s=20.0), HOUR_S)
    assert share < 0.01
    assert np.mean([look.running for look in looks]) < 9


def test_of_work_longer_than_a_boot_nobody_begins_a_second_request_in_time():
    begins_s = range(900, 2 * HOUR_S, 900)
    arrivals = jumping(begins_s, usual_hz=0.05, risen_hz=0.5, length_s=60)
    kwargs = {"duration_s": 2 * HOUR_S, "warmup_s": HOUR_S, "bounds": replace(BOUNDS, maximum=100)}
    result = run(arrivals, 120.0, rule=ours(Objective(slo_s=20.0), EC2), **kwargs)
    assert np.mean(result.waits_s > 20.0) < 0.15


@pytest.mark.parametrize("late_s", [3.5, 20.0, 59.0])
@pytest.mark.parametrize("slo_s", [1.9, 2.0, 2.5, 3.0])
def test_a_late_look_once_jumps_are_known_is_no_accident(slo_s, late_s):
    """Its time to the look before is not the one by which the time is reckoned in which no order helps."""
    objective, bounds = Objective(slo_s=slo_s), replace(BOUNDS, maximum=50)
    rule, seen = ours(objective), Observation(now_s=0.0, boot_s=0.7, visible=0, in_flight=0)
    memory, total = rule.begin(), 0
    for now_s in range(0, 1500, 10):
        total += 200 if now_s in (500, 1000) else 10
        seen = replace(
            seen, now_s=float(now_s), enqueued_total=total, finished_total=total, busy_ms_total=280.0 * total
        )
        memory = rule.learn(seen, bounds, memory)
    for step in range(1, 20):
        total += 1
        seen = replace(
            seen, now_s=1490.0 + step, enqueued_total=total, finished_total=total, busy_ms_total=280.0 * total
        )
        _, memory = rule.decide(seen, bounds, memory)
    late_look = replace(seen, now_s=seen.now_s + late_s, in_flight=3, enqueued_total=total + 3)
    decision, _ = rule.decide(late_look, bounds, memory)
    assert decision.start <= 6


def test_a_look_after_a_late_one_orders_nobody_for_it():
    arrivals = jumping(range(300, HOUR_S, 600), hours=1)
    rule, kept = ours(Objective(slo_s=20.0), EC2), []

    class Watched:
        name = "watched"
        begin = rule.begin

        def decide(self, seen, bounds, memory):
            decision, after = rule.decide(seen, bounds, memory)
            kept.append((seen, memory))
            return decision, after

    run(arrivals, 1.0, rule=Watched(), duration_s=HOUR_S)
    seen, memory = kept[-20]
    _, memory = rule.decide(seen, BOUNDS, memory)
    for late_s in (60.0, 65.0):
        later = replace(seen, now_s=seen.now_s + late_s, enqueued_total=seen.enqueued_total + int(2 * late_s))
        later = replace(later, finished_total=seen.finished_total + int(2 * late_s))
        decision, memory = rule.decide(later, BOUNDS, memory)
        assert decision.start == 0


def test_totals_that_are_back_after_a_look_or_two_at_nothing_are_no_jump():
    rule, memory, total = ours(), ours().begin(), 5000
    for now_s in range(0, 1200, 5):
        total += 5
        shown = 0 if now_s in (400, 405, 900) else total
        seen = Observation(
            now_s=float(now_s),
            boot_s=45.0,
            workers=workers(3, busy=1, now_s=0.0),
            visible=0,
            in_flight=1,
            enqueued_total=shown,
            finished_total=max(0, shown - 1),
            busy_ms_total=1000.0 * shown,
        )
        decision, memory = rule.decide(seen, BOUNDS, memory)
        assert decision.start < 5
    assert all(jump.rate_hz < 2 for jump in memory.jumps.jumps)


def learned(*jumps, total=100_000, clear_s=1.0, most_hz=1000.0):
    """Return the level known after looks every 5 s, of (seconds, rate, requests) each, beside a settled load of 1/s."""
    known, before = Jumps(), 0
    for now_s in range(0, 3600, 5):
        rate_hz, came = next(((rate, came) for at_s, rate, came in jumps if at_s == now_s), (1.0, 5))
        known = known.add(
            float(now_s),
            before,
            before + came,
            rate_hz=rate_hz,
            reckoned_hz=1.0,
            kept_hz=3.0,
            tick_s=5.0,
            horizon_s=50.0,
            most_hz=most_hz,
            slo_s=2.0,
        )
        before += came
    return known.heights_hz(3600.0, total, 0.01, clear_s)[0]


def test_it_is_ready_for_the_height_above_which_few_enough_requests_came():
    """The highest is left out; of the other 100,000 requests 1,000 may be late."""
    assert learned((1000, 9.0, 800)) == 0.0
    assert learned((1000, 9.0, 800), (2000, 8.0, 800)) == 0.0
    assert learned((1000, 9.0, 800), (2000, 8.0, 1100)) == 8.0
    assert learned((1000, 9.0, 800), (2300, 8.0, 1100)) == 0.0  # too far apart
    assert learned((1000, 9.0, 800), (2000, 8.0, 800), (2500, 7.0, 800)) == 7.0
    assert learned((1000, 9.0, 800), (2000, 8.0, 800), (2030, 6.0, 800)) == pytest.approx(7.0)
    assert learned((1000, 9.0, 1100), (2000, 2.9, 1100)) == 0.0
    assert learned((1000, 9.0, 1100), (2000, 8.0, 1100), clear_s=220.0) == 5.0


def test_who_waits_behind_those_of_a_jump_is_late_as_well():
    """The whole fleet begins ten in a look at which five come, so a hundred that wait make a hundred others late."""
    jumps = (1000, 9.0, 800), (2000, 8.0, 115)
    assert learned(*jumps, total=22_400, most_hz=2.0) == 8.0
    assert learned(*jumps, total=22_600, most_hz=2.0) == 0.0
    assert learned(*jumps, total=12_600) == 0.0  # a fleet that is soon done with them


def test_what_is_begun_faster_than_it_comes_is_no_credit_and_a_late_look_makes_nobody_late():
    looked = {"reckoned_hz": 1.0, "kept_hz": 3.0, "tick_s": 5.0, "horizon_s": 50.0, "most_hz": 2.0, "slo_s": 2.0}
    known = Jumps().add(0.0, 0, 5, rate_hz=1.0, **looked)
    for now_s in range(5, 50, 5):  # the rate falls more slowly than what comes
        known = known.add(float(now_s), 5, 6, rate_hz=9.0, **looked)
    assert known.waiting == 0
    known = known.add(50.0, 100, 300, rate_hz=9.0, **looked)
    assert known.waiting == 185
    late_look = known.add(650.0, 300, 3300, rate_hz=1.0, **looked)
    assert late_look.jumps == known.jumps
    assert late_look.waiting == 0


def test_a_look_that_comes_too_late_tells_of_no_jump():
    """Nobody knows when those came of whom it tells."""
    looked = {"rate_hz": 20.0, "reckoned_hz": 1.0, "kept_hz": 3.0, "tick_s": 59.0, "horizon_s": 60.0}
    looked |= {"most_hz": 100.0, "slo_s": 2.0}
    known = Jumps().add(0.0, 0, 5, **{**looked, "rate_hz": 1.0})
    assert not known.add(61.0, 5, 1205, **looked).jumps
    assert known.add(59.0, 5, 1205, **looked).jumps


def test_jumps_on_top_of_a_load_that_fades_are_prepared_for_on_top_of_what_is_left():
    """Eight a second more at times, first of six and then of one."""
    arrivals = np.sort(
        np.concatenate(
            (
                jumping(range(300, HOUR_S, 600), usual_hz=6.0, risen_hz=14.0, hours=1),
                HOUR_S + jumping([], usual_hz=1.0, hours=1, seed=2),
            )
        )
    )
    looks = run(arrivals, 1.0, duration_s=2 * HOUR_S).looks
    before, after = ([jumps_to(look) for look in looks if 0 < look.at_s - at_s < 1000] for at_s in (2600, 4200))
    assert max(before) == pytest.approx(14, rel=0.15)
    assert max(after) == pytest.approx(9, rel=0.15)


def test_jumps_of_a_clock_set_back_are_forgotten():
    known, looked = Jumps(), {"reckoned_hz": 1.0, "kept_hz": 3.0, "tick_s": 50.0, "horizon_s": 60.0}
    looked |= {"most_hz": 100.0, "slo_s": 2.0}
    for now_s in (1000.0, 1200.0):
        known = known.add(now_s - 50, 0, 5, rate_hz=1.0, **looked)
        known = known.add(now_s, 5, 105, rate_hz=20.0, **looked)
    assert known.heights_hz(1200.0, 300, 0.01, 1.0) == (20.0, 19.0)
    assert known.heights_hz(1200.0, 300, 0.01, 0.0) == (20.0, 19.0)
    known = known.add(500.0, 200, 205, rate_hz=1.0, **looked)
    assert not known.jumps
