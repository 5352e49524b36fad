"""The bounds of benchmarks/elasticity_chance.py: no rule that knows the laws is cheaper."""

import sys
from pathlib import Path

import numpy as np
import pytest

from facefleet.core.fleet import Bounds
from facefleet.core.scaling.terms import Billing
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, synthetic

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
EC2 = World(boot=durations("30-60"), tick_s=5.0, billing=Billing(minimum_s=60.0))


@pytest.fixture
def chance(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import elasticity_chance

    yield elasticity_chance
    sys.modules.pop("elasticity_chance", None)


def sample(chance, requests, span_s, *, service="exp:0.05", p99_s=0.0, world=EC2):
    work = durations(service)
    return chance.Sample(
        requests=requests,
        work_s=requests * work.mean_s,
        span_s=span_s,
        service=work,
        world=world,
        maximum=19,
        p99_s=p99_s,
    )


def test_nobody_knows_when_a_single_request_comes(chance):
    processes = World(boot=durations("1"))
    assert chance.single(sample(chance, 1, 3600.0, world=processes)) == pytest.approx(60.05)
    assert chance.single(sample(chance, 1, 3600.0, world=processes, p99_s=1.0)) == pytest.approx(1.05)


@pytest.mark.parametrize(("service", "workers"), [("exp:0.05", 1), ("exp:5", 2)])
def test_a_trickle_needs_no_more_than_a_fixed_fleet_but_nearly(chance, service, workers):
    bound = chance.trickle(sample(chance, 80, 7200.0, service=service))
    assert 0.85 * workers * 7200 < bound < workers * 7200


@pytest.mark.parametrize(
    ("before", "ordered_s", "after", "service", "nearly"),
    [
        (1, 516.0, 0, "exp:0.05", 0.85),
        (16, 520.0, 0, "exp:1", 0.6),
        (0, 600.0, 4, "exp:1", 0.6),
        (0, 600.0, 8, "exp:5", 0.6),
        (4, 525.0, 4, "exp:5", 0.6),
    ],
)
def test_no_order_before_a_burst_or_after_is_cheaper_than_the_bound(chance, before, ordered_s, after, service, nearly):
    """Orders go out then, or at the look after the burst began; all are kept until the work is done."""
    rng, draws = np.random.default_rng(3), 4000
    begins_s = rng.uniform(570, 630, draws)
    arrivals_s = begins_s[:, None] + np.sort(rng.uniform(0, 2, (draws, 100)), axis=1)
    services_s = durations(service).draw(rng, draws * 100).reshape(draws, 100)
    looks_s = (begins_s + rng.uniform(0, EC2.tick_s, draws))[:, None]
    orders_s = np.hstack((np.minimum(ordered_s, np.repeat(looks_s, before, 1)), np.repeat(looks_s, after, 1)))
    free_s = orders_s + rng.uniform(30, 60, orders_s.shape)
    waits_s, every = np.empty((draws, 100)), np.arange(draws)
    for number in range(100):
        first = free_s.argmin(axis=1)
        begin_s = np.maximum(free_s[every, first], arrivals_s[:, number])
        waits_s[:, number] = begin_s - arrivals_s[:, number]
        free_s[every, first] = begin_s + services_s[:, number]
    cost = np.maximum(60.0, free_s - orders_s).sum(axis=1).mean()
    p99_s = float(np.percentile(waits_s, 99))
    bound = chance.bursts(sample(chance, 1200, 7200.0, service=service, p99_s=p99_s)) / 12
    assert nearly * cost < bound < cost


@pytest.fixture
def known_law(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import elasticity_known_law

    yield elasticity_known_law
    sys.modules.pop("elasticity_known_law", None)


def a_day_of_bursts(service="exp:0.05"):
    shape = Shape(rate_hz=1.0, duration_s=25 * 3600.0)
    return Experiment(
        workload=lambda seed: synthetic("bursts", shape, seed),
        service=durations(service),
        world=EC2,
        bounds=Bounds(minimum=0, maximum=19),
        warmup_s=3600.0,
    )


def test_who_knows_the_law_of_the_bursts_pays_no_less_than_the_bound(chance, known_law):
    """And less than somebody who waits for longer than the law asks for."""
    cell = a_day_of_bursts()
    billed_s = known_law.known_law(cell, 3.5, seed=1)
    bursts = round(cell.workload(1).arrivals_s.size / 100) - 6
    assert chance.bursts(sample(chance, 100 * bursts, bursts * 600.0, p99_s=3.5)) < billed_s
    assert billed_s < bursts * (45 + 75 + 15)


def test_a_percentile_that_no_single_order_keeps_has_no_price(known_law):
    """A hundred requests of five seconds, nineteen at a time, take more than twenty."""
    assert known_law.known_law(a_day_of_bursts("5"), 2.0, seed=1) == float("inf")
