"""What the settings say of scaling reaches the controller."""

import time

from paper_fleet import PaperFleet

from facefleet import wiring
from facefleet.adapters.memory import MemoryGallery, MemoryQueue, MemoryRoster
from facefleet.adapters.memory.keys import MemoryKeys, MemoryReceipts
from facefleet.adapters.objects import Objects
from facefleet.config import load
from facefleet.core.jobs import Detect, Job


async def decided(**settings):
    """Return the reason that a controller with these settings gives when a request waits, and its fleet."""
    ports = wiring.Ports(
        queue=MemoryQueue(),
        store=Objects("memory:///"),
        gallery=MemoryGallery(),
        roster=MemoryRoster(clock=time.time),
        keys=MemoryKeys(),
        receipts=MemoryReceipts(keep_s=60, clock=time.monotonic),
    )
    fleet = PaperFleet(time.time)
    await ports.queue.put(Job(job_id="1", task=Detect(image="i"), created_s=0.0))
    controller = wiring.controller(load(min_workers=0, max_workers=4, **settings), ports, fleet)
    await controller.tick()
    await controller.tick()
    ((_, decision, _),) = await ports.roster.decisions(limit=10, acting_only=True)
    return decision.reason, await ports.roster.worker_s_total()


async def test_the_default_rule_is_ours_for_two_seconds_at_99_percent():
    """And without a budget."""
    reason, _ = await decided()
    assert "99 % within 2 s" in reason
    assert "budget" not in reason


async def test_the_objective_the_budget_and_the_price_are_the_users():
    """0.8 an hour at 0.4 each: two workers, unless savings allow more."""
    reason, _ = await decided(slo="500ms", slo_percent=95, budget="0.8/h", worker_price_per_hour=0.4)
    assert "95 % within 0.5 s" in reason
    assert "budget for 2" in reason


async def test_worker_time_is_charged_as_the_settings_say():
    """A minute for a start."""
    _, charged_s = await decided(minimum_bill_s=60)
    assert charged_s == 60


async def test_another_rule_can_be_chosen():
    """By name."""
    reason, _ = await decided(policy="static 3")
    assert "start 3" in reason
