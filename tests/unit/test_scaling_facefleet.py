"""Our own rule: what it learns, what it saves, and that it stays sane when what it is shown is not."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefleet.core.fleet import Bounds, Observation, Worker, WorkerState
from facefleet.core.scaling import policy
from facefleet.core.scaling.budget import Purse
from facefleet.core.scaling.forecast import Arrivals, Season, Trend
from facefleet.core.scaling.idle import Idleness, Pace, latest
from facefleet.core.scaling.learned import Learned
from facefleet.core.scaling.levels import Levels
from facefleet.core.scaling.persistence import Persistence
from facefleet.core.scaling.staffing import Crew, Missing, erlang_slots
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.core.scaling.view import crew
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, Workload, synthetic

BOUNDS = Bounds(minimum=0, maximum=19)
EC2 = World(boot=durations("45"), stop_s=10.0, tick_s=5.0, billing=Billing(minimum_s=60.0))


LOOSE = Objective(slo_s=90.0)  # longer than a boot of EC2


def ours(objective=None, world=None):
    return policy("facefleet", objective=objective, billing=world and world.billing)


def run(arrivals, service_s, *, world=EC2, rule=None, duration_s=None, bounds=BOUNDS, warmup_s=0.0):
    arrivals = np.asarray(arrivals, dtype=float)
    workload = Workload(name="test", arrivals_s=arrivals, duration_s=duration_s or float(arrivals[-1]) + 60)
    services = np.full(arrivals.size, service_s)
    rule = rule or policy("facefleet", billing=world.billing)
    return simulate(workload, services, rule, bounds=bounds, world=world, seed=1, warmup_s=warmup_s)


def workers(running, *, pending=0, busy=0, now_s=0.0):
    return tuple(
        Worker(
            worker_id=f"w{number}",
            state=WorkerState.RUNNING if number < running else WorkerState.PENDING,
            since_s=now_s,
            jobs=("job",) if number < busy else (),
            idle_since_s=now_s if busy <= number < running else None,
        )
        for number in range(running + pending)
    )


def play(rule, seen, bounds=BOUNDS):
    memory, decisions = rule.begin(), []
    for one in seen:
        decision, memory = rule.decide(one, bounds, memory)
        decisions.append(decision)
    return decisions


# What it promises


def test_it_converges_on_constant_load():
    """Two requests a second of five seconds each need ten workers, and after a while nobody starts or stops."""
    result = run(np.arange(0, 3600, 0.5), 5.0, duration_s=3600)
    settled = [look for look in result.looks if 1200 < look.at_s < 3600]
    assert sum(look.start + look.drain for look in settled) == 0
    assert {look.running for look in settled} <= set(range(10, 20))


def test_one_request_costs_no_more_than_the_minimum_bill():
    """A worker whose minute is paid for stays for it, and not longer, where a boot fits into the objective."""
    assert run([60.0], 5.0, rule=ours(LOOSE, EC2), duration_s=600).billed_s == 60.0


@pytest.mark.parametrize(("at", "least_s", "most_s"), [(99.0, 3400, 3600), (90.0, 2200, 2600), (50.0, 400, 520)])
def test_an_objective_shorter_than_a_boot_keeps_one_worker_for_up_to_an_hour_without_work(at, least_s, most_s):
    """Nobody could be in time otherwise; with nothing learned, an idle time of any order of magnitude is as likely."""
    rule = ours(Objective(slo_s=2.0, at=at), EC2)
    result = run([400.0], 5.0, rule=rule, duration_s=4 * 3600)
    assert result.waits_s[0] == 0.0
    gone = next(look for look in result.looks if look.drain)
    assert 405 + least_s <= gone.at_s <= 405 + most_s


def test_an_objective_longer_than_a_boot_keeps_nobody():
    """The fleet is empty until the first request, and again after the last."""
    result = run([1800.0], 5.0, rule=ours(LOOSE, EC2), duration_s=3600)
    assert max(look.pending + look.running for look in result.looks if look.at_s < 1800) == 0
    assert result.looks[-1].running == 0


def test_an_objective_of_nothing_keeps_the_maximum():
    """Nobody may wait, whatever comes."""
    result = run([900.0], 5.0, rule=ours(Objective(slo_s=0.0), EC2), duration_s=1800)
    assert {look.pending + look.running for look in result.looks} == {0, 19}
    assert sum(look.start for look in result.looks) == 19


def test_a_burst_with_time_left_gets_the_fewest_workers_that_keep_its_deadline():
    """A hundred requests of a second each, due in five minutes, of which a boot takes one: one worker does."""
    result = run(np.linspace(60, 62, 100), 1.0, rule=ours(Objective(slo_s=300.0), EC2), duration_s=600)
    assert result.starts == 1
    assert result.waits_s.max() <= 300


@pytest.mark.parametrize("name", ["steady", "bursts", "trickle", "spiky"])
def test_a_looser_objective_costs_no_more(name):
    """Within 7 %, as each run draws its boots in another order: from a wait of seconds to one of minutes."""
    load = synthetic(name, Shape(rate_hz=4.0), seed=7)
    costs = [
        run(load.arrivals_s, 1.0, rule=ours(Objective(slo_s=slo_s), EC2), duration_s=3600).billed_s
        for slo_s in (0.0, 0.5, 5.0, 30.0, 60.0, 90.0, 150.0, 300.0)
    ]
    assert all(looser <= 1.07 * tighter for tighter, looser in pairwise(costs))


def test_hours_that_are_paid_for_are_used_up():
    """Billed by the hour, a worker is let go only as its hour ends."""
    world = replace(EC2, billing=Billing(granularity_s=3600.0))
    result = run([0.0], 5.0, world=world, rule=ours(LOOSE, world), duration_s=7200)
    gone = next(look for look in result.looks if look.drain)
    assert 3590 <= gone.at_s <= 3600
    assert result.billed_s == 3600.0


def test_it_does_not_start_what_an_existing_worker_will_take_in_time():
    """Five requests of a second each fit one worker within the objective of ten seconds."""
    seen = [
        Observation(now_s=0, visible=0, in_flight=0, finished_total=100, busy_ms_total=1e5, workers=workers(1)),
        Observation(
            now_s=1, visible=5, in_flight=0, oldest_age_s=0.5, finished_total=100, busy_ms_total=1e5, workers=workers(1)
        ),
    ]
    assert play(ours(Objective(slo_s=10.0)), seen)[-1].start == 0
    assert play(ours(Objective(slo_s=1.0)), seen)[-1].start > 0


def test_it_has_the_fleet_back_before_a_burst_that_comes_every_ten_minutes():
    """Once the pattern is learned, the wait is shorter than a boot, at less than a fleet that never leaves."""
    begins = np.arange(300, 4 * 3600, 600)
    arrivals = (begins[:, None] + np.linspace(0, 1, 40)).ravel()
    result = run(arrivals, 2.0, duration_s=4 * 3600, warmup_s=3600)
    assert np.percentile(result.waits_s, 99) < 45.0 / 2
    assert result.billed_s < 0.5 * 19 * 3 * 3600


def test_once_it_knows_that_bursts_are_short_it_orders_no_more_than_for_what_came():
    """A hundred at once every ten minutes: three workers or four are enough, the rate of that moment says nineteen."""
    begins = np.arange(300, 4 * 3600, 600)
    arrivals = (begins[:, None] + np.linspace(0, 2, 100)).ravel()
    boots = World(boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(minimum_s=60.0))
    result = run(arrivals, 1.0, world=boots, rule=ours(LOOSE, boots), duration_s=4 * 3600, warmup_s=3600)
    assert np.percentile(result.waits_s, 99) <= LOOSE.slo_s
    assert result.starts <= 4 * 18


def test_after_a_burst_it_lets_the_fleet_go_as_soon_as_idle_times_say_so():
    """Bursts every ten minutes: workers leave a look or two after one, not a boot, and are back for the next."""
    begins = np.arange(300, 4 * 3600, 600)
    arrivals = (begins[:, None] + np.linspace(0, 1, 40)).ravel()
    result = run(arrivals, 2.0, duration_s=4 * 3600, warmup_s=3600)
    left = [look.at_s for look in result.looks if look.drain and look.at_s > 3600]
    assert max((at_s - 300) % 600 for at_s in left) <= 30
    assert np.percentile(result.waits_s, 99) < 10


def test_a_tight_objective_keeps_a_worker_for_a_trickle_and_a_loose_one_does_not():
    """What the user asks for decides what idling is worth."""
    arrivals = np.cumsum(np.random.default_rng(3).exponential(90, 200))
    tight = run(arrivals, 1.0, rule=ours(Objective(slo_s=2.0)), warmup_s=3600)
    loose = run(arrivals, 1.0, rule=ours(LOOSE), warmup_s=3600)
    assert np.percentile(tight.waits_s, 95) < 2.0
    assert np.percentile(loose.waits_s, 95) <= 95.0
    assert loose.billed_s < 0.6 * tight.billed_s


def test_a_budget_is_kept_in_the_long_run_and_its_savings_are_spent_on_a_rush():
    """Over T hours no more than the budget for T + 1 hours is spent, though the rush would have more."""
    world = replace(EC2, billing=Billing(price_per_h=1.0))
    rush = np.concatenate((np.arange(3600, 3700, 0.1), np.arange(3700, 10800, 0.4)))
    rule = policy("facefleet", objective=Objective(budget_per_h=4.0), billing=world.billing)
    result = run(rush, 5.0, world=world, rule=rule, duration_s=10800)
    hours = result.looks[-1].at_s / 3600
    assert result.billed_s / 3600 <= 4.0 * (hours + 1) + 0.1
    assert max(look.running for look in result.looks) > 4


def test_a_budget_for_two_and_a_half_workers_has_the_third_for_minutes_and_the_two_always():
    """It is not started at one look and drained at the next, and nobody is drained for one that still boots."""
    world = replace(EC2, billing=Billing(price_per_h=1.0, minimum_s=60.0))
    rule = policy("facefleet", objective=Objective(slo_s=0.0, budget_per_h=2.5), billing=world.billing)
    result = run(np.arange(0, 7200, 5.0), 0.1, world=world, rule=rule, duration_s=7200)
    later = [look for look in result.looks if 60 < look.at_s < 7200]
    assert min(look.running for look in later) == 2
    assert 2.3 < result.billed_s / 7200 < 2.6
    assert result.starts <= 2 + 7200 / 300


def spending(saved, pending=0):
    """What is decided of workers at work on a long backlog, at 2.5 an hour, for twenty minutes."""
    rule = policy("facefleet", objective=Objective(budget_per_h=2.5), billing=Billing(price_per_h=1.0))
    memory, decisions = replace(rule.begin(), purse=Purse(saved=saved, now_s=0.0)), []
    there = workers(4 - pending, pending=pending, busy=4)
    for now_s in np.arange(5.0, 1200.0, 5.0):
        seen = Observation(
            now_s=now_s,
            visible=50,
            in_flight=4,
            oldest_age_s=100.0,
            enqueued_total=154,
            finished_total=100,
            busy_ms_total=3e6,
            workers=there,
            boot_s=45.0,
        )
        decision, memory = rule.decide(seen, BOUNDS, memory)
        decisions.append(decision)
    return decisions


def test_an_order_that_the_fleet_does_not_show_yet_costs_nobody_his_place():
    """Two more can be paid for at one look, and still at the next."""
    first, second = spending(0.295)[:2]
    assert first.start == 2
    assert "budget for 6, so 6, 6 are there or coming: hold" in second.reason


def test_workers_that_boot_over_budget_cost_none_at_work_its_place():
    """Two at work and two stuck: there is money for the two for as long as the two do not eat it up."""
    assert not any(decision.drain for decision in spending(0.045, pending=2)[:20])


@pytest.mark.parametrize("billing", [Billing(price_per_h=1.0, granularity_s=3600.0), Billing(price_per_h=1.0)])
def test_a_budget_is_kept_where_hours_are_charged_as_a_whole(billing):
    """No hour is begun for a third worker that is not affordable for all of it."""
    world = replace(EC2, billing=billing)
    rule = policy("facefleet", objective=Objective(slo_s=0.0, budget_per_h=2.5), billing=billing)
    result = run(np.arange(0, 36000, 5.0), 0.1, world=world, rule=rule, duration_s=36000)
    assert result.billed_s / 3600 <= 2.5 * (10 + 1) + 3


@pytest.mark.parametrize(("budget_per_h", "minimum_s"), [(0.25, 3600.0), (0.07, 60.0)])
def test_a_budget_too_small_for_one_worker_saves_until_it_can_have_one(budget_per_h, minimum_s):
    """Requests that wait for hours are begun in the end."""
    billing = Billing(price_per_h=1.0, minimum_s=minimum_s)
    rule = policy("facefleet", objective=Objective(budget_per_h=budget_per_h), billing=billing)
    seen = [
        Observation(now_s=at_s, visible=3, in_flight=0, oldest_age_s=at_s, enqueued_total=3, boot_s=45.0)
        for at_s in np.arange(0.0, 6 * 3600.0, 20.0)
    ]
    assert any(decision.start for decision in play(rule, seen))


def test_stopped_workers_that_start_faster_shorten_the_wait():
    """A warm pool of a fleet is used before new workers are launched."""
    warm = replace(EC2, warm=19, warm_boot=durations("5"))
    arrivals = np.sort(np.random.default_rng(1).uniform(0, 600, 600))
    assert np.percentile(run(arrivals, 2.0, world=warm).waits_s, 99) < np.percentile(run(arrivals, 2.0).waits_s, 99) / 2


# Sanity


def test_flapping_demand_does_not_make_the_fleet_flap():
    """Work that comes and goes every half minute is served by one fleet, not by a new one each time."""
    arrivals = np.concatenate([np.linspace(start, start + 30, 150) for start in range(0, 3600, 60)])
    result = run(np.sort(arrivals), 2.0, duration_s=3600)
    late = [look for look in result.looks if look.at_s > 1200]
    assert sum(look.start for look in late) <= 19


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
    rule, boots_s = ours(Objective(slo_s=slo_s)), (45.0,) * 20
    memory = rule.begin()
    memory = replace(memory, learned=replace(memory.learned, boots_s=boots_s, spread=(1.0,) * 20))
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


# Its parts


@pytest.mark.parametrize(
    ("offered", "wait", "share"), [(12, 0.4, 0.01), (0.055, 0.4, 0.01), (3, 40, 0.01), (50, 0, 0.2)]
)
def test_erlang_slots_are_the_fewest_by_the_textbook_sum(offered, wait, share):
    """P(wait > w) from the sum over states, not from the recursion."""

    def late(slots):
        if slots <= offered:
            return 1.0
        terms = [offered**k / math.factorial(k) for k in range(slots)]
        last = offered**slots / math.factorial(slots) * slots / (slots - offered)
        return last / (sum(terms) + last) * math.exp(-(slots - offered) * wait)

    slots = erlang_slots(offered, wait, share)
    assert late(slots) <= share < late(slots - 1)


def test_a_step_in_the_rate_is_believed_soon_and_a_steady_rate_is_averaged_long():
    """Ten a second for an hour, then thirty: within three looks the forecast has moved."""
    rng = np.random.default_rng(5)
    arrivals, total = Arrivals(), 0
    for second in range(3600):
        total += int(rng.poisson(10))
        arrivals = arrivals.add(float(second), total)
    assert arrivals.trend(1.0).rate_hz(0.0) == pytest.approx(10, rel=0.05)
    for second in range(3600, 3604):
        total += int(rng.poisson(30))
        arrivals = arrivals.add(float(second), total)
    assert arrivals.trend(1.0).rate_hz(0.0) > 20
    assert len(arrivals.times_s) < 500


def test_silence_after_a_step_of_load_is_not_averaged_with_it():
    """3.5 a second for a minute and a half, then nothing: within five looks the rate is zero, and stays there."""
    rng = np.random.default_rng(0)
    arrivals, total, rates = Arrivals(), 0, []
    for second in range(120):
        total += int(rng.poisson(3.5)) if second < 90 else 0
        arrivals = arrivals.add(float(second), total)
        rates.append(arrivals.trend(1.0).rate_hz(2.4))
    assert rates[89] > 2
    assert set(rates[94:]) == {0.0}


def bursts(count, came, *, settled_hz=0.0, rate_hz=10.0, before=None):
    """Show rates of one look's age, each on top of a settled one, and what came in the ten seconds after."""
    persistence, now_s, total = before or Persistence(), 0.0, 0
    for _ in range(count):
        persistence = persistence.add(now_s, total, total, Trend(level_hz=settled_hz, span_s=60.0), 10.0)
        persistence = persistence.add(now_s + 1, total, total, Trend(level_hz=rate_hz, span_s=1.0), 10.0)
        persistence = persistence.add(now_s + 11, total, total + came, Trend(level_hz=settled_hz, span_s=60.0), 10.0)
        now_s, total = now_s + 600, total + came
    return persistence


