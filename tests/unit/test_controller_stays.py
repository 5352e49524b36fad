"""Since when workers are in their states, whatever the clocks of others say."""

import pytest

from facefleet.controller.stays import Stays
from facefleet.core.fleet import Worker, WorkerState

UNIX_S = 1_700_000_000.0


def worker(since_s, state=WorkerState.RUNNING, idle_since_s=None):
    return Worker(worker_id="w", state=state, since_s=UNIX_S + since_s, idle_since_s=idle_since_s)


def ages(looks):
    """Return the worker's age, and how long it was idle, at each look of (own clock, Unix clock, worker)."""
    stays, told = Stays(longest_s=5.0), []
    for now_s, unix_s, one in looks:
        (own,) = stays.by_own_clock([one], now_s=now_s, unix_s=UNIX_S + unix_s)
        told.append((now_s - own.since_s, None if own.idle_since_s is None else now_s - own.idle_since_s))
    return told


def test_a_worker_ages_with_the_clock_of_the_controller():
    """From what it says at the first look on."""
    assert ages([(7.0, 30.0, worker(10.0)), (9.0, 32.0, worker(10.0))]) == [(20, None), (22, None)]


@pytest.mark.parametrize("set_by_s", [3600.0, -3600.0])
def test_a_unix_clock_that_is_set_makes_nobody_older_or_younger(set_by_s):
    """Neither those that were there nor what they tell of their idleness."""
    idle = worker(10.0, idle_since_s=UNIX_S + 20.0)
    looks = [(7.0, 30.0, idle), (8.0, 31.0 + set_by_s, idle), (9.0, 32.0 + set_by_s, idle)]
    assert ages(looks) == [(20, 10), (21, 11), (22, 12)]


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_nobody_ages_while_the_controller_sleeps(jump_s):
    """What happened when, it cannot tell; a boot that it slept through did not take an hour."""
    pending = worker(10.0, WorkerState.PENDING)
    (_, (age_s, _), (later_s, _)) = ages(
        [(7.0, 12.0, pending), (7.0 + jump_s, 12.0 + jump_s, pending), (8.0 + jump_s, 13.0 + jump_s, pending)]
    )
    assert 2 <= age_s <= 2 + 5
    assert later_s == age_s + 1


def test_a_new_state_begins_when_it_is_seen():
    """A process says since when it runs, not since when it works."""
    looks = [(7.0, 10.0, worker(10.0, WorkerState.PENDING)), (9.0, 12.0, worker(10.0)), (10.0, 13.0, worker(10.0))]
    assert [age_s for age_s, _ in ages(looks)] == [0, 0, 1]


def test_a_worker_that_comes_later_is_no_older_than_the_last_look():
    """However far the clock of its machine is off."""
    stays = Stays(longest_s=5.0)
    stays.by_own_clock([], now_s=7.0, unix_s=UNIX_S + 10.0)
    (early,) = stays.by_own_clock([worker(-500.0)], now_s=8.0, unix_s=UNIX_S + 11.0)
    assert early.since_s == 7.0


def test_idleness_begins_anew_after_work():
    """And is unknown meanwhile."""
    looks = [
        (7.0, 10.0, worker(0.0, idle_since_s=UNIX_S + 9.0)),
        (8.0, 11.0, worker(0.0)),
        (10.0, 13.0, worker(0.0, idle_since_s=UNIX_S + 12.5)),
        (11.0, 14.0, worker(0.0, idle_since_s=UNIX_S + 12.5)),
    ]
    assert [idle_s for _, idle_s in ages(looks)] == [1, None, 0.5, 1.5]


def test_a_stopped_place_that_starts_again_does_so_since_it_was_told_to():
    """Which is what its boot is counted from; no longer ago than the last look, whatever it says."""
    stopped = worker(-900.0, WorkerState.STOPPED)
    for told_s, age_s in ((11.0, 1.5), (-500.0, 2.0)):
        looks = [(7.0, 10.5, stopped), (9.0, 12.5, worker(told_s, WorkerState.PENDING))]
        assert ages(looks)[-1] == (age_s, None)
