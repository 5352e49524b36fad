"""How the controller sees its fleet."""

import pytest

from facefleet.controller.sight import merge
from facefleet.core.fleet import Instance, WorkerReport, WorkerState


def instance(state, worker_id="w"):
    return Instance(worker_id=worker_id, state=state, since_s=100.0)


def report(worker_id="w", **options):
    return WorkerReport(
        **{"host": "h", "pid": 1, "draining": False, "jobs": (), "finished": 0, "idle_since_s": 150.0}
        | {"worker_id": worker_id}
        | options
    )


def test_a_process_that_has_not_reported_is_pending():
    """It runs, but its models are still loading: it takes no work."""
    (worker,) = merge([instance(WorkerState.RUNNING)], [])
    assert worker.state is WorkerState.PENDING


def test_a_worker_with_nothing_to_do_is_idle_since_it_said_so():
    """The policy drains those that have been idle."""
    (worker,) = merge([instance(WorkerState.RUNNING)], [report()])
    assert (worker.state, worker.idle_since_s) == (WorkerState.RUNNING, 150.0)


def test_a_busy_worker_is_not_idle():
    """Its jobs are what GET /v1/fleet shows as current work."""
    (worker,) = merge([instance(WorkerState.RUNNING)], [report(jobs=("j",))])
    assert (worker.jobs, worker.idle_since_s) == (("j",), None)


def test_a_worker_that_was_told_to_stop_by_anyone_is_draining():
    """A SIGTERM from an operator counts as much as one from the fleet."""
    (worker,) = merge([instance(WorkerState.RUNNING)], [report(draining=True, jobs=("j",))])
    assert (worker.state, worker.jobs) == (WorkerState.DRAINING, ("j",))


@pytest.mark.parametrize("state", [WorkerState.PENDING, WorkerState.STOPPING, WorkerState.STOPPED])
def test_what_the_technology_says_of_an_unsettled_instance_stands(state):
    """A late report of a stopping worker does not bring it back."""
    (worker,) = merge([instance(state)], [report()])
    assert worker.state is state


def test_a_worker_started_by_hand_counts():
    """`facefleet worker` on another machine is capacity like any other."""
    workers = merge([instance(WorkerState.RUNNING, "mine")], [report("mine"), report("by hand", jobs=("j",))])
    assert [(worker.worker_id, worker.state) for worker in workers] == [
        ("mine", WorkerState.RUNNING),
        ("by hand", WorkerState.RUNNING),
    ]