def seen_anew(persistence, *, settled_hz=0.0, rate_hz=10.0):
    """Return it with a settled rate, and then one of a look's age."""
    settled = persistence.add(1e6, 0, 0, Trend(level_hz=settled_hz, span_s=60.0), 10.0)
    return settled.add(1e6 + 1, 0, 0, Trend(level_hz=rate_hz, span_s=1.0), 10.0)


def test_of_a_young_rate_as_much_is_believed_as_came_of_those_before():
    """Ten a second promise a hundred in ten seconds; what comes is twenty each time, at once or not."""
    assert seen_anew(bursts(3, 20)).outlook().coming(10.0) == pytest.approx(100)
    doubted = seen_anew(bursts(4, 20))
    assert doubted.outlook().coming(10.0) == pytest.approx(20)
    assert doubted.outlook().coming(1.0) == pytest.approx(10)
    assert doubted.lasting_hz(5.0) == pytest.approx(2)
    assert seen_anew(bursts(4, 5000)).outlook().coming(10.0) == pytest.approx(100)
    assert seen_anew(bursts(32, 100, before=bursts(40, 20))).outlook().coming(10.0) == pytest.approx(100)


def test_a_rate_that_has_lasted_is_not_doubted():
    """Bursts that were over at once say nothing of a load that goes on."""
    lasting = bursts(8, 20).add(1e6, 0, 0, Trend(level_hz=10.0, span_s=10.0), 10.0)
    assert lasting.outlook().coming(10.0) == pytest.approx(100)
    assert lasting.lasting_hz(0.0) == pytest.approx(10)


