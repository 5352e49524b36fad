"""What our rule learns about service times, and what it makes of how they vary."""

import numpy as np
import pytest
from our_rule import BOUNDS, EC2, ours, run

from facefleet.core.scaling.service import Service
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, synthetic

CLOUD = World(boot=durations("15-25"), stop_s=5.0, tick_s=3.0, billing=Billing(minimum_s=30.0))


def learned(services_s, batch):
    """Return what is learned from service times, on average so many at a look."""
    service, rng, at = Service(), np.random.default_rng(8), 0
    while at < len(services_s):
        count = int(rng.poisson(batch))
        done = services_s[at : at + count]
        service, at = service.add(len(done), float(np.sum(done))), at + count
    return service


@pytest.mark.parametrize("batch", [1, 20])
@pytest.mark.parametrize(
    ("spec", "scv"), [("3", 0.0), ("lognormal:3:0.5", 0.25), ("exp:3", 1.0), ("lognormal:3:1.5", 2.25)]
)
def test_it_learns_how_much_service_times_vary_from_nothing_but_totals(spec, scv, batch):
    """Whether a look shows one request or twenty."""
    times = durations(spec).draw(np.random.default_rng(5), 1500 * batch)
    service = learned(times, batch)
    assert service.mean_s == pytest.approx(3.0, rel=0.15)
    assert service.scv == pytest.approx(scv, rel=0.35, abs=0.05)


def test_what_many_requests_have_in_common_is_not_taken_for_how_they_vary():
    """A thousand a look, all longer or shorter than at the look before: the mean follows, no more is learned."""
    service = Service()
    for look in range(500):
        service = service.add(1000, 50.0 if look % 2 else 60.0)
    assert service.mean_s == pytest.approx(0.05)
    assert service.scv == 1.0


def test_the_mean_that_each_look_is_set_against_stands_for_more_requests_than_the_last_thousand():
    """Older ones fade, they do not end: of a fiftieth more than the mean, two thousand less fifty vary 0.0195."""
    service = Service(mean_s=1.0, measured=1000, looks=1000, scv=0.0).add(50, 51.0)
    assert service.scv == pytest.approx(0.02**2 / (1 / 50 + 1 / 1950) / 1000)


def test_before_anything_is_timed_service_times_count_as_exponential():
    service = Service()
    assert (service.mean_s, service.variability) == (None, 1.0)
    assert service.add(0, 0.0) == service.add(3, 0.0) == service
    assert service.add(4, 8.0).mean_s == 2.0
    assert service.add(4, 8.0).variability == 1.0


def test_nothing_is_taken_for_certain_and_long_requests_are_allowed_for_with_measure():
    assert Service(scv=0.0).variability == 0.5
    assert Service(scv=0.7).variability == 0.7
    assert Service(scv=4.0).variability == 2.0


def test_work_that_takes_a_hundred_times_as_long_from_one_day_to_the_next_is_not_taken_for_varied_for_ever():
    """Even at its worst it counts as little more than exponential with some long ones."""
    service, worst = learned(np.full(5000, 0.05), 10), 0.0
    for _ in range(3000):
        service = service.add(10, 50.0)
        worst = max(worst, service.variability)
    assert service.mean_s == pytest.approx(5.0, rel=0.01)
    assert worst < 3
    assert service.variability < 1


@pytest.mark.parametrize("spec", ["3", "lognormal:3:0.5", "exp:3", "lognormal:3:2"])
def test_an_objective_means_as_much_whatever_the_work_is_like(spec):
    """Two seconds for 99 %. Regular work takes fewer workers; taken for exponential, 1.7 % of varied work is late."""
    late, paid_s = kept(spec)
    assert late < 0.01
    if spec == "3":
        assert paid_s < 0.96 * kept("exp:3")[1]


def kept(spec):
    """Return the share that waits longer than 2 s, and what the workers cost, of ten workers' worth."""
    rule, waits_s, paid_s = ours(Objective(slo_s=2.0), CLOUD), [], 0.0
    for seed in (31, 32, 33):
        load = synthetic("steady", Shape(rate_hz=10 / 3, duration_s=3600), seed)
        services = durations(spec).draw(np.random.default_rng([seed, 1]), load.arrivals_s.size)
        result = simulate(load, services, rule, bounds=BOUNDS, world=CLOUD, seed=seed, warmup_s=300)
        waits_s.append(result.waits_s)
        paid_s += result.billed_s
    return np.mean(np.concatenate(waits_s) > 2.0), paid_s


@pytest.mark.parametrize(("before_s", "after_s"), [(2.0, 10.0), (2.0, 6.0), (6.0, 1.0)])
@pytest.mark.parametrize("batch", [0.5, 5, 100])
def test_a_change_of_what_a_request_takes_is_noticed_within_some_dozens(before_s, after_s, batch):
    """Another model, or a neighbour on the machine: a mean of a thousand would take an hour of a small load."""
    rng = np.random.default_rng(4)
    times = np.concatenate(
        (rng.exponential(before_s, int(3000 + 10 * batch)), rng.exponential(after_s, max(100, 3 * batch)))
    )
    assert learned(times, batch).mean_s == pytest.approx(after_s, rel=0.35)


@pytest.mark.parametrize("spec", ["3", "exp:3", "lognormal:3:2", "lognormal:3:4"])
@pytest.mark.parametrize("batch", [0.3, 5])
def test_chance_is_no_change(spec, batch):
    times = durations(spec).draw(np.random.default_rng(6), 10_000)
    assert learned(times, batch).measured == 1000


def test_one_request_that_takes_very_long_is_no_change():
    rng = np.random.default_rng(9)
    service = learned(rng.exponential(1.0, 2000), 2)
    for _ in range(20):
        service = service.add(2, float(rng.exponential(1.0, 2).sum()))
    assert service.add(1, 500.0).measured == 1000


def test_the_objective_is_kept_soon_after_work_has_come_to_take_five_times_as_long():
    """From the second half hour on; by a mean of the last thousand it was an hour and a half."""
    rng = np.random.default_rng(1)
    arrivals = np.sort(rng.uniform(0, 6 * 3600, 4320))
    services = rng.exponential(2.0, arrivals.size)
    services[arrivals >= 3 * 3600] *= 5
    result = run(arrivals, services, rule=ours(Objective(slo_s=75.0), EC2), duration_s=6 * 3600, warmup_s=3.5 * 3600)
    assert np.mean(result.waits_s > 75.0) < 0.01
