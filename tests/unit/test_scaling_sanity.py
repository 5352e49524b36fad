"""Our own rule stays sane when what it is shown is not."""

from dataclasses import replace

import numpy as np
import pytest
from our_rule import BOUNDS, EC2, ours, play, run, workers

from facefleet.core.fleet import Bounds, Observation, Worker, WorkerState
from facefleet.core.scaling import policy
from facefleet.core.scaling.moves import idle_workers
from facefleet.core.scaling.terms import Objective


def test_flapping_demand_does_not_make_the_fleet_flap():
    """Work that comes and goes every half minute is served by one fleet, not by a new one each time."""
    arrivals = np.concatenate([np.linspace(start, start + 30, 150) for start in range(0, 3600, 60)])
    result = run(np.sort(arrivals), 2.0, duration_s=3600)
    late = [look for look in result.looks if look.at_s > 1200]
    assert sum(look.start for look in late) <= 19


@pytest.mark.parametrize("half_s", [45, 60, 75])
def test_work_that_comes_and_goes_about_as_fast_as_a_worker_boots_finds_somebody(half_s):
    """Whoever boots is there when the work is over, and gone again when the next comes: all would be late for ever."""
    arrivals = np.concatenate([np.linspace(start, start + half_s, 5 * half_s) for start in range(0, 3600, 2 * half_s)])
    result = run(np.sort(arrivals), 2.0, duration_s=3600, warmup_s=1200)
    assert np.mean(result.waits_s > 2.0) < 0.01


def test_a_clock_that_jumps_changes_no_worker_at_work_and_starts_no_crowd():
    """An hour back or a day forward: the next decision is about the requests that are there."""
    rule = ours()
    for jump_s in (-3600.0, 86_400.0):
        seen = [
            Observation(
                now_s=10_000.0 + 5 * step + (jump_s if step > 100 else 0.0),
                visible=0,
                in_flight=4,
                enqueued_total=step,
                finished_total=step,
                busy_ms_total=step * 5000.0,
                workers=workers(6, busy=4, now_s=9000.0),
            )
            for step in range(140)
        ]
        decisions = play(rule, seen)
        assert max(decision.start for decision in decisions[101:]) <= 2
        assert all(set(decision.drain) <= {"w4", "w5"} for decision in decisions[101:])


def test_without_metrics_a_few_go_ahead_and_then_each_request_gets_a_worker_as_in_naive():
    """No totals, no service time: what waits is all that is known, until somebody is there and it still waits."""
    seen = [Observation(now_s=float(step), visible=7, in_flight=0, boot_s=45.0) for step in range(3)]
    there = workers(1, pending=3, busy=1, now_s=45.0)
    seen += [Observation(now_s=now_s, visible=6, in_flight=1, boot_s=45.0, workers=there) for now_s in (45.0, 50.0)]
    first, _, _, there_now, there_before = (decision.start for decision in play(ours(), seen))
    assert (first, there_now) == (4, 0)
    assert 3 <= there_before <= 15


@pytest.mark.parametrize("at_s", [0.0, 400.0])
@pytest.mark.parametrize(("service_s", "count", "tick_s"), [(0.05, 200, 5.0), (1.2, 40, 1.0)])
def test_work_that_nobody_has_timed_gets_no_fleet_that_it_turns_out_not_to_need(at_s, service_s, count, tick_s):
    """Whether or not somebody stands by for the first requests, and however often one looks."""
    result = run(np.full(count, at_s), service_s, world=replace(EC2, tick_s=tick_s))
    assert result.starts <= 5


def test_slow_work_that_nobody_has_timed_gets_its_fleet_all_the_same():
    """Two hundred requests of 5 s, of which the first workers do not get through many."""
    assert run(np.zeros(200), 5.0).starts >= 12


@pytest.mark.parametrize("slo_s", [0.5, 2.0, 20.0])
def test_an_overdue_request_gets_a_worker_however_even_the_boots(slo_s):
    """One has long work, another waits: to order at the next look would do as well, and so at every look."""
    rule = ours(Objective(slo_s=slo_s))
    memory = rule.begin()
    started = 0
    for now_s in np.arange(1000.0, 1060.0):
        seen = Observation(
            now_s=now_s,
            visible=1,
            in_flight=1,
            oldest_age_s=now_s - 990.0,
            enqueued_total=52,
            finished_total=50,
            busy_ms_total=50 * 300e3,
            workers=workers(1, busy=1),
            boot_s=45.0,
            boot_spread=(1.0,) * 20,
        )
        decision, memory = rule.decide(seen, BOUNDS, memory)
        started += decision.start
    assert started >= 1


def test_totals_that_start_again_from_zero_do_not_confuse_it():
    """A queue that was purged or a database that was restored is no negative arrival rate."""
    seen = [
        Observation(now_s=float(step), visible=0, in_flight=0, enqueued_total=total, finished_total=total)
        for step, total in enumerate([0, 500, 1000, 0, 5, 10])
    ]
    assert all(decision.start <= 19 for decision in play(ours(), seen))


def test_a_fleet_that_does_not_start_what_was_asked_is_asked_again_but_not_at_every_look():
    """Ten workers' worth of demand on a fleet that ignores every order."""
    seen = [
        Observation(now_s=float(step), visible=10, in_flight=0, oldest_age_s=float(step), enqueued_total=10)
        for step in range(60)
    ]
    asked = [decision.start for decision in play(ours(), seen)]
    assert max(asked) <= 19
    assert 2 <= sum(count > 0 for count in asked) <= 8