def test_a_rise_of_a_settled_load_is_not_doubted_for_bursts_from_nothing():
    """Nor the other way round; and what had settled is never doubted."""
    after_bursts = seen_anew(bursts(8, 20), settled_hz=8.0, rate_hz=14.0)
    assert after_bursts.outlook().coming(10.0) == pytest.approx(140)
    after_rises = bursts(8, 80, settled_hz=8.0, rate_hz=14.0)
    assert seen_anew(after_rises).outlook().coming(10.0) == pytest.approx(100)
    assert seen_anew(after_rises, settled_hz=8.0, rate_hz=14.0).outlook().coming(10.0) == pytest.approx(80)


def test_a_greater_promise_says_more_but_one_does_not_outweigh_all():
    """One of 46,000 of which nothing came, among 31 of a hundred that came true."""
    one = bursts(31, 100, before=bursts(1, 0, rate_hz=4600.0))
    assert 0.4 < seen_anew(one).outlook().coming(10.0) / 100 < 0.8


def test_what_chance_explains_is_no_promise():
    """A hundred and ten where a hundred had settled."""
    assert bursts(8, 0, settled_hz=10.0, rate_hz=11.0).rises.shares == ()


@pytest.mark.parametrize("jump_s", [-1e6, 1e6])
def test_promises_that_a_jump_of_the_clock_interrupts_tell_nothing(jump_s):
    """Neither are they counted, nor kept for ever."""
    persistence = Persistence()
    for number in range(8):
        at_s = number % 2 * jump_s + number
        persistence = persistence.add(at_s, number, number + 1, Trend(level_hz=10.0, span_s=1.0), 10.0)
    assert persistence.onsets.shares == ()


