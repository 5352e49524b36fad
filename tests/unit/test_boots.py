"""How long boots take: guesses first, then the latest ones."""

import numpy as np
import pytest
from our_rule import run
from paper_fleet import House

from facefleet.adapters.ec2_fleet import Ec2Fleet
from facefleet.adapters.process_fleet import ProcessFleet
from facefleet.core.boots import GUESSED, Boots, slow, slowest, thinned
from facefleet.core.fleet import Decision
from facefleet.core.scaling import policy
from facefleet.core.scaling.cold import cold_start
from facefleet.core.scaling.terms import Objective
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.fleet import SimulatedFleet, World


def after(*boots_s: float, expected_s: float = 45.0) -> Boots:
    """Return what is known after these."""
    boots = Boots.expected(expected_s)
    for boot_s in boots_s:
        boots = boots.add(boot_s)
    return boots


def test_the_first_boots_do_not_decide_alone_what_boots_are():
    """Expected are 45 s, three take 58 s."""
    assert after().mean_s == pytest.approx(45.0)
    assert after(58.0, 58.0, 58.0).mean_s == pytest.approx((4 * 45 + 3 * 58) / 7)
    assert after(58.0, 58.0, 58.0).spread[0] < 0.7


def test_guesses_and_boots_that_were_otherwise_are_forgotten():
    """After 32 new ones nothing is left; before that the slow boot to reckon with is one that there was."""
    assert after(*[45.0] * 28, expected_s=30.0).mean_s == pytest.approx((4 * 30 + 28 * 45) / 32)
    assert after(*[45.0] * 32, expected_s=30.0).mean_s == pytest.approx(45.0)
    worse = after(*[45.0] * 400, *[90.0] * 16)
    assert worse.mean_s == pytest.approx(67.5)
    assert worse.mean_s * slow(worse.spread) == pytest.approx(90.0)
    assert after(*[45.0] * 400, *[90.0] * 32).spread == (1.0,) * 32


def test_a_boot_that_is_far_faster_than_expected_is_believed_at_once_until_others_are_not():
    """As of instances that start from an image in memory; half as long is not another kind yet."""
    assert after(5.0).mean_s == pytest.approx(5.0)
    assert after(22.5).mean_s == pytest.approx((4 * 45 + 22.5) / 5)
    assert after(5.0, 7.0, 9.0, 60.0).mean_s == pytest.approx((4 * 8 + 81) / 8)
    assert after(5.0, 60.0).mean_s == pytest.approx((4 * 45 + 65) / 6)
    assert after(5.0, 60.0, 44.0).mean_s == pytest.approx((4 * 45 + 109) / 7)


def test_slow_ones_are_believed_once_there_are_four_and_nothing_else():
    """Two seconds are expected, as of a process, and it takes 45; or 45 s are right, and the first took 180."""
    assert after(45.0, 45.0, 45.0, expected_s=2.0).mean_s == pytest.approx((4 * 2 + 3 * 45) / 7)
    assert after(45.0, 45.0, 45.0, 45.0, expected_s=2.0).mean_s == pytest.approx(45.0)
    assert after(90.0, 90.0, 90.0, 90.0).mean_s == pytest.approx((4 * 45 + 4 * 90) / 8)
    assert after(180.0).mean_s == pytest.approx((4 * 45 + 180) / 5)
    assert after(*[180.0] * 4, *[45.0] * 2).mean_s == pytest.approx((4 * 45 + 4 * 180 + 2 * 45) / 10)


def test_no_more_than_32_are_remembered():
    """So a fleet that is as it was expected again is not held for another kind for ever."""
    assert len(after(*[45.0] * 40).timed_s) == 32


def test_what_stands_for_all_boots_is_evenly_among_them():
    """Slow is the tenth slowest of a hundred, and neither is less than the mean."""
    assert (slow((0.75, 0.92, 1.08, 1.25)), slowest((0.75, 0.92, 1.08, 1.25))) == (1.25, 1.25)
    assert (slow((1.0,) * 32), slowest((0.9, 0.9))) == (1.0, 1.0)
    assert slow(tuple(0.5 + number / 32 for number in range(32))) == pytest.approx(0.5 + 28 / 32)
    assert thinned(tuple(range(8)), 4) == (1, 3, 5, 7)


