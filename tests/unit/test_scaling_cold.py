"""Cold starts: how many workers race for a request that finds nobody."""

from dataclasses import replace

import numpy as np
import pytest

from facefleet.core.fleet import Bounds, Observation, Worker, WorkerState
from facefleet.core.scaling import policy
from facefleet.core.scaling.cold import cold_start
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, synthetic

EVEN = tuple(0.67 + 0.66 * number / 31 for number in range(32))  # of 30 to 60 s, relative to 45
CLOUD = World(boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(price_per_h=0.1, minimum_s=60.0))


def started(slo_s: float, at: float = 99.0):
    return cold_start(EVEN, 45.0, 5.0, Objective(slo_s=slo_s, at=at), 19)


@pytest.mark.parametrize(
    ("slo_s", "workers"),
    [
        (70.0, 1),  # the slowest boot is fast enough
        (62.0, 2),
        (59.0, 3),
        (40.0, 1),  # three are too slow as well: somebody must be there, and one is enough to order
        (0.0, 1),
    ],
)
def test_no_more_race_than_it_takes_and_none_where_no_few_keep_the_objective(slo_s, workers):
    """Boots of 30 to 60 s, a look every 5 s; 1 % may be late."""
    assert started(slo_s).workers == workers


def test_who_is_late_is_late_for_all_of_the_boots():
    """Boots of 30 and 40 s, a look every 10 s, 43 s to wait: no phase is too early for the fast, 0.7 for the slow."""
    cold = cold_start((1.0, 4 / 3), 30.0, 10.0, Objective(slo_s=43.0, at=80.0), 19)
    assert cold.late_alone == pytest.approx(0.7 / 2)
    assert cold.workers == 2
    assert cold.late == pytest.approx(0.7 / 4)
    both = cold_start((1.0, 4 / 3), 30.0, 10.0, Objective(slo_s=38.0, at=50.0), 19)
    assert both.late_alone == pytest.approx((0.2 + 1.0) / 2)
    assert both.late == pytest.approx(0.2 + 0.8 / 4)


def test_who_may_be_late_more_often_needs_fewer():
    """The second dial."""
    assert [started(58.0, at=at).workers for at in (99.0, 95.0, 80.0)] == [3, 2, 1]


def test_nobody_races_where_the_next_look_decides():
    """Processes: a second to boot, a second from look to look."""
    assert cold_start((0.75, 0.92, 1.08, 1.25), 1.0, 1.0, Objective(slo_s=2.1), 19).workers == 1


def test_boots_alike_do_not_race():
    """Who boots in 45 s is never there in 40, however many are ordered; a share of the phases is late for all."""
    cold = cold_start((1.0, 1.0), 45.0, 5.0, Objective(slo_s=47.0), 19)
    assert cold.workers == 1
    assert cold.late == cold.late_alone == pytest.approx(0.6)


def test_a_first_request_has_two_ordered_and_the_reason_says_so():
    """Nobody is there, and boots are guessed from their mean: 34 to 56 s."""
    rule = policy("facefleet", objective=Objective(slo_s=60.5), billing=CLOUD.billing)
    bounds = Bounds(minimum=0, maximum=19)
    idle = Observation(now_s=0.0, visible=0, in_flight=0, boot_s=45.0)
    _, memory = rule.decide(idle, bounds, rule.begin())
    decision, _ = rule.decide(replace(idle, now_s=5.0, visible=1, enqueued_total=1), bounds, memory)
    assert decision.start == 2
    assert "needs 2 against lateness" in decision.reason


def test_no_more_race_than_may_be_there_and_one_alone_does_not_count_on_others():
    """With one worker at most, a first request would be late too often, so the worker stays."""
    assert cold_start(EVEN, 45.0, 5.0, Objective(slo_s=60.0), 1).late > 0.01
    rule = policy("facefleet", objective=Objective(slo_s=60.5), billing=CLOUD.billing)
    idle = Observation(now_s=0.0, visible=0, in_flight=0, boot_s=45.0)
    for maximum, kept in ((1, 1), (19, 0)):
        bounds = Bounds(minimum=0, maximum=maximum)
        _, memory = rule.decide(idle, bounds, rule.begin())
        decision, _ = rule.decide(replace(idle, now_s=5.0), bounds, memory)
        assert decision.start == kept
    one = replace(idle, now_s=5.0, visible=1, enqueued_total=1)
    assert rule.decide(one, Bounds(minimum=0, maximum=1), rule.begin())[0].start == 1


def test_boots_that_never_end_are_not_raced_again():
    """Of the three that were ordered none came up: one more is tried at a time, as where one boot is enough."""
    rule = policy("facefleet", objective=Objective(slo_s=60.0), billing=CLOUD.billing)
    stuck = tuple(Worker(worker_id=f"w{number}", state=WorkerState.PENDING, since_s=5.0) for number in range(3))
    bounds = Bounds(minimum=0, maximum=19)
    for workers, started in ((stuck, 1), ((), 3)):
        idle = Observation(now_s=995.0, visible=0, in_flight=0, boot_s=45.0, workers=workers)
        _, memory = rule.decide(idle, bounds, rule.begin())
        one = replace(idle, now_s=1000.0, visible=1, enqueued_total=1)
        assert rule.decide(one, bounds, memory)[0].start == started


def test_after_a_race_nobody_stays():
    """One request; while one boot was waited for, somebody stayed for half an hour and more in case another came."""
    cell = Experiment(
        workload=lambda seed: synthetic("single", Shape(rate_hz=1.0, duration_s=3600.0), seed),
        service=durations("exp:1"),
        world=CLOUD,
        bounds=Bounds(minimum=0, maximum=19),
        objective=Objective(slo_s=60.0, at=97.0),
    )
    runs = [cell.run("facefleet", seed) for seed in range(20, 28)]
    assert all(run.starts == 2 for run in runs)
    # Where both of the first boots that are ever seen take a minute, none of three seems fast enough, and one stays.
    assert sum(run.billed_s <= 130 for run in runs) >= 7


def test_a_trickle_is_raced_for_where_that_is_cheaper_than_to_keep_somebody():
    """A request in 90 s, at random; to keep one for it costs 39,600 worker-seconds in eleven hours."""
    cell = Experiment(
        workload=lambda seed: synthetic("trickle", Shape(rate_hz=1.0, duration_s=12 * 3600.0), seed),
        service=durations("exp:1"),
        world=CLOUD,
        bounds=Bounds(minimum=0, maximum=19),
        objective=Objective(slo_s=62.0),
        warmup_s=3600.0,
    )
    runs = [cell.run("facefleet", seed) for seed in (22, 23)]
    assert np.mean([np.mean(run.waits_s > 62.0) for run in runs]) <= 0.01
    assert all(run.starts > 300 for run in runs)
    assert sum(run.billed_s for run in runs) < 0.9 * 2 * 39_600
