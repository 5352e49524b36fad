"""The bounds and references of benchmarks/elasticity_*.py: no rule that knows the laws is cheaper than the bound."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from facefleet.core.fleet import Bounds
from facefleet.core.scaling.moves import move_to
from facefleet.core.scaling.terms import Billing
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, Workload, synthetic

EC2 = World(boot=durations("30-60"), tick_s=5.0, billing=Billing(minimum_s=60.0))


@pytest.fixture
def chance(benchmark_module):
    return benchmark_module("elasticity_chance")


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
        (16, 520.0, 0, "exp:1", 0.75),
        (2, 520.0, 0, "exp:0.05", 0.8),
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


def cell(name, service="exp:0.05", *, hours=1.0, rate_hz=1.0, warmup_s=0.0, maximum=19):
    shape = Shape(rate_hz=rate_hz, duration_s=hours * 3600)
    return Experiment(
        workload=lambda seed: synthetic(name, shape, seed),
        service=durations(service),
        world=EC2,
        bounds=Bounds(minimum=0, maximum=maximum),
        warmup_s=warmup_s,
    )


@dataclass(frozen=True)
class Clock:
    """The rule that `Appointments` plays, as a controller would run it; its memory: when a burst began, and its end."""

    numbers: tuple[int, ...]
    name: str = "clock"

    def begin(self):
        return 0.0, 0

    def decide(self, seen, bounds, memory):
        workers, timed, first, looks, later = self.numbers
        since_s, total = memory
        if seen.enqueued_total > total:
            since_s, total = seen.now_s, 100 * -(-seen.enqueued_total // 100)
        passed = round((seen.now_s - since_s) / EC2.tick_s)
        if seen.visible > 0 or seen.enqueued_total < total:
            want = workers
        elif passed >= looks:
            want = min(workers, max(first, timed) if passed >= looks + later else min(first, timed))
        else:
            want = 0
        return move_to(want, seen, bounds, "clock"), (since_s, total)


@pytest.mark.parametrize("numbers", [(12, 12, 12, 103, 0), (10, 6, 4, 103, 3), (5, 0, 0, 103, 0)])
def test_bursts_played_at_once_come_to_what_the_simulator_says(benchmark_module, numbers):
    """Orders by the clock, in two parts, and at sight."""
    appointments = benchmark_module("elasticity_appointments").Appointments
    days = cell("bursts", "exp:1", hours=30)
    workload, services_s = days.draw(1)
    run = simulate(workload, services_s, Clock(numbers), bounds=days.bounds, world=EC2, seed=1, warmup_s=900.0)
    p99_s, paid_s = appointments(days).price(numbers)
    assert p99_s == pytest.approx(np.percentile(run.waits_s, 99), rel=0.2)
    assert paid_s == pytest.approx(run.billed_s * 100 / run.waits_s.size, rel=0.03)


def test_who_knows_the_law_of_the_bursts_pays_no_less_than_the_bound(chance, benchmark_module):
    """And less than somebody who waits for longer than the law asks for."""
    references = benchmark_module("elasticity_references")
    day = cell("bursts", hours=25, warmup_s=3600.0)
    billed_s = references.bursts(day, 4.0, 1, tries=60)
    bursts = round(day.workload(1).arrivals_s.size / 100) - 6
    assert chance.bursts(sample(chance, 100 * bursts, bursts * 600.0, p99_s=4.0)) < billed_s
    assert billed_s < bursts * (45 + 60 + 15)


def test_a_percentile_that_no_order_keeps_has_no_price(benchmark_module):
    """A hundred requests of five seconds, nineteen at a time, take more than twenty."""
    references = benchmark_module("elasticity_references")
    assert references.bursts(cell("bursts", "5"), 2.0, 1, tries=5) == float("inf")


def test_the_search_finds_the_cheapest_corner_that_keeps_the_percentile(benchmark_module):
    cheapest = benchmark_module("elasticity_search").cheapest
    ranges = (range(30), range(30))

    def price(numbers):
        return 60.0 - numbers[0] - numbers[1], numbers[0] + 3.0 * numbers[1]

    coarse = ((0, 15), (0, 15))
    assert cheapest(price, ranges, coarse, 25.0, tries=400) == 29 + 3 * 6
    assert cheapest(price, ranges, coarse, 1.0, tries=400) == float("inf")


def test_the_spikes_told_are_those_of_the_workload(benchmark_module):
    """Inside six times as many requests come as outside."""
    spiky = cell("spiky", hours=3, rate_hz=10.0)
    arrivals_s = spiky.workload(7).arrivals_s
    begins_s, ends_s = np.array(benchmark_module("elasticity_references").spikes_s(3 * 3600.0, 7)).T
    inside = sum(np.count_nonzero((arrivals_s >= b) & (arrivals_s < e)) for b, e in zip(begins_s, ends_s, strict=True))
    long_s = float(np.minimum(ends_s, 3 * 3600).sum() - begins_s.sum())
    assert begins_s.size > 5
    assert inside / long_s == pytest.approx(15, rel=0.05)
    assert (arrivals_s.size - inside) / (3 * 3600 - long_s) == pytest.approx(2.5, rel=0.05)


def test_who_is_told_of_spikes_pays_less_than_a_fixed_fleet_and_more_than_the_work(benchmark_module):
    references = benchmark_module("elasticity_references")
    spiky = cell("spiky", "exp:5", hours=0.5, rate_hz=0.5, maximum=5)
    p99_s, fixed_s = references.played(spiky, references.Told(quiet=4, rush=4, spikes_s=()), 3)
    assert spiky.draw(3)[1].sum() < references.spiky(spiky, p99_s, 3) < fixed_s


@pytest.mark.parametrize(
    ("quiet", "rush", "service", "nearly"),
    [(17, 19, "exp:1", 0.9), (14, 19, "exp:1", 0.75), (19, 19, "exp:5", 0.75), (10, 19, "exp:5", 0.5)],
)
def test_who_is_told_of_spikes_when_they_are_there_pays_no_less_than_the_bound(
    benchmark_module, chance, quiet, rush, service, nearly
):
    references, hours = benchmark_module("elasticity_references"), 20
    spiky = cell("spiky", service, hours=hours, rate_hz=10 / durations(service).mean_s)
    told = references.Told(quiet=quiet, rush=rush, spikes_s=references.spikes_s(hours * 3600.0, 2))
    p99_s, paid_s = references.played(spiky, told, 2)
    work_s = float(spiky.draw(2)[1].sum())
    law = sample(chance, 1, hours * 3600.0, service=service, p99_s=p99_s)
    bound_s = benchmark_module("elasticity_spikes").spiky(replace(law, work_s=work_s))
    assert nearly * paid_s < bound_s < paid_s


def test_chance_may_decide_how_many_wait_for_a_spike(benchmark_module):
    fewest = benchmark_module("elasticity_spikes").fewest
    assert fewest(np.array([10.0, 9.0, 8.0, 0.0]), 5.0) == 1.5  # nobody and three, half of the time each
    assert fewest(np.array([10.0, 4.0, 1.0, 0.0]), 4.0) == 1.0
    assert fewest(np.array([10.0, 4.0]), 10.0) == fewest(np.array([10.0, 4.0]), 3.0) == 0.0


def test_a_rule_tuned_in_hindsight_scales_up_and_keeps_few_and_lets_them_go(benchmark_module):
    """A minute of requests, then nothing for an hour: it goes back to a few when calm, and to nobody later."""
    references = benchmark_module("elasticity_references")
    rush = Workload(name="rush", arrivals_s=np.arange(0, 60, 0.1), duration_s=3600.0)
    trace = replace(cell("steady", "1"), workload=lambda _seed: rush)

    def paid(few, gone_s):
        return references.played(trace, references.Tuned(few=few, most=10, per_worker=5, calm_s=30.0, gone_s=gone_s), 1)

    nobody, later, never = paid(0, 5.0), paid(2, 600.0), paid(2, np.inf)
    assert 600 < nobody[1] < later[1] < 10 * 180 + 2 * 700
    assert never[1] - later[1] == pytest.approx(2 * 2940, rel=0.02)


def test_the_rule_tuned_in_hindsight_is_no_dearer_than_a_fixed_fleet(benchmark_module, monkeypatch):
    """On a trace that is busy for a sixth of the time, and by less than the work it does."""
    references = benchmark_module("elasticity_references")
    monkeypatch.setattr(references, "_PER_WORKER", (3, 30))
    monkeypatch.setattr(references, "_CALM_S", (60,))
    busy = Workload(name="busy", arrivals_s=np.arange(300, 400, 0.2), duration_s=600.0)
    trace = replace(cell("steady", "1", maximum=6), workload=lambda _seed: busy)
    fixed = references.Tuned(few=6, most=6, per_worker=1, calm_s=60.0, gone_s=np.inf)
    p99_s, paid_s = references.played(trace, fixed, 1)
    assert trace.draw(1)[1].sum() < references.azure(trace, p99_s, 1, tries=20) <= paid_s


def test_each_further_worker_saves_no_more_late_requests_than_the_one_before(chance):
    """One worker of 0.1 s a request begins 26 in 2.55 s, so at least 0.74 of a burst is late; four begin all."""
    least = chance._least_late(sample(chance, 1200, 7200.0, service="0.1"), np.array([1.0]), np.array([2.55]))
    assert least[:5] == pytest.approx([1.0, 0.74, 0.48, 0.22, 0.0])
    random = chance._least_late(sample(chance, 1200, 7200.0, service="exp:0.1"), np.array([1.0]), np.array([2.55]))
    assert np.all(random >= 1 - 0.265 * np.arange(random.size) - 0.005)
    assert np.all(np.diff(random, 2) > -1e-3)


def test_a_keep_alive_that_is_told_to_pays_more_than_the_bound_and_less_than_one_order_at_a_time(
    chance, benchmark_module, monkeypatch
):
    """At a wait that one boot in eight exceeds, two ordered at once are cheaper than to keep somebody."""
    references = benchmark_module("elasticity_references")
    monkeypatch.setattr(references, "_SECOND_S", (0,))
    monkeypatch.setattr(references, "_KEPT_S", (0, 60, 180, 250, np.inf))
    monkeypatch.setattr(references, "_COLD", (1, 2))
    day, p99_s = cell("trickle", "0.05", hours=24), 59.0
    best_s = references.trickle(day, p99_s, 1)
    monkeypatch.setattr(references, "_COLD", (1,))
    references._kept_alive.cache_clear()
    one_s = references.trickle(day, p99_s, 1)
    requests = day.workload(1).arrivals_s.size
    assert chance.trickle(sample(chance, requests, 86_400.0, p99_s=p99_s)) < 1.02 * best_s
    assert best_s < 0.95 * one_s < one_s < 86_400.0