def test_a_history_that_skips_silent_looks_decides_promises_all_the_same():
    """The next look is an hour later: nothing came since the one before, so what came in time is known."""
    persistence = Persistence().add(0.0, 0, 5, Trend(level_hz=10.0, span_s=1.0), 10.0)
    persistence = persistence.add(5.0, 5, 30, Trend(level_hz=5.0, span_s=5.0), 10.0)
    assert persistence.add(3600.0, 30, 30, Trend(), 10.0).onsets.shares == ((0.25, 10.0),)
    assert persistence.add(3600.0, 30, 31, Trend(), 10.0).onsets.shares == ()


def test_a_season_that_has_proved_itself_is_not_doubted_for_bursts_that_did_not_last():
    """The rate of a young window counts a fifth, that of the hour of the day in full."""
    season = Season(period_s=960.0, rates_hz=(6.0,) * 96, error_hz=0.1, error_of_last_hz=1.0)
    learned = Learned(persistence=seen_anew(bursts(4, 20)), seasons=(season,), now_s=5.0)
    assert learned.outlook().coming(10.0) == pytest.approx(60)
    assert learned.lasting_hz(0.0) == pytest.approx(6)
    assert replace(learned, seasons=()).outlook().coming(10.0) == pytest.approx(20)


def test_a_settled_load_that_rises_after_bursts_is_served_in_time():
    """Six bursts, then eight a second for half an hour, then fourteen: nobody waits longer than twenty seconds."""
    rng = np.random.default_rng(0)
    short = [100 + 400 * number + np.sort(rng.uniform(0, 2, 300)) for number in range(6)]
    gaps = np.concatenate([rng.exponential(1 / hz, int(hz * 800)) for hz in (8, 14)])
    arrivals = np.concatenate((*short, 3500 + np.cumsum(gaps)))
    rule = ours(Objective(slo_s=20.0), EC2)
    result = run(np.sort(arrivals), 1.0, rule=rule, bounds=Bounds(minimum=0, maximum=40), warmup_s=4000.0)
    assert np.mean(result.waits_s > 20.0) <= 0.01


