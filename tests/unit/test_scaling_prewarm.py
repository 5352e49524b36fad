"""Plans for the return of work: in time, no dearer than needed, and none where the past is no guide."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefleet.core.fleet import Bounds
from facefleet.core.scaling import policy
from facefleet.core.scaling.idle import latest
from facefleet.core.scaling.prewarm import Prewarm, prewarm
from facefleet.core.scaling.rehearsal import Means, _shortfall, stretched
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, Workload, synthetic

EC2 = Means(
    boots_s=(34.0, 41.0, 49.0, 56.0),
    tick_s=5.0,
    service_s=1.0,
    slo_s=2.0,
    late_share=0.01,
    minimum_s=60.0,
    first=1,
    cold=1.0,
    slots=19,
    sigmas=2.33,
)
HOURS = Shape(rate_hz=1.0, duration_s=7 * 3600.0)


def bursts(count=24, size=100.0, seed=0):
    """Idle times of ten minutes, give or take half a minute."""
    return tuple((float(gap_s), size) for gap_s in np.random.default_rng(seed).uniform(570, 630, count))


def run(name, *, objective, world, service="exp:1"):
    workload = synthetic(name, HOURS, 1)
    services_s = durations(service).draw(np.random.default_rng(3), workload.arrivals_s.size)
    rule = policy("facefleet", objective=objective, billing=world.billing)
    bounds = Bounds(minimum=0, maximum=19)
    return simulate(workload, services_s, rule, bounds=bounds, world=world, seed=1, warmup_s=3600.0)


CLOUD = World(boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(price_per_h=0.1, minimum_s=60.0))
LOCAL = World(boot=durations("1"), stop_s=1.0, tick_s=1.0, billing=Billing())


def test_one_worker_is_back_before_even_a_slow_boot_would_make_it_late():
    """A request every ten minutes, give or take half a minute: it comes after 570 s at the earliest."""
    plan = prewarm(bursts(size=1.0), EC2)
    assert plan.slots == 1
    assert 570 - 56 - 15 <= plan.after_s <= 570 + 2 - 41
    assert plan.until_s > 630


def test_no_more_are_back_than_the_burst_needs_in_its_time():
    """A hundred requests of a second, of which each worker begins sixty-one within a minute."""
    assert prewarm(bursts(), EC2).slots >= 14
    assert 2 <= prewarm(bursts(), replace(EC2, slo_s=60.0)).slots <= 4


def test_where_a_boot_fits_it_is_ordered_ahead_if_that_is_surely_cheaper():
    """Ready when the burst comes, two workers have 75 s for it; ordered then, ten have as little as fifteen."""
    fits = replace(EC2, slo_s=75.0, cold=0.0)
    plan = prewarm(bursts(), fits)
    assert 1 <= plan.slots <= 3
    assert 510 <= plan.after_s <= 620
    assert prewarm(bursts(size=1.0), fits) == Prewarm()  # one worker, now or then: nothing is gained


def test_where_the_fastest_of_two_boots_is_in_time_nobody_is_kept_for_one_that_may_come_at_any_time():
    """With one boot a tenth of first requests would be late: somebody must be there."""
    gaps = tuple((45.0 + float(gap_s), 1.0) for gap_s in np.random.default_rng(1).exponential(90, 24))
    one = replace(EC2, slo_s=60.0, boots_s=(34.0, 41.0, 49.0, 59.0), cold=0.1)
    assert prewarm(gaps, one).slots == 1
    assert prewarm(gaps, replace(one, first=2, cold=0.005)) == Prewarm()


def test_that_two_boots_race_makes_no_burst_of_a_hundred_wait():
    """Of a hundred at once the first boots of a few begin a few."""
    raced = replace(EC2, slo_s=60.0, first=2, cold=0.005)
    gaps = tuple((45.0 + float(gap_s), 100.0) for gap_s in np.random.default_rng(1).exponential(600, 24))
    assert prewarm(gaps, raced).slots > 1


def test_where_a_boot_fits_and_nothing_is_regular_nobody_is_ordered_ahead():
    """Idle times of any length: whoever waits for the next burst mostly waits in vain."""
    gaps = tuple((float(gap_s), 20.0) for gap_s in np.random.default_rng(2).exponential(900, 24) + 45)
    assert prewarm(gaps, replace(EC2, slo_s=75.0, cold=0.0)) == Prewarm()


def test_idle_times_that_hardly_differ_may_drift_by_two_per_cent():
    """Ten of ten minutes: ordered as if the next were twelve seconds shorter."""
    even = prewarm(((600.0, 1.0),) * 10, EC2)
    assert even.after_s <= 600 - 12 + 2 - 41
    assert even.until_s >= 600 * 1.02


def test_the_more_may_be_late_the_sooner_it_gives_up():
    """Idle times without a pattern, some of them long."""
    gaps = tuple((float(gap_s), 1.0) for gap_s in np.random.default_rng(1).exponential(300, 24) + 45)
    strict, lax = prewarm(gaps, EC2), prewarm(gaps, replace(EC2, late_share=0.3))
    assert strict.after_s == 0
    assert strict.until_s > max(gap_s for gap_s, _ in gaps)
    assert lax.until_s < strict.until_s or lax.after_s > 0


def test_slots_are_wanted_from_then_until_then():
    """Both ends included."""
    plan = Prewarm(after_s=10.0, until_s=20.0, slots=3)
    assert [plan.wanted(quiet_s) for quiet_s in (9.0, 10.0, 20.0, 21.0)] == [0, 3, 3, 0]


def test_the_next_idle_time_is_seldom_outside_of_those_drawn_out():
    """Of two thousand samples of ten from a uniform law, the range drawn out is the law's on average."""
    draws = np.random.default_rng(0).uniform(570, 630, (2000, 10))
    drawn = np.array([stretched(sample) for sample in draws])
    assert drawn.min(axis=1).mean() == pytest.approx(570, abs=0.5)
    assert drawn.max(axis=1).mean() == pytest.approx(630, abs=0.5)


