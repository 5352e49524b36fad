"""What every fleet must do; run over real processes that obey SIGTERM as a worker does.

On emulated EC2 instances such a process runs for as long as its instance does, and hears through the roster.
"""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from computers import Computers
from emulated_aws import REGION
from facefleet.adapters.aws import Aws
from facefleet.adapters.ec2_fleet import Ec2Fleet
from facefleet.adapters.ec2_machines import Machines, read_plan
from facefleet.adapters.memory.roster import MemoryRoster
from facefleet.adapters.process_fleet import ProcessFleet
from facefleet.core.fleet import WorkerReport, WorkerState
from facefleet.errors import Unavailable
from facefleet.ports import Fleet

# Marks a file when ready, finishes its "work" on SIGTERM, marks another when done.
WORKER = """
import pathlib, signal, sys, time
home, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def finish(*_):
    (home / f"{name}.done").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
(home / f"{name}.ready").touch()
while True:
    time.sleep(60)
"""


SOON_S = 90.0  # a wait that is expected to end early; a machine that is busy starts a process in seconds


class Home:
    """Where the workers of a test leave their marks."""

    def __init__(self, path):
        self.path = path
        self.buried = []
        self.reporting = set()

    async def bury(self, name):
        self.buried.append(name)

    async def heard(self):
        return self.reporting

    async def wait_for(self, mark, names):
        async with asyncio.timeout(SOON_S):
            while not all((self.path / f"{name}.{mark}").exists() for name in names):
                await asyncio.sleep(0.02)


async def gone(fleet, names):
    async with asyncio.timeout(SOON_S):
        while {one.worker_id for one in await fleet.instances()} & set(names):
            await asyncio.sleep(0.02)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@dataclass
class Bench:
    """A fleet, and a way to kill one of its workers without a word."""

    fleet: Fleet
    kill: Callable[[str], None]


BROKEN = "raise SystemExit(3)"


def process_fleet(home, *, now_s, program=WORKER):
    return ProcessFleet(
        command=lambda worker_id: [sys.executable, "-c", program, str(home.path), worker_id],
        environment=dict(os.environ),
        bury=home.bury,
        heard=home.heard,
        new_id=lambda: uuid.uuid4().hex,
        now_s=now_s,
    )


@asynccontextmanager
async def process_bench(home):
    fleet = process_fleet(home, now_s=time.time)
    yield Bench(fleet, lambda name: os.kill(fleet._children[name].process.pid, signal.SIGKILL))
    await fleet.close()


@asynccontextmanager
async def ec2_bench(home, emulated):
    name = f"fleet-{uuid.uuid4().hex[:8]}"
    emulated.launch_template(name)
    roster = MemoryRoster(clock=time.time)
    await roster.publish(())  # as a controller does at every look
    computers = Computers(emulated, name, lambda worker_id: [sys.executable, "-c", WORKER, str(home.path), worker_id])
    async with Aws(REGION) as aws:
        machines = Machines(aws, read_plan(f"ec2://{name}"))
        fleet = Ec2Fleet(machines, roster, maximum=4, warm=0, now_s=time.time)
        with computers:
            tasks = [asyncio.create_task(report(roster, computers, home)), asyncio.create_task(tick(fleet))]
            yield Bench(fleet, computers.cut)
            for task in tasks:
                task.cancel()
        assert computers.interrupted == []


async def tick(fleet):
    """Look at the fleet again and again, as a controller does."""
    while True:
        await fleet.instances()
        await asyncio.sleep(0.3)


async def report(roster, computers, home):
    """Speak to the roster for the processes, as workers do."""
    while True:
        for name, process in list(computers.processes.items()):
            if process.poll() is not None:
                await roster.leave(name)
            elif (home.path / f"{name}.ready").exists():
                one = WorkerReport(worker_id=name, host="h", pid=process.pid, draining=False, jobs=(), finished=0)
                if await roster.report(one):
                    process.terminate()
        await asyncio.sleep(0.1)


@pytest.fixture(params=["process", "ec2"])
async def bench(request, home):
    opened = process_bench(home) if request.param == "process" else ec2_bench(home, request.getfixturevalue("aws"))
    async with opened as bench:
        yield bench


@pytest.fixture
def fleet(bench):
    return bench.fleet


async def test_as_many_start_as_were_asked_for(fleet, home):
    """Each has an id of its own and is seen at once."""
    names = await fleet.start(3)
    assert len(set(names)) == 3
    assert {one.worker_id for one in await fleet.instances()} == set(names)
    await home.wait_for("ready", names)
    assert {one.state for one in await fleet.instances()} == {WorkerState.RUNNING}


async def test_a_drained_worker_finishes_and_goes(fleet, home):
    """Draining is a request, not a kill: the worker gets to its end; the others are left alone."""
    one, other = await fleet.start(2)
    await home.wait_for("ready", [one, other])
    await fleet.drain([one])
    await home.wait_for("done", [one])
    await gone(fleet, [one])
    assert [left.worker_id for left in await fleet.instances()] == [other]


