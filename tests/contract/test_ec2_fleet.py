"""What only a fleet of EC2 instances promises: which are started, what AWS may refuse, who is stopped and when."""

import asyncio
import time
import uuid

import pytest
import structlog

from emulated_aws import REGION
from facefleet.adapters.aws import Aws
from facefleet.adapters.ec2_fleet import Ec2Fleet
from facefleet.adapters.ec2_machines import Machines, Plan, read_plan
from facefleet.adapters.memory.roster import MemoryRoster
from facefleet.core.fleet import WorkerReport, WorkerState
from facefleet.errors import Unavailable


class Clock:
    """Unix time, and what a test adds to it."""

    def __init__(self):
        self.passed_s = 0.0

    def __call__(self):
        return time.time() + self.passed_s


class Site:
    """A fleet's account, roster and clock; `fleet` as often as a controller is restarted."""

    def __init__(self, emulated, aws):
        self.emulated = emulated
        self.aws = aws
        self.name = f"fleet-{uuid.uuid4().hex[:8]}"
        self.clock = Clock()
        self.roster = MemoryRoster(clock=self.clock)
        emulated.launch_template(self.name)

    def fleet(self, options="", maximum=3, warm=3):
        machines = Machines(self.aws, read_plan(f"ec2://{self.name}{options}"))
        return Ec2Fleet(machines, self.roster, maximum=maximum, warm=warm, now_s=self.clock)

    def states(self):
        return {one.id: one.state for one in self.emulated.instances(self.name)}

    async def until(self, fleet, states):
        """Tick until AWS says so; return how the fleet sees it."""
        async with asyncio.timeout(120):
            while sorted(self.states().values()) != sorted(states):
                await fleet.instances()
                await asyncio.sleep(0.1)
        return {one.worker_id: one.state for one in await fleet.instances()}

    async def report(self, worker_id, **options):
        plain = {"host": "h", "pid": 1, "draining": False, "jobs": (), "finished": 0}
        return await self.roster.report(WorkerReport(worker_id=worker_id, **(plain | options)))


@pytest.fixture
async def site(aws):
    async with Aws(REGION) as account:
        site = Site(aws, account)
        await site.roster.publish(())  # as a controller does at every look
        yield site


async def running(site, fleet, count):
    started = await fleet.start(count)
    await site.until(fleet, ["running"] * count)
    return started


async def worked(site, fleet, count, *, until):
    """Instances that have worked and were drained."""
    started = await running(site, fleet, count)
    await drained(site, fleet, started)
    await site.until(fleet, until)
    return started


async def drained(site, fleet, started):
    """Let the workers of instances finish and sign off."""
    for draining in (False, True):
        for worker_id in started:
            await site.report(worker_id, draining=draining)
        await fleet.drain(started)
    for worker_id in started:
        await site.roster.leave(worker_id)


async def looked(site, fleet, *, until_s):
    """Let time pass, and look at the fleet as a controller does."""
    while site.clock.passed_s < until_s:
        site.clock.passed_s += 60
        await fleet.instances()


async def test_stopped_instances_start_before_new_ones_are_launched(site):
    """They boot faster, and their number does not grow."""
    fleet = site.fleet()
    (warm,) = await worked(site, fleet, 1, until=["stopped"])
    started = await fleet.start(2)
    assert warm in started
    assert len(site.states()) == 2
    tags = [tag for one in site.emulated.instances(site.name) for tag in one.get_tags()]
    names = {tag["value"] for tag in tags if tag["key"] == "Name"}
    assert names == {f"{site.name}-1", f"{site.name}-2"}


async def test_there_are_never_more_than_the_maximum(site):
    """Nineteen in the course: an account's quota."""
    fleet = site.fleet(maximum=2)
    assert len(await fleet.start(5)) == 2
    assert await fleet.start(5) == []


async def test_a_number_is_given_once_though_aws_does_not_show_the_instance_yet(site, monkeypatch):
    """What AWS describes lags behind what it was told."""
    fleet = site.fleet(maximum=3)

    async def nothing():
        return []

    with monkeypatch.context() as lagging:
        lagging.setattr(fleet._machines, "look", nothing)
        assert len(await fleet.start(2)) == 2
        assert len(await fleet.start(2)) == 1
    tags = [tag for one in site.emulated.instances(site.name) for tag in one.get_tags()]
    names = [tag["value"] for tag in tags if tag["key"] == "Name"]
    assert sorted(names) == [f"{site.name}-{number}" for number in (1, 2, 3)]