def test_boots_are_measured_even_where_nobody_is_seen_booting():
    """Workers that boot within a look are running at the next one; nothing is known of strangers and of late looks."""

    def seen(now_s, *since_s):
        there = tuple(
            Worker(worker_id=f"w{number}", state=WorkerState.RUNNING, since_s=at_s)
            for number, at_s in enumerate(since_s)
        )
        return Observation(now_s=now_s, visible=0, in_flight=0, workers=there, boot_s=0.8)

    learned = Learned()
    looks = (
        seen(10.0),
        seen(11.0, 10.7),
        seen(
            12.0, 10.7, 11.8, 3.0, 11.0
        ),  # one was there long before, and one comes back at the moment of the last look
        seen(13.0, 10.7, 11.8, 3.0, 11.0),
        seen(913.0, 10.7, 11.8, 3.0, 11.0, 900.0),
    )
    for look in looks:
        learned = learned.add(look, slots=9, slo_s=2.0, regret_s=1.0)
    assert learned.boots_s == pytest.approx((0.7, 0.8))


def test_the_rule_allows_for_boots_that_differ():
    """It reckons with the slowest boot measured."""
    learned, seen = Learned(), Observation(now_s=0.0, visible=0, in_flight=0, boot_s=40.0)
    assert crew(seen, learned, 40.0, 99.0).late_boot_s == pytest.approx(10.0)
    assert crew(seen, replace(learned, spread=(0.5, 1.5)), 40.0, 99.0).late_boot_s == pytest.approx(20.0)


