"""How long boots take, as the controller sees it."""

import pytest

from facefleet.controller.stopwatch import Stopwatch
from facefleet.core.boots import Boots
from facefleet.core.fleet import Worker, WorkerState


def look(now_s, **states):
    """Return the workers seen at a moment, each as (state, since when), and when that was."""
    return [
        Worker(worker_id=name, state=WorkerState(state), since_s=at_s) for name, (state, at_s) in states.items()
    ], now_s


def timed(*looks, expected_s=45.0):
    """Return what the latest look says of the next boot, on average, and of each worker there."""
    boots = Boots.expected(expected_s)
    stopwatch = Stopwatch(new=boots, stopped=boots, late_s=25.0)
    for one in looks:
        seen = stopwatch.look(*one)
    return stopwatch.next.mean_s, {worker.worker_id: worker.boot_s for worker in seen}


BOOTING = [look(float(at_s), a=("pending", 5.0)) for at_s in range(5, 75, 5)]


def test_a_boot_counts_beside_the_guess_from_the_order_until_the_worker_is_ready():
    """Four times 45 s were expected, one took 70; it is told of that worker for as long as it is there."""
    assert timed(*BOOTING) == (45.0, {"a": None})
    ready = look(75.0, a=("running", 75.0))
    mean_s = pytest.approx((4 * 45 + 70) / 5)
    assert timed(*BOOTING, ready) == (mean_s, {"a": 70.0})
    assert timed(*BOOTING, ready, look(80.0, a=("running", 75.0))) == (mean_s, {"a": 70.0})
    assert timed(*BOOTING, ready, look(80.0, a=("draining", 80.0)))[1] == {"a": None}


def test_a_boot_that_may_have_ended_long_before_this_look_is_not_timed():
    """The controller slept."""
    assert timed(*BOOTING, look(3600.0, a=("running", 3600.0))) == (45.0, {"a": None})


def test_nobody_who_was_running_already_is_timed():
    """A controller that takes over a fleet, and a worker that somebody else started long before it was seen."""
    assert timed(look(1000.0, a=("running", 100.0)), look(1005.0, a=("running", 100.0))) == (45.0, {"a": None})
    assert timed(look(0.0), look(5.0, a=("running", -100.0)), expected_s=1.0) == (1.0, {"a": None})


def test_boots_within_one_look_are_timed_from_the_look_before():
    """Unless that is less than half of what is usual: then the moment may be that of the order."""
    mean_s, took_s = timed(look(10.0), look(11.0, a=("running", 10.7)), expected_s=0.8)
    assert mean_s == pytest.approx((4 * 0.8 + 0.7) / 5)
    assert took_s == {"a": pytest.approx(0.7)}
    assert timed(look(10.0), look(11.0, a=("running", 10.3)), expected_s=0.8) == (0.8, {"a": None})


def test_a_worker_that_was_only_silent_has_not_booted():
    """A database was away for longer than the roster believes old reports; what it took before that is still known."""
    was = [*BOOTING, look(75.0, a=("running", 75.0), b=("running", 0.0))]
    silent = [look(float(at_s), a=("pending", 80.0), b=("pending", 80.0)) for at_s in (80, 85)]
    mean_s, took_s = timed(*was, *silent, look(90.0, a=("running", 90.0), b=("running", 90.0)))
    assert mean_s == pytest.approx((4 * 45 + 70) / 5)
    assert took_s == {"a": 70.0, "b": None}


def test_stopped_places_that_start_again_are_timed_apart_and_foretell_the_next_start_while_there_are_any():
    """One of two starts in 10 s; once none is left the next start is a new one, of which nothing is known yet."""
    two = {"a": ("stopped", 0.0), "b": ("stopped", 0.0)}
    again = [
        look(0.0, **two),
        look(5.0, **two | {"a": ("pending", 5.0)}),
        look(10.0, **two | {"a": ("pending", 5.0)}),
        look(15.0, **two | {"a": ("running", 15.0)}),
    ]
    assert timed(*again)[0] == pytest.approx(10.0)
    none = look(20.0, a=("running", 15.0), b=("pending", 20.0))
    assert timed(*again, none)[0] == 45.0
    third = look(30.0, a=("running", 15.0), b=("running", 30.0), c=("stopped", 30.0))
    assert timed(*again, none, third)[0] == pytest.approx(10.0)