@pytest.mark.parametrize("mean", [2.0, 20.0, 100.0])
@pytest.mark.parametrize("part", [0.7, 1.0, 1.2])
def test_the_shortfall_is_near_that_of_poisson_s_law(mean, part):
    """Within a twentieth of its standard deviation."""
    wanted = round(part * mean)
    drawn = np.random.default_rng(0).poisson(mean, 200_000)
    exact = np.maximum(0, wanted - drawn).mean()
    assert _shortfall(np.array(float(wanted)), np.array(mean)) == pytest.approx(exact, abs=0.05 * np.sqrt(mean))


def test_nothing_that_is_finished_leaves_all_missing_and_nothing_wanted_none():
    """The ends of the range."""
    wanted, finished = np.array([3.0, 0.0, -2.0]), np.array([0.0, 5.0, 0.0])
    assert _shortfall(wanted, finished).tolist() == [3.0, 0.0, 0.0]


@given(
    gaps=st.lists(st.tuples(st.floats(0, 1e6), st.floats(1, 1e5)), min_size=4, max_size=24).map(tuple),
    slo_s=st.floats(0.01, 1e4),
    service_s=st.floats(1e-3, 1e3),
    late_share=st.floats(1e-5, 0.5),
    slots=st.integers(0, 2000),
    fits=st.booleans(),
)
def test_any_past_gives_a_plan_within_the_fleet(gaps, slo_s, service_s, late_share, slots, fits):
    """Whatever was seen."""
    means = replace(
        EC2,
        slo_s=slo_s,
        service_s=service_s,
        late_share=late_share,
        slots=slots,
        cold=0.0 if fits else 1.0,
        minimum_s=0.0,
    )
    plan = prewarm(gaps, means)
    assert 0 <= plan.slots <= max(1, slots)
    assert plan.after_s >= 0
    assert np.isfinite([plan.after_s, plan.until_s]).all()
    assert plan.until_s <= max(latest(gaps, 100 * (1 - 0.2 * late_share)), 1.2 * max(gap_s for gap_s, _ in gaps) + 1)


@pytest.mark.parametrize(("slo_s", "world"), [(1.5, LOCAL), (1.9, LOCAL), (2.0, CLOUD), (40.0, CLOUD), (55.0, CLOUD)])
def test_a_trickle_keeps_an_objective_just_below_a_boot(slo_s, world):
    """Of some 240 requests that nothing foretells, no more than allowed wait longer, give or take chance."""
    result = run("trickle", objective=Objective(slo_s=slo_s), world=world)
    assert np.mean(result.waits_s > slo_s) <= 0.02


def test_bursts_keep_an_objective_that_a_few_back_in_time_can_keep():
    """A hundred requests within a minute, every ten minutes: as good as nobody late, for a quarter of the boots."""
    result = run("bursts", objective=Objective(slo_s=60.0), world=CLOUD)
    assert np.mean(result.waits_s > 60.0) <= 0.01
    assert result.billed_s / (result.waits_s.size / 100) < 450  # those ordered when it comes, ten or more: 600 at least


def test_one_weekend_among_idle_times_of_minutes_makes_nobody_wait_for_what_comes_every_ten():
    """Twenty-three idle times of ten minutes, and one of two days."""
    plan = prewarm((*((600.0, 1.0),) * 23, (172_800.0, 1.0)), EC2)
    assert plan.slots == 1
    assert 500 < plan.after_s < 570


@pytest.mark.parametrize("capacity", [1, 4, 8])
def test_a_request_at_regular_times_finds_a_worker_that_is_there_for_it_alone(capacity):
    """Every ten minutes, within 2 s, for less than two boots each; and a slot needs a worker, however many it has."""
    world = replace(CLOUD, capacity=capacity)
    arrivals_s = np.arange(1, 30) * 600.0
    workload = Workload(name="cron", arrivals_s=arrivals_s, duration_s=18_000.0)
    rule = policy("facefleet", objective=Objective(), billing=world.billing)
    result = simulate(
        workload, np.ones(29), rule, bounds=Bounds(minimum=0, maximum=19), world=world, seed=1, warmup_s=3600.0
    )
    assert np.mean(result.waits_s > 2.0) <= 0.01
    assert result.billed_s / result.waits_s.size < 90.0
