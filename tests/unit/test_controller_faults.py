"""The controller with a fleet, a queue and clocks that misbehave: within bounds, and soon itself again."""

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from paper_fleet import House

from facefleet.controller import loop
from facefleet.core.fleet import Decision, WorkerReport
from facefleet.core.scaling import NAMES
from facefleet.core.scaling.terms import Billing
from facefleet.errors import Unavailable

RULES = [name.replace("N", "3") for name in NAMES]


@pytest.mark.parametrize("rule", RULES)
async def test_every_decision_has_its_numbers_and_none_goes_beyond_the_maximum(rule):
    """A burst, a steady time and silence, under each rule: what was done can be told from the history alone."""
    house = House(rule, maximum=5)
    await house.second(arrivals=40)
    await house.seconds(40, arrivals=2)
    await house.seconds(200)
    decisions = await house.roster.decisions(limit=1000, acting_only=True)
    assert decisions
    for _, decision, seen in decisions:
        assert re.search(r"\d", decision.reason), decision
        assert decision.acts
        assert seen["enqueued_total"] >= seen["finished_total"] >= 0
    assert max(house.sizes) <= 5
    assert (await house.queue.counts()).finished_total == 40 + 80


@dataclass
class Greedy:
    """A rule that always wants a hundred more."""

    name: str = "greedy"

    def begin(self):
        return None

    def decide(self, seen, bounds, memory):
        return Decision(start=100, drain=(), reason="I want 100."), memory


async def test_a_rule_that_wants_too_much_gets_the_maximum():
    """A wrong rule costs no more than what the operator has allowed; the reason tells what became of its wish."""
    house = House(Greedy(), maximum=4)
    await house.seconds(10)
    assert set(house.sizes) == {4}
    _, decision, _ = (await house.roster.decisions(limit=10, acting_only=True))[-1]
    assert (decision.start, decision.reason) == (4, "I want 100. 0 of at most 4 are there: start 4.")


async def test_a_fleet_that_starts_nobody_is_not_asked_every_second():
    """Quotas and sold-out zones: some tries a minute, not sixty, and no more than the maximum each time."""
    house = House(maximum=8)
    house.fleet.most_at_once = 0
    await house.second(arrivals=50)
    await house.seconds(59)
    assert 2 <= len(house.fleet.asked) <= 7
    assert max(house.fleet.asked) <= 8
    house.fleet.most_at_once = 1000
    await house.seconds(60)
    assert (await house.queue.counts()).finished_total == 50


@pytest.mark.parametrize("rule", RULES)
async def test_a_fleet_that_starts_fewer_than_asked_gets_there_in_the_end(rule):
    """One at a time: never above the maximum, and every request is answered."""
    house = House(rule, maximum=6)
    house.fleet.most_at_once = 1
    await house.second(arrivals=60)
    await house.seconds(250)
    assert max(house.sizes) <= 6
    assert (await house.queue.counts()).finished_total == 60


@pytest.mark.parametrize("rule", RULES)
async def test_counts_that_lag_do_not_start_more_than_the_maximum(rule):
    """The queue tells what was true 5 s ago; nobody is started beyond the maximum for that."""
    house = House(rule, maximum=6)
    house.queue.lag = 5
    for _ in range(4):
        await house.second(arrivals=12)
        await house.seconds(39)
    assert max(house.sizes) <= 6


async def test_counts_that_lag_make_no_oscillation():
    """Under steady load and counts 5 s old, ours finds a size and keeps it."""
    house = House(maximum=8)
    house.queue.lag = 5
    await house.seconds(120, arrivals=3)
    started, drained = house.fleet.started, house.fleet.drained
    await house.seconds(120, arrivals=3)
    assert house.fleet.started - started <= 2
    assert house.fleet.drained - drained <= 2
    assert (await house.queue.counts()).visible <= 6


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0], ids=["ahead", "back"])
@pytest.mark.parametrize("clock", ["unix", "own"])
@pytest.mark.parametrize("after_s", [2, 90], ids=["while starting", "settled"])
async def test_a_clock_that_jumps_moves_nobody(*, jump_s, clock, after_s):
    """Unix time is set, or the controller sleeps for an hour: the fleet does as one that saw no jump, or nearly."""
    house, undisturbed = House(maximum=8), House(maximum=8)
    await house.seconds(after_s, arrivals=3)
    if clock == "unix":
        house.unix_offset_s += jump_s
    else:
        house.now_s += jump_s
        house.unix_offset_s -= jump_s
    await house.seconds(60, arrivals=3)
    await undisturbed.seconds(after_s + 60, arrivals=3)
    assert abs(house.fleet.started - undisturbed.fleet.started) <= 2
    assert abs(house.fleet.drained - undisturbed.fleet.drained) <= 2
    assert max(house.sizes) <= 8
    await house.seconds(400)
    assert house.sizes[-1] == 1  # a boot is longer than the objective, and somebody may come back within the hour
    assert (await house.queue.counts()).finished_total == 3 * (after_s + 60)


