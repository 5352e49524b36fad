"""The bounds of benchmarks/elasticity_chance.py: no rule that knows the laws is cheaper."""

import sys
from pathlib import Path

import numpy as np
import pytest

from facefleet.core.scaling.terms import Billing
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.fleet import World

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
EC2 = World(boot=durations("30-60"), tick_s=5.0, billing=Billing(minimum_s=60.0))


@pytest.fixture
def chance(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import elasticity_chance

    monkeypatch.setattr(elasticity_chance, "_SIGMAS", 0.0)
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


def test_one_worker_ordered_at_the_best_moment_is_no_cheaper_than_the_bound_on_bursts(chance):
    rng, draws, p99_s = np.random.default_rng(3), 20_000, 6.0
    arrivals_s = rng.uniform(570, 630, draws) + np.sort(rng.uniform(0, 2, (100, draws)), axis=0)
    services_s, boots_s = rng.exponential(0.05, (100, draws)), rng.uniform(30, 60, draws)
    costs = []
    for ordered_s in np.arange(512.0, 528.0):
        free_s, late = ordered_s + boots_s, 0.0
        for arrival_s, service_s in zip(arrivals_s, services_s, strict=True):
            begin_s = np.maximum(free_s, arrival_s)
            late += np.mean(begin_s > arrival_s + p99_s) / 100
            free_s = begin_s + service_s
        costs.append(np.maximum(60, free_s - ordered_s).mean() if late <= 0.01 else np.inf)
    bound = chance.bursts(sample(chance, 1200, 7200.0, p99_s=p99_s)) / 12
    assert 0.9 * min(costs) < bound < min(costs)
