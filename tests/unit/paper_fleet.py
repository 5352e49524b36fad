"""A controller over a fleet on paper: real queue, roster and policies in memory, and a clock that the test turns.

Workers boot for a while, then take a request each and answer it a second later.
"""

from contextlib import suppress
from dataclasses import replace

from facefleet.adapters.memory import MemoryQueue, MemoryRoster
from facefleet.controller.loop import Controller
from facefleet.core.fleet import Bounds, Instance, WorkerReport, WorkerState
from facefleet.core.jobs import Answer, Detect, Job
from facefleet.core.scaling import policy
from facefleet.core.scaling.terms import Billing
from facefleet.errors import Unavailable

UNIX_S = 1_700_000_000.0


class PaperFleet:
    """Places where workers would run; `start` obeys `most_at_once`."""

    def __init__(self, unix_s, *, usual_boot_s=2.0):
        self.unix_s, self.usual_boot_s = unix_s, usual_boot_s
        self.places = {}
        self.most_at_once = 1000
        self.asked = []
        self.started = self.drained = 0

    async def instances(self):
        return list(self.places.values())

    async def start(self, count):
        self.asked.append(count)
        names = [f"w{self.started + n}" for n in range(min(count, self.most_at_once))]
        self.started += len(names)
        for name in names:
            self.places[name] = Instance(worker_id=name, state=WorkerState.RUNNING, since_s=self.unix_s())
        return names

    async def drain(self, worker_ids):
        for name in set(worker_ids) & self.places.keys():
            self.drained += 1
            self.places[name] = replace(self.places[name], state=WorkerState.DRAINING, since_s=self.unix_s())


class LaggingQueue(MemoryQueue):
    """Its counts are those of some looks ago; without counts it is away."""

    lag = 0
    away = False

    async def counts(self):
        if self.away:
            raise Unavailable("The queue is away.")
        seen = self.__dict__.setdefault("_seen", [])
        seen.append(await super().counts())
        return seen[max(0, len(seen) - 1 - self.lag)]


class House:
    """All of it; `second` lets one pass.

    Attributes:
        sizes: how many workers were there or coming after each second.
    """

    def __init__(self, rule="facefleet", *, maximum=8, minimum=0, boot_s=3, usual_boot_s=2.0, silent_s=1e9):
        self.now_s, self.unix_offset_s = 100.0, UNIX_S
        self.queue_s = 0.0  # the queue has a clock of its own, as PostgreSQL has
        self.boot_s = boot_s
        self.billing = Billing()
        self.maximum, self.minimum = maximum, minimum
        self.queue = LaggingQueue(clock=lambda: self.queue_s, lease_s=1e9)
        self.roster = MemoryRoster(clock=self.unix_s, silent_s=silent_s)
        self.fleet = PaperFleet(self.unix_s, usual_boot_s=usual_boot_s)
        self.controller = self.new_controller(rule)
        self.sizes = []
        self._jobs = 0
        self._held = {}
        self._booting = {}

    def unix_s(self):
        return self.now_s + self.unix_offset_s

    def new_controller(self, rule):
        return Controller(
            queue=self.queue,
            fleet=self.fleet,
            roster=self.roster,
            policy=rule if hasattr(rule, "decide") else policy(rule),
            bounds=Bounds(minimum=self.minimum, maximum=self.maximum),
            billing=self.billing,
            tick_s=1.0,
            now_s=lambda: self.now_s,
            unix_s=self.unix_s,
        )

    async def seconds(self, count, *, arrivals=0):
        for _ in range(count):
            await self.second(arrivals)

    async def second(self, arrivals=0):
        self.now_s += 1
        self.queue_s += 1
        for _ in range(arrivals):
            self._jobs += 1
            await self.queue.put(Job(job_id=str(self._jobs), task=Detect(image="i"), created_s=0.0))
        for name in list(self.fleet.places):
            await self._work(name)
        with suppress(Unavailable):  # as its loop does
            await self.controller.tick()
        self.sizes.append(sum(place.state is WorkerState.RUNNING for place in self.fleet.places.values()))

    async def _work(self, name):
        booted = self._booting.setdefault(name, self.boot_s)
        if booted > 0:
            self._booting[name] -= 1
            return
        for lease in self._held.pop(name, ()):
            await self.queue.finish(lease, Answer(job_id=lease.job.job_id, body=b"{}"), busy_ms=1000)
        draining = self.fleet.places[name].state is WorkerState.DRAINING
        if draining:
            await self.roster.leave(name)
            del self.fleet.places[name]
            return
        self._held[name] = await self.queue.lease(name, limit=1, wait_s=0)
        jobs = tuple(lease.job.job_id for lease in self._held[name])
        await self.roster.report(
            WorkerReport(worker_id=name, host="h", pid=1, draining=False, jobs=jobs, finished=self._jobs)
        )