async def test_an_instance_that_stops_is_left_alone_until_it_has(site):
    """AWS refuses to start it; the others start all the same."""
    fleet = site.fleet(maximum=2)
    (one,) = await running(site, fleet, 1)
    with site.emulated.standing_still():
        site.emulated.client("ec2").stop_instances(InstanceIds=[one])
        started = await fleet.start(2)
    assert len(started) == 1
    assert one not in started
    await site.until(fleet, ["stopped", "running"])
    assert await fleet.start(1) == [one]


async def test_every_state_of_aws_is_known(site):
    """Pending, running, stopping, stopped; one that is shutting down is on its way out, one terminated is gone."""
    fleet = site.fleet(warm=0)
    with site.emulated.standing_still():
        (one,) = await fleet.start(1)
        assert [seen.state for seen in await fleet.instances()] == [WorkerState.PENDING]
    assert set((await site.until(fleet, ["running"])).values()) == {WorkerState.RUNNING}
    with site.emulated.standing_still():
        site.emulated.client("ec2").stop_instances(InstanceIds=[one])
        assert [seen.state for seen in await fleet.instances()] == [WorkerState.STOPPING]
    while site.states()[one] != "stopped":
        await asyncio.sleep(0.05)
    with site.emulated.standing_still():
        assert [seen.state for seen in await fleet.instances()] == [WorkerState.STOPPED]  # and is now terminated
        assert site.states()[one] == "shutting-down"
        assert [seen.state for seen in await fleet.instances()] == [WorkerState.STOPPING]
    assert await site.until(fleet, ["terminated"]) == {}


async def test_an_instance_that_goes_while_it_is_described_is_gone(site, monkeypatch):
    """It matched when AWS looked for it, and is terminated by the time AWS says how it is."""
    fleet = site.fleet()
    one, other = await fleet.start(2)
    ask = site.aws.call

    async def ask_late(service, operation, resource, **parameters):
        found = await ask(service, operation, resource, **parameters)
        for group in found.get("Reservations", ()):
            for instance in group["Instances"]:
                if instance["InstanceId"] == one:
                    instance["State"]["Name"] = "terminated"
        return found

    monkeypatch.setattr(site.aws, "call", ask_late)
    assert [seen.worker_id for seen in await fleet.instances()] == [other]


async def test_another_type_is_tried_where_there_is_no_capacity(site):
    """InsufficientInstanceCapacity is the matter of one type in one zone."""
    site.emulated.without_capacity = lambda instance_type: instance_type == "p5.large"
    assert len(await site.fleet("?types=p5.large,c7i.large").start(2)) == 2
    site.emulated.without_capacity = lambda instance_type: True
    assert await site.fleet("?types=p5.large,c7i.large").start(1) == []
    site.emulated.without_capacity = lambda instance_type: False


async def test_a_stopped_instance_that_is_sold_out_where_it_is_gives_its_number_to_one_elsewhere(site):
    """It can start in its own zone only. Once the new one is there, and not before: it is worth a short boot."""
    fleet = site.fleet(maximum=2)
    there = await worked(site, fleet, 2, until=["stopped", "stopped"])
    site.emulated.sold_out.add(there[0])
    site.emulated.without_capacity = lambda instance_type: True
    assert await fleet.start(2) == [there[1]]
    assert site.states()[there[0]] == "stopped"
    site.emulated.without_capacity = lambda instance_type: False
    (other,) = await fleet.start(1)
    assert other not in there
    await site.until(fleet, ["running", "running", "terminated"])
    assert site.states()[there[0]] == "terminated"
    assert await fleet.start(1) == []


async def test_an_instance_that_may_not_be_stopped_holds_up_nobody(site):
    """Somebody protected it to look at it: the other one is stopped, the fleet is seen, and it is told once."""
    fleet = site.fleet()
    kept, other = await running(site, fleet, 2)
    site.emulated.protected.add(kept)
    await drained(site, fleet, [kept, other])
    with structlog.testing.capture_logs() as logs:
        seen = await site.until(fleet, ["running", "stopped"])
    assert seen == {kept: WorkerState.DRAINING, other: WorkerState.STOPPED}
    told = [(one["event"], one.get("instance") or one.get("instances")) for one in logs]
    assert sorted(told) == [
        ("instance not stopped or terminated", kept),
        ("instances stop: their workers have finished", [other]),
    ]
    assert len(await fleet.start(2)) == 2
    site.emulated.protected.remove(kept)
    await site.until(fleet, ["running", "running", "stopped"])


