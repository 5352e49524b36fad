"""Our own rule spends no more than its budget, and all of it where it is asked to."""

import math
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from our_rule import BOUNDS, EC2, play, run, workers

from facefleet.core.fleet import Observation
from facefleet.core.scaling import policy
from facefleet.core.scaling.budget import Purse
from facefleet.core.scaling.terms import Billing, Objective


def test_a_budget_is_kept_in_the_long_run_and_its_savings_are_spent_on_a_rush():
    """Over T hours no more than the budget for T + 1 hours is spent, though the rush would have more."""
    world = replace(EC2, billing=Billing(price_per_h=1.0))
    rush = np.concatenate((np.arange(3600, 3700, 0.1), np.arange(3700, 10800, 0.4)))
    rule = policy("facefleet", objective=Objective(budget_per_h=4.0), billing=world.billing)
    result = run(rush, 5.0, world=world, rule=rule, duration_s=10800)
    hours = result.looks[-1].at_s / 3600
    assert result.billed_s / 3600 <= 4.0 * (hours + 1) + 0.1
    assert max(look.running for look in result.looks) > 4


def test_a_budget_for_two_and_a_half_workers_has_the_third_for_a_quarter_of_an_hour_and_the_two_always():
    """It is not started at one look and drained at the next, and nobody is drained for one that still boots."""
    world = replace(EC2, billing=Billing(price_per_h=1.0, minimum_s=60.0))
    rule = policy("facefleet", objective=Objective(slo_s=0.0, budget_per_h=2.5), billing=world.billing)
    result = run(np.arange(0, 36000, 5.0), 0.1, world=world, rule=rule, duration_s=36000)
    later = [look.running for look in result.looks if 900 < look.at_s < 36000]
    assert set(later) == {2, 3}
    assert 2.4 < result.billed_s / 36000 < 2.6
    stretches_s = [world.tick_s * len(list(there)) for count, there in groupby(later) if count == 3]
    assert min(stretches_s[1:-1]) > 600
    assert result.starts == pytest.approx(36000 / 1500, abs=2)


def spending(saved, pending=0, budget_per_h=2.5, spent=False, count=4, busy=4):
    """What is decided of workers at work on a long backlog, for an hour."""
    rule = policy("facefleet", objective=Objective(budget_per_h=budget_per_h), billing=Billing(price_per_h=1.0))
    memory, decisions = replace(rule.begin(), purse=Purse(saved=saved, spent=spent, now_s=0.0)), []
    there = workers(count - pending, pending=pending, busy=busy)
    for now_s in np.arange(5.0, 3600.0, 5.0):
        seen = Observation(
            now_s=now_s,
            visible=50,
            in_flight=busy,
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
    assert "budget for 6, so 6, with 4 there or coming and 2 ordered just now: hold" in second.reason


def test_workers_that_boot_over_budget_cost_none_at_work_its_place():
    """Two at work and two stuck: there is money for the two for as long as the two do not eat it up."""
    assert not any(decision.drain for decision in spending(0.045, pending=2)[:20])


@pytest.mark.parametrize("budget_per_h", [2.5, 2.9])
def test_once_all_is_spent_one_more_comes_when_it_is_paid_for_twenty_boots(budget_per_h):
    """Five minutes of it are paid for sooner; its boot would be a fifth of these. With little to add that is soon."""
    decided = spending(0.01, spent=True, count=2, busy=2, budget_per_h=budget_per_h)
    first = next(number for number, one in enumerate(decided, 1) if one.start)
    missing = 3 - budget_per_h
    assert first * 5.0 == pytest.approx((20 * 45.0 * missing - 36.0) / (1 - missing), abs=10)


def test_savings_that_could_not_be_spent_are_there_for_the_rush():
    """An hour in which no worker was to be had: the whole purse is spent then, over twenty boots."""
    assert spending(2.5, spent=True, count=2, busy=2)[0].start == 10


def test_no_hour_that_is_charged_whole_is_begun_for_twenty_boots():
    """Of a budget for 2.3 it takes seven tenths of an hour's price."""
    asked = {
        "boot_s": 45.0,
        "objective": Objective(budget_per_h=2.3),
        "billing": Billing(price_per_h=1.0, granularity_s=3600.0),
    }
    affords = [Purse(saved=saved, spent=True).affords(2, **asked) for saved in (0.65, 0.75)]
    assert affords == [2, 3]


def test_a_rush_after_one_that_spent_all_has_what_was_saved_since():
    """The fleet needed no more than the budget pays for in between."""
    purse = Purse(saved=0.0, spent=True, now_s=0.0)
    asked = {"boot_s": 45.0, "objective": Objective(budget_per_h=4.0), "billing": Billing(price_per_h=1.0)}
    calm = purse.count(300.0, 1, wanted=4, **asked)
    assert calm.count(305.0, 1, wanted=10, **asked).affords(1, **asked) == 7
    assert purse.count(300.0, 1, wanted=10, **asked).affords(1, **asked) == 5


def test_without_a_price_a_budget_buys_any_number():
    """What costs nothing is not counted."""
    asked = {"boot_s": 45.0, "objective": Objective(budget_per_h=4.0), "billing": Billing(price_per_h=0.0)}
    assert Purse(now_s=0.0).count(300.0, 9, wanted=10, **asked).affords(9, **asked) == math.inf


def test_nobody_waits_for_a_long_stretch_of_the_only_worker():
    """A budget for nine tenths of a worker has it back after little more than half a minute, for five minutes."""
    assert any(one.start for one in spending(0.0, spent=True, budget_per_h=0.9, count=0, busy=0)[:8])


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
