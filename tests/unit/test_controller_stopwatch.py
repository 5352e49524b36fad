"""How long boots take, as the controller sees it."""

import pytest

from facefleet.controller.stopwatch import Stopwatch
from facefleet.core.fleet import Worker, WorkerState


def look(now_s, **states):
    """Return a moment and the workers seen then, each as (state, since when)."""
    return [
        Worker(worker_id=name, state=WorkerState(state), since_s=at_s) for name, (state, at_s) in states.items()
    ], now_s


def timed(*looks, guess_s=45.0):
    """Return what each look says of the next boot."""
    stopwatch = Stopwatch(guess_s=guess_s, late_s=25.0)
    return [stopwatch.boot_s(*one) for one in looks]


def test_a_boot_counts_beside_the_guess_from_the_order_until_the_worker_is_ready():
    """Four times 45 s were expected, one took 70."""
    on_time = [look(float(at_s), a=("pending", 5.0)) for at_s in range(5, 75, 5)]
    assert timed(*on_time)[-1] == 45.0
    assert timed(*on_time, look(75.0, a=("running", 75.0)))[-1] == pytest.approx((4 * 45 + 70) / 5)


def test_a_boot_that_may_have_ended_long_before_this_look_is_not_timed():
    """The controller slept."""
    assert timed(look(5.0, a=("pending", 5.0)), look(3600.0, a=("running", 3600.0)))[-1] == 45.0


def test_nobody_who_was_running_already_is_timed():
    """A controller that takes over a fleet."""
    assert timed(look(1000.0, a=("running", 100.0)), look(1005.0, a=("running", 100.0)))[-1] == 45.0


def test_stopped_places_that_start_again_are_timed_apart_and_foretell_the_next_start_while_there_are_any():
    """One of two starts in 10 s; once none is left the next start is a new one, of which nothing is known yet."""
    two = {"a": ("stopped", 0.0), "b": ("stopped", 0.0)}
    again = [
        look(0.0, **two),
        look(5.0, **two | {"a": ("pending", 5.0)}),
        look(10.0, **two | {"a": ("pending", 5.0)}),
        look(15.0, **two | {"a": ("running", 15.0)}),
    ]
    assert timed(*again)[-1] == pytest.approx((4 * 45 + 10) / 5)
    none = look(20.0, a=("running", 15.0), b=("pending", 20.0))
    assert timed(*again, none)[-1] == 45.0
    assert timed(*again, none, look(30.0, a=("running", 15.0), b=("running", 30.0), c=("stopped", 30.0)))[-1] == (
        pytest.approx((4 * 45 + 10 + 10) / 6)
    )