def test_boots_that_differ_need_more_workers_than_even_ones_but_no_more_than_requests():
    """A hundred requests of a second, due 20 s after the mean boot; the slowest comes 15 s late."""

    def slots(late_boot_s, requests=100.0, spread=0.0, sigmas=0.0):
        alone = Crew(free=0, busy=0, ready_s=(), service_s=1.0, late_boot_s=late_boot_s, sigmas=sigmas)
        missing = Missing(mean=requests, spread=spread, most=requests + spread)
        return alone.more_slots(missing, within_s=65.0, ready_s=45.0)

    assert slots(0.0) == pytest.approx(100 / 21)
    assert slots(0.0) < slots(7.0) < slots(15.0) < 10
    assert slots(0.0) < slots(0.0, spread=10.0) == pytest.approx(110 / 21)
    assert slots(15.0) < slots(15.0, spread=10.0) < slots(15.0, spread=10.0, sigmas=2.0)
    assert slots(15.0, requests=6.0) == pytest.approx(1.0)
    boots_s = np.random.default_rng(3).uniform(30.0, 60.0, (20_000, int(np.ceil(slots(15.0)))))
    begun = (1 + np.maximum(0.0, 65.0 - boots_s)).sum(axis=1)
    assert np.mean(begun >= 100) > 0.95
    more = int(np.ceil(slots(15.0, sigmas=2.33)))
    boots_s = np.random.default_rng(4).uniform(30.0, 60.0, (20_000, more))
    begun = more + np.random.default_rng(5).poisson(np.maximum(0.0, 65.0 - boots_s)).sum(axis=1)
    assert np.mean(begun >= 100) > 0.97


