"""What goes after its time, and what stays."""

import os
import time
import uuid

import pytest

from facefleet.adapters.memory import MemoryQueue
from facefleet.adapters.objects import Objects
from facefleet.core.jobs import Answer, Detect, Job
from facefleet.usecases.housekeeping import DAY_S, expire


class House:
    def __init__(self, folder):
        self.folder = folder
        self.now_s = 1000.0
        self.queue = MemoryQueue(lease_s=30, max_receives=3, clock=lambda: self.now_s)
        self.store = Objects(folder.as_uri())

    async def job(self):
        job_id = str(uuid.uuid4())
        await self.store.put(f"inputs/{job_id}", b"photo")
        await self.queue.put(Job(job_id=job_id, task=Detect(image=f"inputs/{job_id}"), created_s=0.0))
        return job_id

    async def answered(self):
        job_id = await self.job()
        (lease,) = await self.queue.lease("w", limit=1, wait_s=0)
        await self.store.put(f"outputs/{job_id}.json", b"{}")
        await self.queue.finish(lease, Answer(job_id=job_id, body=b"{}"), busy_ms=1)
        return job_id

    def pass_time(self, seconds):
        """Let jobs and files grow older."""
        self.now_s += seconds
        for file in (one for one in self.folder.rglob("*") if one.is_file()):
            os.utime(file, (time.time() - seconds, time.time() - seconds))

    def files(self):
        return sorted(str(one.relative_to(self.folder)) for one in self.folder.rglob("*") if one.is_file())


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


async def test_photo_answer_and_job_go_together_after_retention(house):
    """Within it all three stay."""
    await house.answered()
    house.pass_time(6 * DAY_S)
    await expire(house.queue, house.store, retention_days=7)
    assert len(house.files()) == 2
    house.pass_time(8 * DAY_S)
    assert await expire(house.queue, house.store, retention_days=7) > 0
    assert house.files() == []


async def test_a_photo_that_still_waits_for_its_worker_never_goes(house):
    """However short the retention: a request is never lost."""
    job_id = await house.job()
    house.pass_time(3 * DAY_S)
    await expire(house.queue, house.store, retention_days=0)
    assert house.files() == [f"inputs/{job_id}"]


async def test_with_retention_zero_the_photo_of_a_withdrawn_job_goes_within_the_hour(house):
    """Nobody comes to fetch its answer."""
    await house.queue.cancel(await house.job())
    house.pass_time(3700)
    await expire(house.queue, house.store, retention_days=0)
    assert house.files() == []