def test_boots_of_nothing_can_be_divided_by():
    """A worker that was ready before anybody looked."""
    assert after(*[0.0] * 32).mean_s > 0


def test_boots_are_late_as_often_as_those_measured_would_be():
    """Guesses first; after 32 even boots of a second, a look of a second and an objective of two, none is."""

    def late(boots: Boots, slo_s: float) -> float:
        return cold_start(boots.spread, boots.mean_s, 1.0, Objective(slo_s=slo_s), 19).late_alone

    guessed, even = after(expected_s=1.0), after(*[1.0] * 32, expected_s=1.0)
    assert 0 < late(guessed, 2.0) < 0.2
    assert late(guessed, 0.5) == 1.0
    assert late(even, 2.0) == pytest.approx(0.0, abs=1e-9)
    assert late(even, 1.5) == pytest.approx(0.5)


def test_a_fleet_on_paper_times_its_boots_and_expects_the_true_mean_before():
    """A new worker of 30 to 60 s, then a stopped one of ten: while one is left, the next start is of that kind."""
    world = World(boot=durations("30-60"), warm=2, warm_boot=durations("10"))
    fleet = SimulatedFleet(world, np.random.default_rng(1))
    assert fleet.next_boots.mean_s == pytest.approx(10.0)
    fleet.start(3, 0.0)
    assert fleet.next_boots.mean_s == pytest.approx(45.0)
    workers, _ = fleet.observe(100.0)
    took_s = [worker.boot_s for worker in workers if worker.boot_s is not None]
    assert took_s[:2] == pytest.approx([10.0, 10.0])
    assert 30 <= took_s[2] <= 60
    assert fleet.next_boots.timed_s == pytest.approx((took_s[2],))


def test_an_instance_is_expected_to_take_longer_than_a_process():
    """A fleet of instances that were expected in two seconds ordered three times as many."""
    assert (ProcessFleet.usual_boot_s, Ec2Fleet.usual_boot_s) == (2.0, 45.0)


async def test_a_fleet_whose_boots_fit_the_objective_goes_back_to_none_though_none_was_expected_to():
    """Instances of five seconds, an objective of thirty; who needs 45 s is kept for the next request."""
    objective = Objective(slo_s=30.0)
    sizes = []
    for boot_s in (5, 45):
        house = House(policy("facefleet", objective=objective), boot_s=boot_s, usual_boot_s=45.0)
        await house.second(arrivals=1)
        await house.seconds(180)
        sizes.append(house.sizes[-1])
    assert sizes == [0, 1]


class Watching:
    """A rule that keeps what it is shown, and has one worker."""

    name = "watching"

    def __init__(self):
        self.seen = []

    def begin(self):
        return None

    def decide(self, seen, bounds, memory):
        self.seen.append(seen)
        return Decision(start=0 if seen.workers else 1, drain=(), reason="one"), memory


async def test_a_controller_shows_its_rule_how_boots_differ_and_what_each_worker_took():
    """One boot of twenty seconds, where fifteen were expected."""
    rule = Watching()
    house = House(rule, boot_s=20, usual_boot_s=15.0)
    await house.seconds(40)
    assert rule.seen[-1].workers[0].boot_s == pytest.approx(20.0, abs=1.5)
    assert rule.seen[-1].boot_spread[-1] * rule.seen[-1].boot_s == pytest.approx(20.0, abs=1.5)
    assert len(rule.seen[-1].boot_spread) == 5


def test_so_does_the_simulator():
    """The same boot is told of the worker and among the boots."""
    rule = Watching()
    run([0.0], 1.0, rule=rule, world=World(boot=durations("30-60"), tick_s=5.0), duration_s=120.0)
    last = rule.seen[-1]
    assert 30 <= last.workers[0].boot_s <= 60
    assert [boot * last.boot_s for boot in last.boot_spread] == pytest.approx(
        sorted((*(45 * guess for guess in GUESSED), last.workers[0].boot_s))
    )