def test_it_is_too_soon_until_the_shortest_idle_time_to_reckon_with_is_a_boot_away():
    """Idle times of ten minutes; nothing is too soon while there is work, or before there is a pattern."""
    idle = Idleness(gaps=((600.0, 2.0),) * 10, since_s=0.0, last_s=0.0)
    assert idle.too_soon(10.0, 45.0)
    assert idle.too_soon(520.0, 45.0)
    assert not idle.too_soon(560.0, 45.0)
    assert not replace(idle, since_s=None).too_soon(10.0, 45.0)
    assert not replace(idle, gaps=idle.gaps[:3]).too_soon(10.0, 45.0)


def test_how_long_a_burst_takes_to_be_done_does_not_blur_when_the_next_comes():
    """Bursts every ten minutes, done after five minutes at first and after one in the end."""
    pace = Pace(tick_s=5.0, boot_s=45.0, reach_s=50.0, patience_s=10.0, apart_s=0.0)
    idle, total = Idleness(), 0
    for number, done_s in enumerate((300, 200, 100, 60, 60, 60)):
        for into_s in range(0, 600, 5):
            before, total = total, 40 * (number + 1)
            idle = idle.add(600.0 * number + into_s, before, total, busy=into_s < done_s, pace=pace)
    assert [gap_s for gap_s, _ in idle.gaps] == [600.0] * 5


def test_nobody_is_kept_for_longer_than_an_hour_for_idle_times_of_days():
    """However dear it is to come too late."""
    levels = Levels()
    for at_s in (0.0, 1800.0, 90_000.0, 91_800.0, 180_000.0):
        for level in (1, 0):
            levels = levels.add(at_s + 1 - level, level, 1e9)
    assert 0 < levels.cheapest_s <= 3600


@pytest.mark.parametrize("at", [0.001, 50.0, 99.99, 99.9999])
def test_a_window_of_any_percentage_holds_an_idle_time_like_the_others(at):
    """Ten idle times of a minute: nobody waits for less than that, or for an hour."""
    assert 60.0 < latest(((60.0, 2.0),) * 10, at) < 70.0


def test_the_longest_idle_time_to_reckon_with_is_that_of_chance_where_chance_decides():
    """Exponential idle times, as their quantiles: the next is longer than 4.6 times the mean once in a hundred."""
    quantiles = -np.log1p(-(np.arange(24) + 0.5) / 24)
    mean = quantiles.mean()
    assert 4.3 * mean < latest(tuple((float(gap), 1.0) for gap in quantiles), 99.0) < 6.5 * mean


def test_before_there_is_a_pattern_work_may_come_back_for_up_to_an_hour():
    """The surer it shall be, the longer; with a pattern, that says when."""
    idle = Idleness(gaps=((60.0, 1.0),) * 3, since_s=0.0, last_s=0.0)
    assert idle.unknown(30.0, 45.0, 50.0)
    assert not idle.unknown(1000.0, 45.0, 50.0)
    assert idle.unknown(1000.0, 45.0, 99.0)
    assert not idle.unknown(3601.0, 45.0, 100.0)
    assert not replace(idle, gaps=idle.gaps * 2).unknown(30.0, 45.0, 50.0)


