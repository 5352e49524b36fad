"""The simulator, held to queueing theory, to examples worked out by hand, and to itself."""

import math

import numpy as np
import pytest

from facefleet.core.fleet import Bounds
from facefleet.core.scaling import policy
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.errors import InvalidInput
from facefleet.lab.simulate.clairvoyant import clairvoyant, clairvoyant_at
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.outcome import estimate
from facefleet.lab.simulate.workload import SYNTHETIC, Shape, Workload, synthetic

BOUNDS = Bounds(minimum=0, maximum=19)
EC2 = World(boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(minimum_s=60.0))


def workload(arrivals, duration_s=None):
    arrivals = np.asarray(arrivals, dtype=float)
    return Workload(name="test", arrivals_s=arrivals, duration_s=duration_s or float(arrivals[-1]) + 1)


def run(arrivals, services, *, rule="naive", world=EC2, bounds=BOUNDS, seed=1, **more):
    load = arrivals if isinstance(arrivals, Workload) else workload(arrivals)
    services = np.broadcast_to(np.asarray(services, dtype=float), load.arrivals_s.shape)
    rule = policy(rule) if isinstance(rule, str) else rule
    return simulate(load, services, rule, bounds=bounds, world=world, seed=seed, **more)


def test_one_request_waits_for_the_next_look_and_one_boot():
    """It comes at 61 s, is seen at 65 s, and begun when the worker ordered then is there, at 75 s."""
    world = World(boot=durations("10"), stop_s=0.0, tick_s=5.0, billing=Billing(minimum_s=60.0))
    result = run(workload([61.0], 200), 3.0, rule="naive+pending", world=world)
    assert result.waits_s == pytest.approx([14.0])
    assert (result.starts, result.stops, result.billed_s) == (1, 1, 60.0)


def test_a_drained_worker_finishes_what_it_has_and_is_paid_until_then():
    """Told to leave in the middle of nothing less than its request, it leaves after it."""

    class Sacks:
        """Starts one worker and tells whoever runs to drain."""

        name = "sacks"

        def begin(self):
            return None

        def decide(self, seen, bounds, memory):
            from facefleet.core.fleet import Decision, WorkerState

            ids = tuple(worker.worker_id for worker in seen.workers if worker.state is WorkerState.RUNNING)
            return Decision(start=int(seen.now_s == 0), drain=ids, reason="1."), memory

    world = World(boot=durations("10"), stop_s=0.0, tick_s=1.0)
    result = run([0.0], 100.0, rule=Sacks(), world=world)
    assert result.waits_s == pytest.approx([10.0])
    assert result.billed_s == 110.0
    assert result.unanswered == 0


def test_the_same_seed_gives_the_same_run():
    """To the last digit, in every policy."""
    load = synthetic("spiky", Shape(rate_hz=2.0), seed=4)
    for rule in ("facefleet", "naive", "kpa"):
        first, second = (run(load, 4.0, rule=rule) for _ in range(2))
        assert np.array_equal(first.waits_s, second.waits_s)
        assert first.billed_s == second.billed_s
        assert first.looks == second.looks


@pytest.mark.parametrize(("slots", "rate_hz"), [(1, 0.6), (4, 3.0)])
def test_a_fixed_fleet_waits_as_erlang_says(slots, rate_hz):
    """M/M/m: the share that waits longer than one service time, against the textbook sum."""
    rng = np.random.default_rng(11)
    arrivals = np.cumsum(rng.exponential(1 / rate_hz, 200_000))
    world = World(boot=durations("0"), tick_s=1000.0)
    result = run(arrivals, rng.exponential(1.0, 200_000), rule=f"static {slots}", world=world)
    terms = [rate_hz**k / math.factorial(k) for k in range(slots)]
    last = rate_hz**slots / math.factorial(slots) * slots / (slots - rate_hz)
    late = last / (sum(terms) + last) * math.exp(-(slots - rate_hz))
    assert np.mean(result.waits_s > 1.0) == pytest.approx(late, rel=0.06)


@pytest.mark.parametrize("rule", ["facefleet", "naive", "naive+pending", "backlog", "keda", "kpa", "hpa", "rayserve"])
@pytest.mark.parametrize("capacity", [1, 3])
def test_every_request_is_begun_and_no_place_is_used_twice(rule, capacity):
    """Nothing is lost, nobody is served before they come, and the fleet stays within its maximum."""
    load = synthetic("spiky", Shape(rate_hz=2.0, duration_s=1800), seed=2)
    world = World(boot=durations("30-60"), stop_s=10.0, tick_s=5.0, capacity=capacity)
    result = run(load, 3.0, rule=rule, world=world)
    assert result.unanswered == 0
    assert (result.waits_s >= 0).all()
    assert max(look.pending + look.running for look in result.looks) <= 19
    assert result.billed_s * capacity >= 3.0 * load.arrivals_s.size


