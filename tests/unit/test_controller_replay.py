"""A controller that starts anew knows what the one before it learned."""

import asyncio
import re

import pytest
from paper_fleet import House

from facefleet.adapters.memory import MemoryRoster
from facefleet.controller.replay import memory_of_history
from facefleet.core.fleet import Bounds, Decision, Learner, Observation
from facefleet.core.scaling import policy
from facefleet.core.scaling.facefleet import Facefleet
from facefleet.core.scaling.terms import Billing, Objective

DAY_S = 9600.0
HELD = Decision(start=0, drain=(), reason="")


async def record(roster, *, from_s, until_s, rate_hz, total, step_s=10.0):
    """Record readings of a constant rate of requests of a second each; return the total."""
    at_s = from_s
    while at_s < until_s:
        at_s += step_s
        total += int(rate_hz * step_s)
        seen = {"enqueued_total": total, "finished_total": total, "busy_ms_total": 1000.0 * total, "boot_s": 3.0}
        await roster.record(HELD, at_s=at_s, seen=seen | {"visible": 0, "in_flight": 0, "running": 2})
    return total


async def test_a_new_controller_knows_the_hour_of_the_day_that_the_last_one_learned():
    """A day of low, high, low, high: after a restart the rise is known in its first minute, before anybody comes."""
    house = House(Facefleet(periods_s=(DAY_S,)), maximum=19)
    begin_s = house.unix_offset_s + (3 * DAY_S + 10) - house.unix_offset_s % DAY_S
    house.unix_offset_s = begin_s + 2400.0 - house.now_s
    total, at_s = 0, begin_s - 3 * DAY_S
    while at_s < begin_s + 2400:
        rate_hz = 10 if int((at_s - begin_s) // 2400) % 2 else 1
        total = await record(house.roster, from_s=at_s, until_s=at_s + 2400, rate_hz=rate_hz, total=total)
        at_s += 2400
    stop = asyncio.Event()
    house.now_s += 60  # into the rise, and nobody has come yet
    running = asyncio.create_task(house.controller.run(stop))
    while not (await house.roster.decisions(limit=1))[0][1].reason:
        await asyncio.sleep(0.01)
    stop.set()
    await running
    reason = (await house.roster.decisions(limit=1))[0][1].reason
    assert float(re.search(r"at ([\d.]+)/s", reason)[1]) == pytest.approx(10, rel=0.2)
    assert house.fleet.started > 5


async def test_of_a_silence_with_a_reading_an_hour_the_end_is_known():
    """Work that came every two hours is expected again after two, not after one."""
    roster = MemoryRoster(clock=lambda: 0.0)
    total = 0
    for begin_s in range(0, 16 * 7200, 7200):
        total = await record(roster, from_s=begin_s, until_s=begin_s + 60, rate_hz=1, total=total)
        await record(roster, from_s=begin_s + 60, until_s=begin_s + 7190, rate_hz=0, total=total, step_s=3565)
    memory = await memory_of_history(
        roster, policy("facefleet"), Bounds(minimum=0, maximum=19), now_s=-5.0, unix_s=16.0 * 7200
    )
    idle_s = [gap_s for gap_s, _ in memory.learned.idleness.gaps]
    assert len(idle_s) >= 10
    assert idle_s == pytest.approx([7130.0] * len(idle_s), abs=60)


@pytest.mark.parametrize("name", ["facefleet", "naive", "kpa"])
async def test_any_rule_remembers_from_nothing_what_it_begins_with(name):
    """A history that is empty changes nothing."""
    rule = policy(name)
    roster = MemoryRoster(clock=lambda: 0.0)
    memory = await memory_of_history(roster, rule, Bounds(minimum=0, maximum=19), now_s=1.0, unix_s=1e9)
    assert memory == rule.begin()


async def test_readings_from_the_future_are_left_out():
    """A clock that was set back; what was recorded by the right time since is learned."""
    rule, memories = policy("facefleet"), []
    for ahead in (True, False):
        roster = MemoryRoster(clock=lambda: 0.0)
        if ahead:
            await record(roster, from_s=2000.0, until_s=2100.0, rate_hz=5, total=0)
            bounds = Bounds(minimum=0, maximum=19)
            assert await memory_of_history(roster, rule, bounds, now_s=1.0, unix_s=1000.0) == rule.begin()
        await record(roster, from_s=700.0, until_s=900.0, rate_hz=5, total=500)
        memories.append(await memory_of_history(roster, rule, bounds, now_s=1.0, unix_s=1000.0))
    assert memories[0] == memories[1] != rule.begin()


async def test_what_was_saved_of_a_budget_is_there_after_a_restart():
    """Two workers of three that are paid for, for a quarter of an hour; a budget that began anew would have nothing."""
    roster = MemoryRoster(clock=lambda: 0.0)
    await record(roster, from_s=0, until_s=910, rate_hz=1, total=0)
    rule = Facefleet(objective=Objective(budget_per_h=3.0), billing=Billing(price_per_h=1.0))
    memory = await memory_of_history(roster, rule, Bounds(minimum=0, maximum=9), now_s=0.0, unix_s=1000.0)
    assert memory.purse.saved == pytest.approx(0.25)


async def test_what_is_past_is_learned_as_if_it_had_been_decided():
    """Bursts every ten minutes: the same idle times and rates, with no plan made for what is over."""
    roster, total = MemoryRoster(clock=lambda: 0.0), 0
    for begin_s in range(0, 6000, 600):
        total = await record(roster, from_s=begin_s, until_s=begin_s + 30, rate_hz=4, total=total)
        total = await record(roster, from_s=begin_s + 30, until_s=begin_s + 600, rate_hz=0, total=total)
    rule, bounds = policy("facefleet"), Bounds(minimum=0, maximum=19)
    assert isinstance(rule, Learner)
    decided = learned = rule.begin()
    async for at_s, _, seen in roster.history(since_s=0.0):
        look = Observation(
            now_s=at_s,
            visible=int(seen["visible"]),
            in_flight=int(seen["in_flight"]),
            enqueued_total=int(seen["enqueued_total"]),
        )
        decided = rule.decide(look, bounds, decided)[1]
        learned = rule.learn(look, bounds, learned)
    assert len(learned.learned.idleness.gaps) >= 8
    assert learned.learned == decided.learned