async def test_a_drained_instance_that_cannot_be_stopped_is_terminated(site):
    """Spot of a one-time request: nobody works there any more, so it would cost, and keep its number, for ever."""
    fleet = site.fleet(maximum=2)
    spot, other = await running(site, fleet, 2)
    site.emulated.one_time.add(spot)
    await drained(site, fleet, [spot, other])
    await site.until(fleet, ["stopped", "terminated"])
    assert site.states()[other] == "stopped"
    site.clock.passed_s += 60
    assert len(await fleet.start(2)) == 2


async def test_an_instance_that_brings_up_no_worker_is_not_started_again(site):
    """Stopped it would be the first to be tried for the next request, and nobody would come to it either."""
    fleet = site.fleet()
    (broken,) = await running(site, fleet, 1)
    await looked(site, fleet, until_s=840)
    assert site.states()[broken] == "running"
    await looked(site, fleet, until_s=960)
    await site.until(fleet, ["terminated"])
    (other,) = await fleet.start(1)
    assert other != broken


async def test_a_broken_instance_that_may_not_be_terminated_is_stopped(site):
    """Or it would cost for ever."""
    fleet = site.fleet()
    (broken,) = await running(site, fleet, 1)
    site.emulated.kept.add(broken)
    with structlog.testing.capture_logs() as logs:
        await looked(site, fleet, until_s=960)
        await site.until(fleet, ["stopped"])
    assert sum(one["log_level"] == "error" for one in logs) == 1


async def test_an_instance_that_is_only_called_alike_is_not_ours(site):
    """Of another installation, whose name begins as ours does, or made by hand: it is not even looked at."""
    fleet = site.fleet()
    (ours,) = await running(site, fleet, 1)
    await site.report(ours)
    ec2 = site.emulated.client("ec2")
    for number, name in enumerate(("b-1", "builder", "")):
        (other,) = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateName": site.name})[
            "Instances"
        ]
        ec2.create_tags(Resources=[other["InstanceId"]], Tags=[{"Key": "Name", "Value": f"{site.name}-{name}"}])
        assert [one.worker_id for one in await fleet.instances()] == [ours], number


async def test_a_database_that_was_away_makes_nobody_useless(site):
    """For twenty minutes nobody could report, nor look; the workers' next reports come a moment later."""
    fleet = site.fleet()
    working, draining = await running(site, fleet, 2)
    for one in (working, draining):
        await site.report(one, jobs=("j",))
    await fleet.drain([draining])
    site.clock.passed_s = 1200
    await fleet.instances()
    assert set(site.states().values()) == {"running"}
    await looked(site, fleet, until_s=1500)
    await site.until(fleet, ["running", "stopped"])


async def test_a_missing_launch_template_is_one_sentence(site):
    """Named, with the operation that missed it."""
    with pytest.raises(Unavailable, match=r"launch template nowhere .*ec2:RunInstances"):
        await site.fleet("?template=nowhere").start(1)


async def test_a_worker_that_falls_silent_is_not_stopped_for_a_while(site):
    """It may be at work on a busy machine; its leases run out first."""
    fleet = site.fleet()
    (one,) = await running(site, fleet, 1)
    await site.report(one, jobs=("j",))
    await fleet.drain([one])
    site.clock.passed_s = 30
    assert await site.roster.reports() == []
    await fleet.instances()
    assert site.states()[one] == "running"
    with site.emulated.standing_still():
        await looked(site, fleet, until_s=300)
        assert site.states()[one] == "stopping"


async def test_a_controller_that_takes_over_goes_on_with_the_draining(site):
    """That an instance shall stop is written on it."""
    first = site.fleet()
    (one,) = await running(site, first, 1)
    await site.report(one)
    await first.drain([one])
    other = site.fleet()
    assert [seen.state for seen in await other.instances()] == [WorkerState.DRAINING]
    assert await site.report(one, draining=True)
    await other.instances()
    await site.roster.leave(one)
    await site.until(other, ["stopped"])


async def test_a_worker_that_comes_up_after_it_was_asked_hears_of_it(site):
    """Word cannot be left for one that has not signed on."""
    fleet = site.fleet()
    (one,) = await running(site, fleet, 1)
    await fleet.drain([one])
    await site.report(one)
    await fleet.instances()
    assert await site.report(one)