async def test_a_queue_that_is_away_freezes_the_fleet():
    """Nothing is decided without counts; workers go on, and afterwards nobody is started twice or drained at work."""
    house = House(maximum=8)
    await house.seconds(90, arrivals=3)
    size, started, drained = house.sizes[-1], house.fleet.started, house.fleet.drained
    house.queue.away = True
    await house.seconds(20, arrivals=3)
    assert (house.fleet.started, house.fleet.drained, house.sizes[-1]) == (started, drained, size)
    house.queue.away = False
    await house.seconds(30, arrivals=3)
    assert house.fleet.started - started <= 2
    assert house.fleet.drained - drained <= 2
    assert max(house.sizes) <= 8


async def test_worker_seconds_are_charged_from_order_to_end():
    """The total is what the workers were there for, whoever leads."""
    house = House(maximum=3)
    await house.seconds(30, arrivals=2)
    house.controller = house.new_controller("static 2")
    await house.seconds(60, arrivals=1)
    there_s = sum(house.sizes[:29]) + sum(house.sizes[30:89])  # a new controller's first look charges nothing
    total_s = await house.roster.worker_s_total()
    assert there_s <= total_s <= there_s + house.fleet.drained + house.fleet.started
    assert (await house.roster.decisions(limit=1))[0][2]["worker_s_total"] <= total_s


async def test_a_boot_that_ends_while_the_controller_sleeps_is_not_as_long_as_the_sleep():
    """A worker is ordered, the controller sleeps for an hour and finds it running."""
    house = House(boot_s=3)
    await house.seconds(4, arrivals=1)
    house.now_s += 3600
    await house.seconds(5)
    seen = (await house.roster.decisions(limit=1))[0][2]
    assert seen["running"] >= 1
    assert seen["boot_s"] < 10


async def test_a_new_controller_knows_how_long_boots_take():
    """From the history, so that it need not learn anew what a start costs."""
    house = House(boot_s=12)
    await house.seconds(60, arrivals=2)
    house.controller = house.new_controller("facefleet")
    await house.second()
    _, _, seen = (await house.roster.decisions(limit=1))[0]
    assert 5 < seen["boot_s"] <= 13


@pytest.mark.parametrize(
    ("recorded", "expected_s"),
    [
        ({"boot_s": 60.0}, 60.0),
        ({"boot_s": 2.0}, 45.0),  # processes, before
        ({"boot_s": 0.0}, 45.0),
        ({}, 45.0),
        ({"boot_s": 12.0, "stopped": 3.0}, 45.0),  # what stopped instances take; none is left
    ],
)
async def test_what_another_kind_of_start_took_is_not_expected_of_the_next(recorded, expected_s):
    """What was recorded last counts where it can be of such a fleet, and of such a start."""
    house = House(boot_s=45, usual_boot_s=45.0)
    await house.roster.record(Decision(start=0, drain=(), reason="before"), at_s=house.unix_s(), seen=recorded)
    await house.second()
    assert (await house.roster.decisions(limit=1))[0][2]["boot_s"] == pytest.approx(expected_s)


async def test_a_controller_that_leads_again_expects_what_the_one_before_it_timed():
    """What it timed itself is older than that."""
    house, stop = House(boot_s=12), asyncio.Event()
    await house.seconds(60, arrivals=2)

    @asynccontextmanager
    async def another_leads():
        stop.set()
        yield False

    lead, house.roster.lead = house.roster.lead, another_leads
    await house.controller.run(stop)
    house.roster.lead = lead
    await house.roster.record(Decision(start=0, drain=(), reason="other"), at_s=house.unix_s(), seen={"boot_s": 5.0})
    await house.second()
    assert (await house.roster.decisions(limit=1))[0][2]["boot_s"] == pytest.approx(5.0)


async def test_workers_that_nobody_heard_from_for_a_while_have_not_booted_anew():
    """The database is away for a quarter of a minute, and the controller looks before any worker reports again."""
    house = House(maximum=19, boot_s=30, usual_boot_s=30.0, silent_s=10.0)
    await house.seconds(200, arrivals=6)
    before_s = (await house.roster.decisions(limit=1))[0][2]["boot_s"]
    house.now_s += 15
    house.queue_s += 15
    await house.controller.tick()
    assert (await house.roster.decisions(limit=1))[0][2]["pending"] > 1
    await house.seconds(20, arrivals=6)
    assert (await house.roster.decisions(limit=1))[0][2]["boot_s"] == pytest.approx(before_s, abs=1.0)


