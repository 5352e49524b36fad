"""What every scaling rule promises, whatever it is shown."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facefleet.core.fleet import Bounds, Observation, Worker, WorkerState
from facefleet.core.scaling import NAMES, policy
from facefleet.core.scaling.terms import Objective

RULES = tuple("static 4" if name == "static N" else name for name in NAMES)
OBJECTIVES = tuple(f"facefleet within {slo_s} s" for slo_s in (0.5, 20, 60, 90))  # 45 s to boot, or one
SERVING = (WorkerState.PENDING, WorkerState.RUNNING)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rule_of(name):
    """Return a rule by its name, and for ours by its objective."""
    name, _, slo = name.partition(" within ")
    return policy(name, objective=Objective(slo_s=float(slo.removesuffix(" s"))) if slo else None)


@st.composite
def fleets(draw, most):
    """A fleet of at most `most` workers that serve, some of them busy, and others on their way out."""
    workers = []
    for number in range(draw(st.integers(0, most))):
        state = draw(st.sampled_from(SERVING))
        busy = state is WorkerState.RUNNING and draw(st.booleans())
        since = draw(st.floats(0, 50))
        workers.append(
            Worker(
                worker_id=f"w{number}",
                state=state,
                since_s=since,
                jobs=("job",) if busy else (),
                idle_since_s=since if state is WorkerState.RUNNING and not busy else None,
            )
        )
    for number in range(draw(st.integers(0, 3))):
        state = draw(st.sampled_from((WorkerState.DRAINING, WorkerState.STOPPING, WorkerState.STOPPED)))
        workers.append(Worker(worker_id=f"x{number}", state=state, since_s=0.0))
    return tuple(workers)


@st.composite
def histories(draw):
    """Bounds, and up to a dozen observations of one fleet whose totals grow."""
    maximum = draw(st.integers(1, 12))
    bounds = Bounds(minimum=draw(st.integers(0, maximum)), maximum=maximum)
    seen, now, finished = [], 60.0, 0
    boot_s = draw(st.sampled_from((1.0, 45.0)))
    for _ in range(draw(st.integers(1, 12))):
        workers = draw(fleets(maximum))
        in_flight = sum(len(worker.jobs) for worker in workers)
        visible = draw(st.integers(0, 60))
        finished += draw(st.integers(0, 30))
        seen.append(
            Observation(
                now_s=now,
                visible=visible,
                in_flight=in_flight,
                oldest_age_s=draw(st.floats(0, 90)) if visible else 0.0,
                enqueued_total=finished + visible + in_flight,
                finished_total=finished,
                busy_ms_total=finished * 700.0,
                workers=workers,
                boot_s=boot_s,
            )
        )
        now += draw(st.sampled_from((1.0, 5.0)))
    return bounds, seen


def follow(rule, bounds, seen):
    memory = rule.begin()
    for one in seen[:-1]:
        _, memory = rule.decide(one, bounds, memory)
    return memory


@pytest.mark.parametrize("name", [*RULES, *OBJECTIVES])
@given(history=histories())
@QUICK
def test_no_rule_leaves_the_bounds(name, history):
    """Serving workers never exceed the maximum, and are brought to the minimum; what is drained was running."""
    bounds, seen = history
    rule = rule_of(name)
    last = seen[-1]
    decision, _ = rule.decide(last, bounds, follow(rule, bounds, seen))
    serving = sum(worker.state in SERVING for worker in last.workers)
    assert 0 <= decision.start <= bounds.maximum - serving
    left = serving + decision.start - len(decision.drain)
    assert left >= min(bounds.minimum, serving)
    running = {worker.worker_id for worker in last.workers if worker.state is WorkerState.RUNNING}
    assert set(decision.drain) <= running
    assert len(set(decision.drain)) == len(decision.drain)
    assert not (decision.start and decision.drain)


@pytest.mark.parametrize("name", [*RULES, *OBJECTIVES])
@given(history=histories())
@QUICK
def test_no_rule_drains_a_worker_at_work(name, history):
    """Scale-in takes workers that have nothing to do, as long as the counts agree with the workers."""
    bounds, seen = history
    rule = rule_of(name)
    decision, _ = rule.decide(seen[-1], bounds, follow(rule, bounds, seen))
    busy = {worker.worker_id for worker in seen[-1].workers if worker.jobs}
    assert not busy & set(decision.drain)


@pytest.mark.parametrize("name", [*RULES, *OBJECTIVES])
@given(history=histories(), more=st.integers(1, 40))
@QUICK
def test_more_demand_never_means_fewer_workers(name, history, more):
    """The same moment with more requests waiting is answered with at least as many workers."""
    bounds, seen = history
    rule = rule_of(name)
    memory = follow(rule, bounds, seen)
    last = seen[-1]
    if not last.visible:
        last = replace(last, visible=1, enqueued_total=last.enqueued_total + 1)
    busier = replace(last, visible=last.visible + more, enqueued_total=last.enqueued_total + more)
    calm, _ = rule.decide(last, bounds, memory)
    crowded, _ = rule.decide(busier, bounds, memory)
    assert crowded.start - len(crowded.drain) >= calm.start - len(calm.drain)


@pytest.mark.parametrize("name", [*RULES, *OBJECTIVES])
@given(history=histories())
@QUICK
def test_every_decision_has_its_reason_in_one_sentence_with_numbers(name, history):
    """The log and the console show why."""
    bounds, seen = history
    rule = rule_of(name)
    decision, _ = rule.decide(seen[-1], bounds, follow(rule, bounds, seen))
    assert decision.reason.endswith(".")
    assert "\n" not in decision.reason
    assert any(character.isdigit() for character in decision.reason)


def onset(came, service_s):
    """A fleet of nobody that has timed its work, a hundred seconds of nothing, and then so many at each look."""
    quiet = Observation(
        now_s=0.0, visible=0, in_flight=0, enqueued_total=0, finished_total=0, busy_ms_total=0.0, boot_s=45.0
    )
    yield quiet
    for look in range(20):
        yield replace(quiet, now_s=5.0 * (1 + look), enqueued_total=9, finished_total=9, busy_ms_total=9e3 * service_s)
    for look in range(len(came)):
        visible = sum(came[: look + 1])
        yield replace(
            quiet,
            now_s=105.0 + 5.0 * look,
            visible=visible,
            oldest_age_s=5.0 * look,
            enqueued_total=9 + visible,
            finished_total=9,
            busy_ms_total=9e3 * service_s,
        )


@given(
    came=st.lists(st.integers(1, 80), min_size=1, max_size=5),
    more=st.integers(1, 60),
    service_s=st.sampled_from((0.1, 1.0, 5.0)),
    slo_s=st.sampled_from((2.0, 20.0, 60.0, 75.0, 90.0)),
)
@settings(QUICK, max_examples=300)
def test_more_demand_never_means_fewer_workers_where_a_load_begins(came, more, service_s, slo_s):
    """The last look of an onset, with more requests: a rise that is sharper is no reason to expect it to end."""
    rule, bounds = policy("facefleet", objective=Objective(slo_s=slo_s)), Bounds(minimum=0, maximum=19)
    seen = list(onset(came, service_s))
    busier = list(onset([*came[:-1], came[-1] + more], service_s))[-1]
    memory = follow(rule, bounds, seen)
    calm, _ = rule.decide(seen[-1], bounds, memory)
    crowded, _ = rule.decide(busier, bounds, memory)
    assert crowded.start >= calm.start


@given(
    came=st.integers(10, 60),
    more=st.integers(20, 90),
    lasted=st.sampled_from(((45.0, 5.0, 15), (20.0, 5.0, 7), (1.0, 1.0, 2), (1.0, 1.0, 3))),
    service_s=st.sampled_from((1.0, 5.0)),
    slo_s=st.sampled_from((2.0, 20.0, 60.0, 75.0)),
    running=st.sampled_from((0, 1, 8)),
)
@settings(QUICK, max_examples=400)
def test_more_demand_never_means_fewer_workers_where_a_load_has_just_lasted(
    came, more, lasted, service_s, slo_s, running
):
    """That is, for a boot and a look. Those of the last look wait, and more of these do not make the load new again."""
    rule, bounds = policy("facefleet", objective=Objective(slo_s=slo_s)), Bounds(minimum=0, maximum=40)
    (boot_s, tick_s, looks), memory, total = lasted, rule.begin(), 0
    there = tuple(
        Worker(worker_id=f"w{number}", state=WorkerState.RUNNING, since_s=0.0, idle_since_s=0.0)
        for number in range(running)
    )
    for number in range(20 + looks):
        total += came if number >= 20 else 0
        seen = Observation(
            now_s=tick_s * number,
            visible=0,
            in_flight=0,
            enqueued_total=total,
            finished_total=total,
            busy_ms_total=1e3 * service_s * total,
            boot_s=boot_s,
            workers=there,
        )
        _, memory = rule.decide(seen, bounds, memory)
    last = replace(seen, now_s=seen.now_s + tick_s, visible=came, enqueued_total=total + came)
    busier = replace(last, visible=came + more, enqueued_total=total + came + more)
    calm, _ = rule.decide(last, bounds, memory)
    crowded, _ = rule.decide(busier, bounds, memory)
    assert crowded.start - len(crowded.drain) >= calm.start - len(calm.drain)


@given(
    bursts=st.lists(st.tuples(st.integers(1, 60), st.integers(12, 50)), min_size=2, max_size=6),
    came=st.integers(1, 20),
    more=st.integers(1, 40),
    service_s=st.sampled_from((1.0, 5.0)),
    slo_s=st.sampled_from((2.0, 20.0, 60.0)),
)
@example(bursts=[(15, 50), (20, 48), (48, 23)], came=4, more=1, service_s=5.0, slo_s=2.0)
@example(bursts=[(4, 37), (26, 20)], came=1, more=1, service_s=5.0, slo_s=20.0)
@example(bursts=[(39, 25), (27, 28), (17, 23), (16, 49), (45, 27)], came=9, more=1, service_s=5.0, slo_s=20.0)
@example(bursts=[(43, 20), (40, 32), (37, 44), (39, 46), (28, 44)], came=9, more=1, service_s=5.0, slo_s=20.0)
@settings(QUICK, max_examples=300)
def test_more_demand_never_means_fewer_workers_where_work_comes_back(bursts, came, more, service_s, slo_s):
    """The first look of a burst, with more requests; those before were over at once, each followed by so many looks."""
    rule, bounds = policy("facefleet", objective=Objective(slo_s=slo_s)), Bounds(minimum=0, maximum=40)
    memory, now_s, total = rule.begin(), 0.0, 0
    for size, looks in bursts:
        total += size
        for _ in range(1 + looks):
            seen = Observation(
                now_s=now_s,
                visible=0,
                in_flight=0,
                enqueued_total=total,
                finished_total=total,
                busy_ms_total=1e3 * service_s * total,
                boot_s=45.0,
            )
            _, memory = rule.decide(seen, bounds, memory)
            now_s += 5.0
    calm, crowded = (
        rule.decide(replace(seen, now_s=now_s, visible=count, enqueued_total=total + count), bounds, memory)[0]
        for count in (came, came + more)
    )
    assert crowded.start >= calm.start