def test_a_fleet_too_small_for_its_load_ends_the_simulation_all_the_same():
    """Requests never begun are counted, not waited for."""
    result = run(workload(np.arange(0, 100, 0.01), 100), 60.0, rule="static 1")
    assert result.unanswered > 0
    assert len(result.waits_s) == 10_000


def test_what_happens_in_the_warm_up_does_not_count():
    """Neither its requests nor its worker-seconds, starts and stops."""
    load = workload(np.concatenate((np.arange(0, 60, 1.0), [3000.0])), 4000)
    whole, later = run(load, 5.0), run(load, 5.0, warmup_s=1000.0)
    assert later.waits_s.size == 1
    assert later.billed_s < whole.billed_s
    assert later.starts < whole.starts


def test_work_left_over_from_the_warm_up_is_not_charged_to_what_comes_after():
    """A thousand seconds of work come at once; half are left at 500 s, and one worker is there until 2200 s."""
    world = World(boot=durations("0"), stop_s=0.0, tick_s=1.0)
    load = workload([0.0] * 10 + [2000.0], 2200)
    result = run(load, 100.0, rule="static 1", world=world, warmup_s=500.0)
    assert result.billed_s == pytest.approx(2200 - 500 - 500)


def test_the_clairvoyant_costs_no_more_than_any_rule_at_the_same_p99_and_no_less_than_the_work():
    """Knowing the future helps; it does not do the work."""
    load = synthetic("spiky", Shape(rate_hz=2.0), seed=3)
    services = np.random.default_rng(3).exponential(5.0, load.arrivals_s.size)
    for rule in ("facefleet", "naive", "keda", "kpa"):
        known = run(load, services, rule=rule)
        p99_s = float(np.percentile(known.waits_s, 99))
        best = clairvoyant_at(p99_s, load, services, bounds=BOUNDS, world=EC2, seed=1)
        assert np.percentile(best.waits_s, 99) <= p99_s + 1e-6
        assert services.sum() < best.billed_s < known.billed_s


def test_the_clairvoyant_keeps_the_wait_it_was_given():
    """As far as the maximum allows."""
    load = synthetic("diurnal", Shape(rate_hz=1.0), seed=3)
    for wait_s in (0.0, 10.0, 100.0):
        schedule = clairvoyant(
            load, np.full(load.arrivals_s.size, 5.0), bounds=BOUNDS, world=EC2, wait_s=wait_s, seed=1
        )
        assert schedule.waits_s.max() <= wait_s + 1e-6


def test_several_seeds_give_an_interval_and_one_gives_none():
    """Student's t for three: mean 2, standard deviation 1, 4.303 / sqrt(3)."""
    assert estimate([1.0, 2.0, 3.0]).plus_minus == pytest.approx(4.303 / math.sqrt(3))
    assert estimate([1.0]).plus_minus is None


def test_an_experiment_names_the_policies_where_one_is_unknown():
    """Before anything is simulated for it."""
    experiment = Experiment(
        workload=lambda seed: synthetic("single", Shape(rate_hz=1.0), seed),
        service=durations("1"),
        world=EC2,
        bounds=BOUNDS,
        objective=Objective(),
    )
    with pytest.raises(InvalidInput, match="facefleet, naive"):
        experiment.compare(["nave"], [1])


