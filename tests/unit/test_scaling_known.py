"""The known rules, held to their sources by examples worked out by hand."""

import pytest

from facefleet.core.fleet import Bounds, Observation, Worker, WorkerState
from facefleet.core.scaling import policy
from facefleet.core.scaling.terms import Billing, Objective, per_hour, seconds
from facefleet.errors import InvalidInput

BOUNDS = Bounds(minimum=0, maximum=50)


def crew(busy, idle=0):
    return tuple(
        Worker(
            worker_id=f"w{number:02}",
            state=WorkerState.RUNNING,
            since_s=0.0,
            jobs=("job",) if number < busy else (),
            idle_since_s=None if number < busy else 0.0,
        )
        for number in range(busy + idle)
    )


def play(rule, seen):
    """Show a rule several observations; return its decisions."""
    memory, decisions = rule.begin(), []
    for one in seen:
        decision, memory = rule.decide(one, BOUNDS, memory)
        decisions.append(decision)
    return decisions


def test_backlog_divides_the_queue_by_what_one_worker_clears_within_the_objective():
    """AWS's own example: 1,500 messages, 10 s of latency at 0.1 s a message, so 100 a worker, need 15."""
    rule = policy("backlog", objective=Objective(slo_s=10))
    seen = Observation(now_s=0, visible=1500, in_flight=10, finished_total=100, busy_ms_total=10_000, workers=crew(10))
    assert play(rule, [seen])[0].start == 5


def test_backlog_shrinks_only_after_a_quarter_of_an_hour():
    """Target tracking waits for fifteen low readings."""
    seen = [Observation(now_s=60.0 * minute, visible=0, in_flight=0, workers=crew(0, 4)) for minute in range(17)]
    drained = [len(decision.drain) for decision in play(policy("backlog"), seen)]
    assert drained[:15] == [0] * 15
    assert drained[16] == 4


def test_keda_divides_by_five_and_holds_the_peak_of_five_minutes():
    """23 messages need 5 workers; they stay until the peak is 300 s old."""
    decisions = play(
        policy("keda"),
        [
            Observation(now_s=0, visible=23, in_flight=0),
            Observation(now_s=290, visible=0, in_flight=0, workers=crew(0, 5)),
            Observation(now_s=301, visible=0, in_flight=0, workers=crew(0, 5)),
        ],
    )
    assert [(one.start, len(one.drain)) for one in decisions] == [(5, 0), (0, 0), (0, 5)]


def test_kpa_panics_at_twice_what_is_ready_and_does_not_shrink_meanwhile():
    """Ten concurrent requests on two workers: 10 / 0.7 → 15 at once, kept for the minute after."""
    seen = [Observation(now_s=float(second), visible=0, in_flight=2, workers=crew(2)) for second in range(60)]
    seen += [Observation(now_s=60.0 + s, visible=8, in_flight=2, workers=crew(2)) for s in range(6)]
    seen.append(Observation(now_s=90.0, visible=0, in_flight=0, workers=crew(0, 15)))
    decisions = play(policy("kpa"), seen)
    assert decisions[65].start == 13
    assert decisions[-1].drain == ()
    assert "panic" in decisions[-1].reason


def test_hpa_scales_by_utilisation_and_tolerates_a_tenth():
    """Nine of ten in use against 80 % is 1.125 of the target: 12 workers; eight of ten: none."""
    busy = Observation(now_s=0, visible=40, in_flight=9, workers=crew(9, 1))
    steady = Observation(now_s=0, visible=0, in_flight=8, workers=crew(8, 2))
    assert play(policy("hpa"), [busy])[0].start == 2
    assert play(policy("hpa"), [steady])[0].start == 0


def test_hpa_never_scales_to_zero():
    """It cannot see a demand that nobody serves."""
    seen = [Observation(now_s=60.0 * minute, visible=0, in_flight=0, workers=crew(0, 2)) for minute in range(10)]
    assert max(len(decision.drain) for decision in play(policy("hpa"), seen)) == 1


def test_ray_serve_moves_after_thirty_seconds_up_and_ten_minutes_down():
    """A wish must last; only from zero it goes up at once."""
    rule = policy("rayserve")
    assert play(rule, [Observation(now_s=0, visible=6, in_flight=0)])[0].start == 3
    up = [Observation(now_s=float(s), visible=6, in_flight=2, workers=crew(2)) for s in range(0, 40, 5)]
    assert [decision.start for decision in play(rule, up)] == [0] * 6 + [2, 2]
    down = [Observation(now_s=60.0 * minute, visible=0, in_flight=0, workers=crew(0, 3)) for minute in range(12)]
    assert [len(decision.drain) for decision in play(rule, down)].index(3) == 10


def test_static_replaces_what_is_missing():
    """Three of five are there."""
    assert play(policy("static 5"), [Observation(now_s=0, visible=0, in_flight=3, workers=crew(3))])[0].start == 2


def test_static_beyond_the_bounds_says_so():
    decision = play(policy("static 99"), [Observation(now_s=0, visible=0, in_flight=0, workers=crew(3))])[0]
    assert decision.reason == "3 of 99 workers, at most 50 allowed: start 47."
    seen = Observation(now_s=0, visible=0, in_flight=0, workers=crew(2))
    decision, _ = policy("static 0").decide(seen, Bounds(minimum=2, maximum=9), None)
    assert decision.reason == "2 of 0 workers, at least 2 allowed: hold."


@pytest.mark.parametrize(("text", "value"), [("2s", 2.0), ("250ms", 0.25), ("1.5m", 90.0), ("1h", 3600.0), ("7", 7.0)])
def test_spans_of_time_are_read_as_people_write_them(text, value):
    """With a unit, or in seconds."""
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"), [("3/h", 3.0), ("24/d", 1.0), ("24/day", 1.0), ("3/hour", 3.0), ("730 / month", 1.0)]
)
def test_budgets_are_read_per_hour_day_or_month(text, value):
    """A month has 730 hours."""
    assert per_hour(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("read", "text"), [(seconds, "2 fortnights"), (seconds, "-1s"), (per_hour, "3"), (per_hour, "/h")]
)
def test_what_is_no_span_or_budget_is_refused_in_one_sentence(read, text):
    """The sentence shows how to write it."""
    with pytest.raises(InvalidInput, match="write one like"):
        read(text)


@pytest.mark.parametrize(("read", "text"), [(seconds, "9" * 400), (per_hour, "9" * 400 + "/h")])
def test_what_no_number_holds_is_refused(read, text):
    with pytest.raises(InvalidInput, match="more than a number can be"):
        read(text)


@pytest.mark.parametrize(
    ("run_s", "minimum_s", "granularity_s", "billed_s"),
    [(5, 60, 1, 60), (60.2, 60, 1, 61), (3600, 0, 3600, 3600), (3601, 0, 3600, 7200), (0, 0, 1, 0)],
)
def test_worker_time_is_charged_with_its_minimum_and_rounding(run_s, minimum_s, granularity_s, billed_s):
    """And what is paid for is the rest of what is charged."""
    billing = Billing(minimum_s=minimum_s, granularity_s=granularity_s)
    assert billing.billed_s(run_s) == billed_s
    assert billing.paid_for_s(run_s) == pytest.approx(billed_s - run_s)