async def test_as_many_stopped_ones_are_kept_as_were_asked_for(site):
    """The rest cost storage and are terminated."""
    fleet = site.fleet(warm=1)
    await worked(site, fleet, 2, until=["stopped", "terminated"])


async def test_a_controller_that_ends_leaves_the_fleet_at_work_and_the_next_adopts_it(site):
    """Neither the instance at work nor the one that drains is touched; then both are where they were left."""
    fleet = site.fleet()
    working, draining = await running(site, fleet, 2)
    for one in (working, draining):
        await site.report(one)
    await fleet.drain([draining])
    before = site.states()
    await fleet.close()
    assert site.states() == before
    adopting = site.fleet()
    site.clock.passed_s += 3600
    adopted = {one.worker_id: one for one in await adopting.instances()}
    seen = {worker_id: one.state for worker_id, one in adopted.items()}
    assert seen == {working: WorkerState.RUNNING, draining: WorkerState.DRAINING}
    assert adopted[working].since_s == pytest.approx(site.clock(), abs=300)  # it may have been silent for hours
    await site.report(working)
    launched = next(one for one in await adopting.instances() if one.worker_id == working)
    assert launched.since_s == pytest.approx(time.time(), abs=300)
    await site.report(draining, draining=True)
    await adopting.instances()
    await site.roster.leave(draining)
    await site.until(adopting, ["running", "stopped"])
    assert site.states()[working] == "running"


async def test_a_database_that_loses_its_reports_in_a_crash_ends_no_worker_at_work(site):
    """They are in an unlogged table, as is what the controller published: a missing report is no signing off then."""
    fleet = site.fleet()
    (one,) = await running(site, fleet, 1)
    await site.report(one)
    await fleet.instances()
    await fleet.drain([one])
    await site.report(one, draining=True, jobs=("j",))
    await fleet.instances()
    crashed = MemoryRoster(clock=site.clock)
    fleet._roster = site.roster = crashed
    await fleet.instances()
    await crashed.publish(())
    for _ in range(20):
        await fleet.instances()
    assert site.states()[one] == "running"
    await site.report(one, draining=True)
    await fleet.instances()
    await crashed.leave(one)
    await site.until(fleet, ["stopped"])


@pytest.mark.parametrize("tick_s", [1, 5, 60])
async def test_however_seldom_it_looks_a_fleet_notices_that_a_worker_signs_off(site, tick_s):
    """At the next look, not when a worker counts as silent; a controller that took over a moment ago, too."""
    (one,) = await running(site, site.fleet(), 1)
    await site.report(one)
    fleet = site.fleet()
    await fleet.instances()
    await fleet.drain([one])
    assert await site.report(one, draining=True)
    site.clock.passed_s += tick_s
    await fleet.instances()
    assert site.states()[one] == "running"
    await site.report(one, draining=True)
    await site.roster.leave(one)
    site.clock.passed_s += tick_s
    with site.emulated.standing_still():
        await fleet.instances()
        assert site.states()[one] == "stopping"


async def test_a_worker_that_signed_off_before_its_last_start_has_not_finished_now(site):
    """It was restarted on its instance, works, is asked to drain, and is cut off."""
    fleet = site.fleet()
    (one,) = await running(site, fleet, 1)
    await site.report(one)
    await site.roster.leave(one)
    site.clock.passed_s += 5
    await site.report(one, jobs=("j",))
    await fleet.instances()
    await fleet.drain([one])
    site.clock.passed_s += 30
    await fleet.instances()
    assert site.states()[one] == "running"
    other = site.fleet()  # takes over, and has never heard of it
    await other.instances()
    assert site.states()[one] == "running"


@pytest.mark.parametrize(
    ("url", "plan"),
    [
        ("ec2://app-tier", Plan(name="app-tier", template="app-tier")),
        (
            "ec2://app?template=lt-1&types=a,b&subnets=c",
            Plan(name="app", template="lt-1", types=("a", "b"), subnets=("c",)),
        ),
    ],
)
def test_a_fleet_is_described_by_its_url(url, plan):
    """Name, launch template, and what to try in its place."""
    assert read_plan(url) == plan


@pytest.mark.parametrize("url", ["ec2://", "ec2://a?tmplate=b", "ec2://a?x"])
def test_a_misspelt_url_is_refused(url):
    """Rather than launching something else."""
    with pytest.raises(ValueError, match="is no fleet"):
        read_plan(url)