@pytest.mark.parametrize("crashed", [True, False])
@pytest.mark.parametrize("standby", [True, False])
async def test_workers_elsewhere_are_not_replaced_because_the_database_was_away(monkeypatch, crashed, standby):
    """A crash empties the roster, and in an outage nobody reports; a controller is often the first that is back."""
    monkeypatch.setattr(loop, "_HEARD_AGAIN_S", 0.5)
    monkeypatch.setattr(loop, "_STANDBY_S", 0.01)
    house, stop = House("static 1", maximum=3, silent_s=10.0), asyncio.Event()
    far = WorkerReport(worker_id="far", host="elsewhere", pid=1, draining=False, jobs=("j",), finished=0)
    await house.roster.report(far)
    await begin_term(house)
    await house.seconds(3)
    controller, lead = house.new_controller("static 1") if standby else house.controller, house.roster.lead

    @asynccontextmanager
    async def away():
        house.now_s += 15
        if crashed:
            house.roster._reports.clear()
            house.roster._published_s = None
        house.roster.lead = lead
        raise Unavailable("It is away.")
        yield

    house.roster.lead = away
    running = asyncio.create_task(controller.run(stop))
    await asyncio.sleep(0.2)
    await house.roster.report(far)
    await asyncio.sleep(0.8)
    stop.set()
    await running
    assert house.fleet.started == 0
    assert "far" in {worker.worker_id for worker in await house.roster.workers()}


@pytest.mark.parametrize("stopped_s", [0, 3600])
async def test_an_ordinary_start_does_not_wait(stopped_s):
    """Of a service that is new, or has been away itself."""
    house, stop = House("static 1"), asyncio.Event()
    if stopped_s:
        await house.second()
        house.now_s += stopped_s
        house.fleet.places.clear()
    running = asyncio.create_task(house.new_controller("static 1").run(stop))
    await asyncio.sleep(0.3)
    stop.set()
    await running
    assert house.fleet.started == 1 + bool(stopped_s)


async def test_all_rooms_hear_how_few_are_kept_and_the_rule_for_how_long_each_was_charged_for():
    seen = []

    class Watching(Greedy):
        def decide(self, observation, bounds, memory):
            seen.append([worker.run_s for worker in observation.workers])
            return super().decide(observation, bounds, memory)

    house = House(Watching(), maximum=2, minimum=1)
    await house.seconds(10)
    assert await house.roster.minimum() == 1
    assert seen[-1] == pytest.approx([9.0, 9.0], abs=1.0)


@pytest.mark.parametrize(("jobs", "most"), [(1, 1), (30, 4)])
async def test_the_first_work_of_a_fleet_that_boots_slowly_gets_no_other_workers_for_those_on_their_way(jobs, most):
    """Boots take 45 s, as they usually do there; while two were expected, as of a process, it was thrice as many."""
    house = House(maximum=19, boot_s=45, usual_boot_s=45.0)
    await house.seconds(3)
    await house.second(arrivals=jobs)
    await house.seconds(100)
    assert 1 <= house.fleet.started <= most
    assert (await house.queue.counts()).finished_total == jobs


async def test_while_requests_come_a_reading_is_kept_every_ten_seconds():
    """As many as the simulator needs; while none come, one an hour."""
    house = House("static 1")
    await house.seconds(100, arrivals=1)
    busy = len(await house.roster.decisions(limit=1000))
    assert 10 <= busy <= 13
    await house.seconds(3 * 3600)
    assert 3 <= len(await house.roster.decisions(limit=1000)) - busy <= 5


async def test_the_end_of_a_silence_is_in_the_history():
    """Requests that came at once after ten minutes are not spread over these ten minutes."""
    house = House("static 1", minimum=1)
    await house.seconds(600)
    await house.second(arrivals=50)
    history = [(at_s, seen["enqueued_total"]) async for at_s, _, seen in house.roster.history()]
    assert history[-2:] == [(house.unix_s() - 1, 0), (house.unix_s(), 50)]


async def begin_term(house):
    """The controller comes to lead, as at its start or after an error."""
    stop, lead = asyncio.Event(), house.roster.lead

    @asynccontextmanager
    async def leading():
        stop.set()
        yield True

    house.roster.lead = leading
    await house.controller.run(stop)
    house.roster.lead = lead


async def test_the_time_in_which_nobody_led_is_charged_by_whoever_leads_next():
    """The workers are there and cost, and one of them came in that time."""
    house = House("static 2", maximum=3)
    await begin_term(house)
    await house.seconds(60)
    house.now_s += 30
    await house.fleet.start(1)
    house.now_s += 40
    house.controller = house.new_controller("static 3")
    await begin_term(house)
    await house.seconds(10)
    assert await house.roster.worker_s_total() == pytest.approx(2 * (60 + 70 + 10) + 40 + 10, abs=3)


