"""More demand never means fewer workers: at no look of a load, whatever came before, from nothing to a rush."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from our_rule import ours, run, workers

from facefleet.core.fleet import Bounds, Observation
from facefleet.core.scaling import policy
from facefleet.core.scaling.budget import Purse
from facefleet.core.scaling.facefleet import _workers
from facefleet.core.scaling.forecast import Arrivals
from facefleet.core.scaling.staffing import erlang_slots
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.fleet import World

WORLDS = {
    "ec2": World(boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(price_per_h=1.0, minimum_s=60.0)),
    "cloud": World(boot=durations("15-25"), stop_s=5.0, tick_s=3.0, billing=Billing(price_per_h=1.0, minimum_s=30.0)),
    "processes": World(boot=durations("1"), stop_s=1.0, tick_s=1.0, billing=Billing(price_per_h=1.0, minimum_s=30.0)),
}
AFTER_A_LULL = [2, 2, 3, 2, 1, 3, 2, 1, 1, 3, 1, 3, 3, 3, 1, 3] * 2 + [0] * 7 + [1, 2, 2, 0, 1]
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Tempted:
    """Our rule, asked at each look what it would do about some requests more.

    Attributes:
        lost: (look, requests more, workers fewer) wherever it would have had fewer workers.
    """

    rule: object
    more: int
    name: str = "tempted"
    lost: list = field(default_factory=list)

    def begin(self):
        return self.rule.begin()

    def decide(self, seen, bounds, memory):
        decision, kept = self.rule.decide(seen, bounds, memory)
        for more in (1, self.more):
            busier = replace(seen, visible=seen.visible + more, enqueued_total=seen.enqueued_total + more)
            crowded, _ = self.rule.decide(busier, bounds, memory)
            fewer = (decision.start - len(decision.drain)) - (crowded.start - len(crowded.drain))
            if fewer > 0:
                self.lost.append((seen.now_s, more, fewer))
        return decision, kept


def drawn(spells, tick_s, seed):
    """Return arrivals by chance, in spells of (requests a look, looks)."""
    rng = np.random.default_rng(seed)
    counts = [rng.poisson(rate) for rate, looks in spells for _ in range(looks)]
    moments = [number + rng.uniform(0, 1, count) for number, count in enumerate(counts)]
    return tick_s * np.sort(np.concatenate(moments))


spells = st.lists(
    st.tuples(st.sampled_from((0.0, 0.1, 0.5, 1.0, 3.0, 8.0, 30.0)), st.integers(1, 25)), min_size=2, max_size=8
)


@pytest.mark.parametrize("world", WORLDS)
@given(
    spells=spells,
    seed=st.integers(0, 1000),
    more=st.sampled_from((2, 5, 20)),
    service_s=st.sampled_from((0.05, 1.0, 5.0)),
    work=st.sampled_from(("{0}", "exp:{0}", "lognormal:{0}:3")),
    ratio=st.sampled_from((0.05, 0.2, 0.5, 1.0, 1.3, 1.8)),
    capacity=st.sampled_from((1, 4)),
    budget_per_h=st.sampled_from((None, 0.9, 2.3, 8.0)),
)
@SLOW
def test_one_request_more_or_many_never_cost_a_worker(
    world, spells, seed, more, service_s, work, ratio, capacity, budget_per_h
):
    """Objectives from far below a boot to far above, with and without a budget."""
    fleet = replace(WORLDS[world], capacity=capacity)
    arrivals = drawn(spells, fleet.tick_s, seed)
    if arrivals.size:
        objective = Objective(slo_s=ratio * fleet.boot.mean_s, budget_per_h=budget_per_h)
        tempted = Tempted(ours(objective, fleet), more)
        services_s = durations(work.format(service_s)).draw(np.random.default_rng(seed), arrivals.size)
        run(arrivals, services_s, world=fleet, rule=tempted)
        assert not tempted.lost


@given(
    budget_per_h=st.sampled_from((0.9, 1.0, 2.3, 4.0, 8.7)),
    saved=st.floats(-0.5, 5.0),
    spent=st.booleans(),
    granularity_s=st.sampled_from((1.0, 3600.0)),
    running=st.integers(0, 7),
    pending=st.integers(0, 3),
    busy=st.integers(0, 7),
    visible=st.sampled_from((0, 1, 2, 5, 50)),
    more=st.sampled_from((1, 5, 40)),
    minimum=st.integers(0, 3),
)
@settings(SLOW, max_examples=500)
def test_no_savings_and_no_want_of_them_make_more_demand_cost_a_worker(
    budget_per_h, saved, spent, granularity_s, running, pending, busy, visible, more, minimum
):
    """Whatever a fleet has spent so far. Loads as short as those above save nothing worth mentioning."""
    billing = Billing(price_per_h=1.0, granularity_s=granularity_s)
    rule = policy("facefleet", objective=Objective(budget_per_h=budget_per_h), billing=billing)
    memory = replace(rule.begin(), purse=Purse(saved=saved, spent=spent, now_s=0.0))
    busy = min(busy, running)
    calm, crowded = (
        rule.decide(
            Observation(
                now_s=5.0,
                visible=waiting,
                in_flight=busy,
                oldest_age_s=3.0 if waiting else 0.0,
                enqueued_total=100 + waiting + busy,
                finished_total=100,
                busy_ms_total=5e5,
                workers=workers(running, pending=pending, busy=busy),
                boot_s=45.0,
            ),
            Bounds(minimum=minimum, maximum=19),
            memory,
        )[0]
        for waiting in (visible, visible + more)
    )
    assert crowded.start - len(crowded.drain) >= calm.start - len(calm.drain)


@given(
    counts=st.lists(st.integers(0, 60), min_size=2, max_size=80),
    more=st.integers(1, 40),
    ahead_s=st.sampled_from((0.0, 5.0, 45.0)),
)
@example(counts=[*AFTER_A_LULL, 0, 2, 2], more=1, ahead_s=45.0)  # the lull is seen no more
@example(counts=[3] * 24 + [0, 0, 0, 1, 1, 0, 0, 0], more=1, ahead_s=45.0)  # the silence is over
@example(counts=[1] * 16 + [2, 3, 4, 5, 6, 7, 8, 40], more=5, ahead_s=45.0)  # the rise is sharper
@settings(SLOW, max_examples=500)
def test_no_window_that_is_cut_short_forgets_a_rise(counts, more, ahead_s):
    """The rate foretold after a last look to which more came is no lower."""
    arrivals, total = Arrivals().add(0.0, 0), 0
    for number, count in enumerate(counts[:-1], 1):
        total += count
        arrivals = arrivals.add(5.0 * number, total)
    calm, crowded = (
        arrivals.add(5.0 * len(counts), total + count).trend(5.0).rate_hz(ahead_s)
        for count in (counts[-1], counts[-1] + more)
    )
    assert crowded >= calm - 1e-9


def test_a_late_look_lowers_no_rate_either():
    """A look after twenty times as long as usual, to which nothing came or one request did."""
    arrivals = Arrivals((-20.0, 0.0, 1.0, 2.0), (0, 8, 8, 9))
    calm, crowded = (arrivals.add(23.0, total).trend(1.0).rate_hz(0.0) for total in (9, 10))
    assert crowded >= calm


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.4, 2.0])
def test_what_is_needed_beyond_the_load_grows_with_it(wait):
    """In whole workers it would be a saw: less and less until the next worker."""
    headroom = [erlang_slots(load, wait, 0.01) - load for load in np.geomspace(0.01, 60, 500)]
    assert all(later > sooner for sooner, later in pairwise(headroom))


def test_a_whole_slot_is_one_however_it_is_rounded():
    """A worker of four slots stays for one slot, and no less for one that a sum of fractions makes."""
    assert _workers(1.0, 4) == _workers(0.1 * 3 + 0.7 - 2e-16, 4) == 1
    assert _workers(0.9, 4) == 0