async def test_a_worker_being_drained_is_not_running(fleet, home):
    """The controller must not count on it, nor drain it twice."""
    (name,) = await fleet.start(1)
    await home.wait_for("ready", [name])
    await fleet.drain([name])
    # It may have come to its end by now.
    assert {one.state for one in await fleet.instances()} <= {WorkerState.DRAINING, WorkerState.STOPPING}


async def test_draining_an_unknown_worker_harms_nobody(fleet, home):
    """The decision may be about a worker that has gone in the meantime."""
    (name,) = await fleet.start(1)
    await home.wait_for("ready", [name])
    await fleet.drain(["nobody"])
    assert [one.worker_id for one in await fleet.instances()] == [name]


async def test_a_killed_worker_is_no_longer_seen(bench, fleet, home):
    """SIGKILL, as by the kernel when memory runs out, or a machine that is lost: the fleet notices by itself."""
    (name,) = await fleet.start(1)
    await home.wait_for("ready", [name])
    bench.kill(name)
    await gone(fleet, [name])


async def test_workers_that_end_at_once_are_not_started_in_a_tight_loop(home):
    """A broken installation must not turn into a fork bomb; the first pauses are so short that they are waited for."""
    fleet = process_fleet(home, now_s=lambda: 1000.0, program=BROKEN)  # however long this machine takes for it
    before = time.monotonic()
    for _ in range(3):
        await gone(fleet, await fleet.start(1))
    assert time.monotonic() - before >= 1.5
    assert await fleet.start(1) == []


async def test_a_clock_that_is_set_back_makes_no_start_wait_for_hours(home):
    """It was two hours ahead when the worker ended."""
    now_s = [8200.0]
    fleet = process_fleet(home, now_s=lambda: now_s[0], program=BROKEN)
    await gone(fleet, await fleet.start(1))
    now_s[0] = 1000.0
    assert len(await fleet.start(1)) == 1
    await fleet.close()


async def test_closing_leaves_no_process(home):
    """After `close` every worker process has come to its end: this program is its parent."""
    async with process_bench(home) as bench:
        names = await bench.fleet.start(2)
        await home.wait_for("ready", names)
        await bench.fleet.close()
        assert await bench.fleet.instances() == []
        await home.wait_for("done", names)


async def test_every_worker_process_that_ends_is_buried(home):
    """Killed or drained: its leases and its place in the roster are free the moment the process is gone."""
    async with process_bench(home) as bench:
        killed, drained = await bench.fleet.start(2)
        await home.wait_for("ready", [killed, drained])
        bench.kill(killed)
        await bench.fleet.drain([drained])
        await gone(bench.fleet, [killed, drained])
        assert sorted(home.buried) == sorted([killed, drained])


async def test_a_worker_process_that_hangs_is_killed_and_one_that_reports_is_not(home):
    """Stopped where it stands, it would count as a worker for ever. Time in which nobody listened does not count."""
    now_s = [1000.0]
    fleet = process_fleet(home, now_s=lambda: now_s[0])
    hanging, fine = await fleet.start(2)
    await home.wait_for("ready", [hanging, fine])
    home.reporting = {hanging, fine}
    await fleet.instances()
    home.reporting = set()
    now_s[0] += 86_400
    await fleet.instances()
    os.kill(fleet._children[hanging].process.pid, signal.SIGSTOP)
    home.reporting = {fine}
    watched = [child.watched for child in fleet._children.values()]
    for _ in range(2):
        now_s[0] += 60
        await fleet.instances()
    assert not (await asyncio.wait(watched, timeout=0.5))[0]
    now_s[0] += 60
    await gone(fleet, [hanging])
    assert home.buried == [hanging]
    assert [one.worker_id for one in await fleet.instances()] == [fine]
    await fleet.close()


async def test_a_worker_process_that_has_not_reported_yet_may_take_its_time(home):
    """It may be making its models ready, for a quarter of an hour at most."""
    now_s = [1000.0]
    fleet = process_fleet(home, now_s=lambda: now_s[0])
    (name,) = await fleet.start(1)
    watched = [child.watched for child in fleet._children.values()]
    for _ in range(15):
        now_s[0] += 60
        await fleet.instances()
    assert not (await asyncio.wait(watched, timeout=0.5))[0]
    now_s[0] += 60
    await gone(fleet, [name])


async def test_processes_that_were_started_before_one_was_refused_are_told(home, monkeypatch):
    """The system's limit is reached: there are two, not none. Refused at the first, it is an error."""
    async with process_bench(home) as bench:
        really, left = asyncio.create_subprocess_exec, [2]

        async def limited(*arguments, **options):
            if not left[0]:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            left[0] -= 1
            return await really(*arguments, **options)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", limited)
        assert len(await bench.fleet.start(3)) == len(await bench.fleet.instances()) == 2
        with pytest.raises(Unavailable, match="Resource temporarily unavailable"):
            await bench.fleet.start(1)
