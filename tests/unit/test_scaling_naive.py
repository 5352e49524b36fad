"""The original rule, held to the examples in which it was stated."""

import pytest

from facefleet.core.fleet import Bounds, Observation, Worker, WorkerState
from facefleet.core.scaling import policy
from facefleet.errors import InvalidInput

BOUNDS = Bounds(minimum=0, maximum=19)


def workers(state, count, *, jobs=(), first=0):
    return tuple(Worker(worker_id=f"w{first + i:02}", state=state, since_s=0.0, jobs=jobs) for i in range(count))


def decide(seen, *, name="naive", bounds=BOUNDS):
    rule = policy(name)
    decision, _ = rule.decide(seen, bounds, rule.begin())
    return decision


@pytest.mark.parametrize(
    ("messages", "running", "start", "drain"),
    [(14, 6, 8, 0), (48, 17, 2, 0), (4, 16, 0, 12), (48, 19, 0, 0)],
)
@pytest.mark.parametrize("in_flight", [0, 4])
def test_naive_answers_as_the_original_states(messages, running, start, drain, in_flight):
    """The four published examples hold, however the messages divide into visible and in flight."""
    busy = workers(WorkerState.RUNNING, in_flight, jobs=("job",))
    idle = workers(WorkerState.RUNNING, running - in_flight, first=in_flight)
    decision = decide(
        Observation(now_s=0, visible=messages - in_flight, in_flight=in_flight, workers=busy + idle),
    )
    assert (decision.start, len(decision.drain)) == (start, drain)
    assert str(messages) in decision.reason
    assert str(running) in decision.reason


def test_naive_drains_idle_workers_before_busy_ones():
    """With fewer messages than workers, those with nothing to do go first."""
    busy = workers(WorkerState.RUNNING, 3, jobs=("job",))
    idle = workers(WorkerState.RUNNING, 2, first=3)
    decision = decide(Observation(now_s=0, visible=0, in_flight=3, workers=busy + idle))
    assert set(decision.drain) == {"w03", "w04"}


@pytest.mark.parametrize("state", [WorkerState.PENDING, WorkerState.STOPPING, WorkerState.DRAINING])
def test_naive_leaves_unsettled_workers_alone(state):
    """A worker that boots, drains or stops neither counts as running nor is told anything."""
    seen = Observation(now_s=0, visible=5, in_flight=0, workers=workers(state, 3))
    decision = decide(seen)
    assert decision.start == 5
    assert decision.drain == ()
    assert decide(Observation(now_s=0, visible=0, in_flight=0, workers=workers(state, 3))).drain == ()


def test_naive_never_asks_for_more_than_the_fleet_has_room_for():
    """Pending workers do not count as running, but they do take a place."""
    seen = Observation(now_s=0, visible=50, in_flight=0, workers=workers(WorkerState.PENDING, 17))
    assert decide(seen).start == 2


def test_naive_plus_pending_asks_once_for_each_message():
    """The repaired rule counts the workers that are on their way."""
    seen = Observation(now_s=0, visible=5, in_flight=0, workers=workers(WorkerState.PENDING, 3))
    assert decide(seen, name="naive+pending").start == 2


def test_an_unknown_policy_is_refused_with_the_names_of_all():
    """The message is enough to correct the command."""
    with pytest.raises(InvalidInput, match="naive, naive\\+pending"):
        policy("nave")