def test_counts_that_lag_are_not_ordered_twice():
    """A fleet that shows its new workers eight seconds late gets each order once."""
    rule, memory, started, orders = ours(), None, [], []
    memory = rule.begin()
    for step in range(30):
        shown = sum(count for at, count in started if step - at >= 8)
        seen = Observation(
            now_s=float(step),
            visible=6,
            in_flight=0,
            oldest_age_s=float(step),
            enqueued_total=6,
            workers=workers(0, pending=shown, now_s=0.0),
            boot_s=60.0,
        )
        decision, memory = rule.decide(seen, BOUNDS, memory)
        started.append((step, decision.start))
        orders.append(decision.start)
    assert sum(orders) == orders[0]


@pytest.mark.parametrize("name", ["facefleet", "naive", "keda"])
def test_a_worker_that_has_not_told_of_its_work_yet_is_not_drained(name):
    """Between two batches it says once a second that it is idle, while the queue knows of four requests in work."""
    seen = [
        Observation(
            now_s=float(at_s),
            visible=0,
            in_flight=4 if at_s else 0,
            enqueued_total=4 * at_s,
            finished_total=4 * at_s - 4 if at_s else 0,
            busy_ms_total=500.0 * at_s,
            workers=workers(2, now_s=-100.0),
            boot_s=1.0,
            capacity=4,
        )
        for at_s in range(1200)
    ]
    assert not any(decision.drain for decision in play(policy(name), seen)[1:])


def test_those_who_were_at_work_last_are_taken_for_those_who_have_not_told():
    """Of three that seem idle, one has the request that nobody tells of: the first two in line may leave."""
    there = tuple(
        Worker(worker_id=name, state=WorkerState.RUNNING, since_s=0.0, idle_since_s=idle_s)
        for name, idle_s in (("late", 90.0), ("early", 10.0), ("middle", 50.0))
    )
    seen = Observation(now_s=100.0, visible=0, in_flight=1, workers=there)
    assert [worker.worker_id for worker in idle_workers(seen)] == ["early", "middle"]
    told = replace(
        seen, workers=(*there, Worker(worker_id="busy", state=WorkerState.RUNNING, since_s=0.0, jobs=("a",)))
    )
    assert len(idle_workers(told)) == 3


def test_one_odd_reading_of_the_queue_drains_no_worker_at_work():
    """SQS may count nothing for once; the workers know better."""
    busy = workers(8, busy=8)
    seen = [Observation(now_s=float(s), visible=20, in_flight=8, enqueued_total=28, workers=busy) for s in range(5)]
    seen.append(Observation(now_s=5.0, visible=0, in_flight=0, enqueued_total=28, workers=busy))
    assert play(ours(), seen)[-1].drain == ()


def test_one_absurd_reading_of_the_queue_costs_no_more_than_the_maximum_and_is_forgotten():
    """A thousand million requests for one look; after a quarter of an hour it is as if nothing had been."""
    rule = ours()
    memory, fleet = rule.begin(), 2
    for step in range(180):
        seen = Observation(
            now_s=5.0 * step,
            visible=10**9 if step == 30 else 0,
            in_flight=1,
            enqueued_total=step,
            finished_total=step,
            busy_ms_total=step * 5000.0,
            workers=workers(fleet, busy=1, now_s=-100.0),
            boot_s=5.0,
        )
        decision, memory = rule.decide(seen, BOUNDS, memory)
        fleet += decision.start - len(decision.drain)
        assert fleet <= BOUNDS.maximum
    assert fleet <= 4


def test_a_worker_that_never_comes_up_is_replaced_in_the_end():
    """One pending for many boots is no longer counted on."""
    stuck = workers(0, pending=1)
    seen = [
        Observation(now_s=5.0 * step, visible=1, in_flight=0, oldest_age_s=5.0 * step, workers=stuck, boot_s=5.0)
        for step in range(20)
    ]
    decisions = play(ours(), seen)
    assert decisions[1].start == 0
    assert any(decision.start for decision in decisions)


def test_the_running_are_kept_until_the_pending_are_there():
    """A worker that boots replaces nobody yet."""
    seen = [
        Observation(now_s=60.0 * step, visible=0, in_flight=0, workers=workers(0, pending=0)) for step in range(2)
    ] + [Observation(now_s=180.0, visible=0, in_flight=0, workers=workers(1, pending=3))]
    assert play(ours(), seen, Bounds(minimum=1, maximum=19))[-1].drain == ()


def test_a_fleet_of_nobody_learns_from_bursts_all_the_same():
    """A maximum of none divides nothing by nothing."""
    seen = [
        Observation(now_s=float(at_s), visible=50, in_flight=0, enqueued_total=50 * (1 + at_s // 600), boot_s=45.0)
        for at_s in range(0, 6000, 5)
    ]
    assert all(decision.start == 0 for decision in play(ours(), seen, Bounds(minimum=0, maximum=0)))


def test_a_fleet_that_boots_in_no_time_and_may_not_let_wait_divides_nothing_by_nothing():
    """Work comes after idling, before a request was timed."""
    looks = [(0.0, 0), (10.0, 0), (20.0, 3)]
    seen = [
        Observation(now_s=s, visible=total, in_flight=0, enqueued_total=1 + total, boot_s=0.0) for s, total in looks
    ]
    assert play(ours(Objective(slo_s=0.0)), seen)[-1].start == BOUNDS.maximum