def test_a_fleet_of_nobody_learns_from_bursts_all_the_same():
    """A maximum of none divides nothing by nothing."""
    seen = [
        Observation(now_s=float(at_s), visible=50, in_flight=0, enqueued_total=50 * (1 + at_s // 600), boot_s=45.0)
        for at_s in range(0, 6000, 5)
    ]
    assert all(decision.start == 0 for decision in play(ours(), seen, Bounds(minimum=0, maximum=0)))


def test_boots_are_late_as_often_as_those_measured_would_be():
    """Guesses first; after 32 even boots of a second, a look of a second and an objective of two, none is."""
    learned, seen = Learned(), Observation(now_s=0.0, visible=0, in_flight=0, boot_s=1.0)
    assert 0 < learned.late_if_cold(1.0, 2.0) < 0.2
    assert learned.late_if_cold(1.0, 0.5) == 1.0
    for number in range(33):
        for state, at_s in ((WorkerState.PENDING, 2.0 * number), (WorkerState.RUNNING, 2.0 * number + 1)):
            worker = Worker(worker_id=f"w{number}", state=state, since_s=at_s)
            now = replace(seen, now_s=at_s, workers=(worker,))
            learned = learned.add(now, slots=19, slo_s=2.0, regret_s=1.0)
    assert learned.late_if_cold(1.0, 2.0) == pytest.approx(0.0, abs=1e-9)
    assert learned.late_if_cold(1.0, 1.5) == pytest.approx(0.5)


def test_a_season_is_trusted_once_it_foretells_better_than_yesterday_s_weather():
    """A square day: low, high, low; on the third day the rise is known before it comes."""
    season, total = Season(period_s=9600.0), 0
    for second in range(0, 3 * 9600, 10):
        total += 100 if (second // 2400) % 2 else 10
        season = season.add(float(second), total)
        if second < 9600:
            assert season.rate_hz(second + 2400.0) == 0.0
    assert season.rate_hz(3 * 9600 + 2450.0) == pytest.approx(10.0, rel=0.1)


@given(levels=st.lists(st.integers(0, 4), min_size=1, max_size=60), boot_s=st.sampled_from([2.0, 10.0, 45.0]))
def test_the_keeping_time_learned_is_the_cheapest_of_all(levels, boot_s):
    """Against every other keeping time, over the idle times it has seen."""
    known = Levels()
    for step, level in enumerate(levels):
        known = known.add(5.0 * step, level, boot_s)

    def cost(kept_s):
        return sum(idle if idle <= kept_s else kept_s + boot_s for idle in known.samples)

    assert all(cost(known.cheapest_s) <= cost(other) + 1e-9 for other in (0.0, *known.samples))


def test_the_reason_changes_only_in_its_numbers():
    """So that the log can be read down a column."""
    result = run(np.arange(0, 300, 1.0), 2.0)
    skeletons = {"".join(character for character in look.reason if character.isalpha()) for look in result.looks}
    assert all(first.split("so")[0] for first, _ in pairwise(sorted(skeletons)))
    assert len(skeletons) <= 8


def test_the_fewer_may_be_late_the_longer_workers_stay_after_a_rush():
    """Rushes at odd times: the fleet of one in 10,000 is there for more of them, and costs more."""
    rng = np.random.default_rng(2)
    begins = np.cumsum(rng.uniform(120, 900, 24))
    arrivals = (begins[:, None] + np.sort(rng.uniform(0, 20, 60))).ravel()
    kept = [run(arrivals, 1.0, rule=ours(Objective(slo_s=2.0, at=at), EC2)) for at in (90.0, 99.0, 99.99)]
    costs, waits_s = [one.billed_s for one in kept], [np.mean(one.waits_s) for one in kept]
    assert costs == sorted(costs)
    assert waits_s[0] > waits_s[1] > 1.1 * waits_s[2]


def test_a_fleet_that_boots_in_no_time_and_may_not_let_wait_divides_nothing_by_nothing():
    """Work comes after idling, before a request was timed."""
    looks = [(0.0, 0), (10.0, 0), (20.0, 3)]
    seen = [
        Observation(now_s=s, visible=total, in_flight=0, enqueued_total=1 + total, boot_s=0.0) for s, total in looks
    ]
    assert play(ours(Objective(slo_s=0.0)), seen)[-1].start == BOUNDS.maximum