@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic_workloads_are_ascending_within_their_time_and_repeatable(name):
    """The same seed, the same workload; another seed, another."""
    shape = Shape(rate_hz=3.0, duration_s=7200)
    first, again, other = (synthetic(name, shape, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.arrivals_s, again.arrivals_s)
    assert (np.diff(first.arrivals_s) >= 0).all()
    assert 0 <= first.arrivals_s[0] <= first.arrivals_s[-1] <= first.duration_s
    assert name == "single" or not np.array_equal(first.arrivals_s, other.arrivals_s)


def test_steady_and_diurnal_have_the_rate_that_was_asked_for():
    """Within a few standard deviations of Poisson's."""
    for name in ("steady", "diurnal"):
        size = synthetic(name, Shape(rate_hz=5.0, duration_s=7200), seed=1).arrivals_s.size
        assert size == pytest.approx(36_000, abs=5 * math.sqrt(36_000))


def test_work_left_over_from_the_warm_up_is_shared_by_the_slots_of_a_worker():
    """Fifty requests of 100 s begin at once on one worker of fifty slots: at 30 s it has 70 s to go, not 3,500."""
    world = World(boot=durations("0"), stop_s=0.0, tick_s=1.0, capacity=50)
    load = workload([0.0] * 50 + [2000.0], 2100)
    result = run(load, 100.0, rule="static 1", world=world, warmup_s=30.0)
    assert result.billed_s == pytest.approx(2100 - 30 - 70)


def test_the_clairvoyant_keeps_a_worker_whose_next_start_would_cost_the_minimum():
    """Two requests of 1 s, 33 s apart, sixty times: one worker costs 35 s for both, two 30 s each."""
    load = workload(np.arange(60) * 100.0, 6000)
    load = workload(np.sort(np.concatenate((load.arrivals_s, load.arrivals_s + 33.0))), 6100)
    world = World(boot=durations("1"), billing=Billing(minimum_s=30.0))
    cost_s = clairvoyant(load, np.ones(120), bounds=BOUNDS, world=world, wait_s=0.0, seed=1).billed_s
    assert cost_s == 60 * 35


@pytest.mark.parametrize("boot", ["30-60", "lognormal:45:0.5"])
def test_the_clairvoyant_meets_the_boots_that_every_rule_does(boot):
    """The first start takes as long for it, or who is luckier would be compared."""
    world = World(boot=durations(boot), stop_s=0.0, tick_s=1.0)
    load = workload([60.0], 61)
    for seed in (1, 2, 3):
        known = simulate(load, np.ones(1), policy("naive+pending"), bounds=BOUNDS, world=world, seed=seed)
        best = clairvoyant(load, np.ones(1), bounds=BOUNDS, world=world, wait_s=0.0, seed=seed)
        boot_s = float(known.waits_s[0])
        assert best.billed_s == pytest.approx(math.ceil(boot_s + 1))


def test_the_clairvoyant_restarts_from_a_warm_pool_that_holds_the_whole_fleet():
    """As a rule would; from a smaller one it never does."""
    load = workload([60.0], 61)
    for warm, billed_s in ((BOUNDS.maximum, 3), (BOUNDS.maximum - 1, 46)):
        world = World(boot=durations("45"), warm=warm, warm_boot=durations("2"))
        best = clairvoyant(load, np.ones(1), bounds=BOUNDS, world=world, wait_s=0.0, seed=1)
        assert best.billed_s == billed_s


def test_a_comparison_keeps_no_look_of_any_run(monkeypatch):
    """A day of looks of twenty seeds would fill the memory, and nobody reads them."""
    experiment = Experiment(
        workload=lambda seed: synthetic("single", Shape(rate_hz=1.0, duration_s=100.0), seed),
        service=durations("1"),
        world=EC2,
        bounds=BOUNDS,
    )
    kept = []
    monkeypatch.setattr("facefleet.lab.simulate.experiment.summarise", lambda runs, *_: kept.extend(runs))
    experiment.compare(["naive"], [1, 2])
    assert [run.looks for run in kept] == [(), ()]


def test_a_long_run_tells_how_far_it_is():
    """Two weeks of looks take minutes; a bar that stands still says nothing."""
    told = []
    experiment = Experiment(
        workload=lambda seed: synthetic("steady", Shape(rate_hz=0.1, duration_s=4000.0), seed),
        service=durations("1"),
        world=World(),
        bounds=BOUNDS,
    )
    experiment.compare(["naive"], [1, 2], passed=lambda *run: told.append(run))
    shares = [share for name, seed, share in told if (name, seed) == ("naive", 2)]
    assert shares[0] == 0.0
    assert len(shares) >= 4
    assert shares == sorted(set(shares))
    assert shares[-1] <= 1.0


def test_the_interval_narrows_on_beyond_the_table():
    """Student's t for 31 and for 200 degrees of freedom: 2.0395 and 1.9719."""
    for count, t in ((32, 2.0395), (201, 1.9719)):
        values = [0.0, 2.0] * (count // 2) + [1.0] * (count % 2)
        spread = float(np.std(values, ddof=1)) / math.sqrt(count)
        assert estimate(values).plus_minus == pytest.approx(t * spread, rel=2e-3)