async def test_two_controllers_that_lead_in_turn_charge_once():
    """Neither can start a worker, so each gives up the lead after every look."""
    house = House("static 4", maximum=4)
    await begin_term(house)
    await house.seconds(10)

    async def broken(count):
        raise Unavailable("The launch template is wrong.")

    house.fleet.start = broken
    one, other = house.controller, house.new_controller("static 4")
    name, _ = house.fleet.places.popitem()
    await house.roster.leave(name)
    before_s = await house.roster.worker_s_total()
    for n in range(40):
        house.controller = (one, other)[n % 2]
        await begin_term(house)
        await house.second()
    assert await house.roster.worker_s_total() - before_s == pytest.approx(3 * 40, abs=3)


async def test_a_controller_that_leads_again_charges_no_minimum_twice():
    """After each of its own errors, say."""
    house = House("static 2", maximum=2)
    house.billing = Billing(minimum_s=60.0)
    house.controller = house.new_controller("static 2")
    for _ in range(90):
        await begin_term(house)
        await house.second()
    assert await house.roster.worker_s_total() == pytest.approx(2 * 90, abs=3)


async def test_a_closed_fleet_is_charged_for_no_time_in_which_another_led():
    """The first controller lost the lead by an error, and ends only now."""
    house = House("static 2", maximum=2)
    await begin_term(house)
    await house.seconds(10)
    first, house.controller = house.controller, house.new_controller("static 2")
    await begin_term(house)
    await house.seconds(70)
    await first.take_leave()
    assert await house.roster.worker_s_total() == pytest.approx(2 * 80, abs=3)


async def test_two_that_lead_in_turn_record_what_is_refused_as_seldom_as_one():
    """Or the history of days would be pushed out by it."""
    house = House("static 3", maximum=3)

    async def broken(count):
        raise Unavailable("The launch template is wrong.")

    house.fleet.start = broken
    two = [house.controller, house.new_controller("static 3")]
    for n in range(60):
        house.controller = two[n % 2]
        await begin_term(house)
        await house.second()
    assert len(await house.roster.decisions(limit=100, acting_only=True)) <= 7


async def test_a_drain_that_is_refused_is_told_and_not_every_second():
    """Nobody was drained."""
    house = House("static 3", maximum=3)
    await house.seconds(20)

    async def broken(worker_ids):
        raise Unavailable("You are not authorized to perform ec2:CreateTags.")

    house.fleet.drain = broken
    house.controller = house.new_controller("static 1")
    await house.seconds(60)
    decisions = await house.roster.decisions(limit=100, acting_only=True)
    refused = [seen["drained"] for _, decision, seen in decisions if "Refused: You are not" in decision.reason]
    assert refused == [0] * len(refused)
    assert 5 <= len(refused) <= 7


async def test_what_the_fleet_refuses_is_told_and_not_every_second():
    """Whoever is called at night asks why there are no workers."""
    house = House("static 3", maximum=3)

    async def broken(count):
        raise Unavailable("The launch template is wrong.")

    house.fleet.start = broken
    await house.seconds(60)
    decisions = await house.roster.decisions(limit=100, acting_only=True)
    assert 5 <= len(decisions) <= 7
    for _, decision, seen in decisions:
        assert (decision.start, seen["started"]) == (3, 0)
        assert decision.reason.endswith("Refused: The launch template is wrong.")


async def test_a_fleet_that_starts_fewer_says_so_in_the_reason():
    """The first of three comes; then none any more."""
    house = House("static 3", maximum=3)
    house.fleet.most_at_once = 1
    await house.second()
    house.fleet.most_at_once = 0
    await house.seconds(30)
    decisions = await house.roster.decisions(limit=100, acting_only=True)
    assert [(decision.start, seen["started"]) for _, decision, seen in decisions][::-1][:2] == [(3, 1), (2, 0)]
    assert decisions[-1][1].reason.endswith("The fleet started 1.")
    assert len(decisions) <= 5


async def test_a_fleet_that_was_closed_is_shown_as_it_is():
    """Not as its controller last saw it; but one that never led, or does no longer, shows nothing."""
    house = House("static 2")
    await begin_term(house)
    await house.seconds(10)
    house.fleet.places.clear()
    house.roster._reports.clear()
    await house.new_controller("static 2").take_leave()
    async with house.roster.lead():
        await house.controller.take_leave()
    assert len(await house.roster.workers()) == 2
    await house.controller.take_leave()
    assert await house.roster.workers() == ()
