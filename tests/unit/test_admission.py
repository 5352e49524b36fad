"""Refusing early."""

import pytest

from facefleet.core.jobs import QueueCounts
from facefleet.errors import Overloaded
from facefleet.usecases.admission import Admission


def reading(visible, *, finished=0, busy_ms=0.0):
    return QueueCounts(
        visible=visible, in_flight=0, dead=0, oldest_age_s=0.0, finished_total=finished, busy_ms_total=busy_ms
    )


def admission(**options):
    return Admission(**{"max_workers": 2, "answer_within_s": 30.0} | options)


def test_before_the_queue_was_seen_everyone_is_let_in():
    """A web tier that has just started must not refuse."""
    admission().admit()


def test_a_backlog_that_cannot_be_answered_in_time_is_refused_with_the_numbers():
    """2 workers at 0.1 s a photo answer 600 in 30 s."""
    door = admission()
    door.observe(reading(600))
    door.admit()
    door.observe(reading(601))
    with pytest.raises(Overloaded, match=r"30 s long .* within 30 s"):
        door.admit()


def test_slow_answers_close_the_door_earlier():
    """The service time is measured, not assumed: at 2 s a photo 60 waiting ones are too many."""
    door = admission()
    door.observe(reading(60))
    door.admit()
    for second in range(1, 30):
        door.observe(reading(60, finished=second, busy_ms=second * 2000.0))
    with pytest.raises(Overloaded):
        door.admit()


def test_the_door_opens_again():
    """Once the backlog is gone requests are taken."""
    door = admission()
    door.observe(reading(10_000))
    door.observe(reading(0))
    door.admit()


def test_counts_that_jump_back_do_not_upset_the_estimate():
    """A purge or a new database lowers the totals."""
    door = admission()
    door.observe(reading(0, finished=1000, busy_ms=1e6))
    door.observe(reading(600, finished=0, busy_ms=0.0))
    door.admit()
