"""What goes after its time, and what stays."""

import os
import time
import uuid

import pytest

from facefleet.adapters.memory import MemoryQueue
from facefleet.adapters.objects import Objects
from facefleet.core.jobs import Answer, Detect, Job
from facefleet.errors import Unavailable
from facefleet.usecases.housekeeping import DAY_S, LOOK_S, UNFETCHED_S, Expiry, expire


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


@pytest.mark.parametrize(("retention_days", "every_s"), [(7, LOOK_S), (0, UNFETCHED_S / 24)])
async def test_what_is_kept_is_listed_hourly_at_most(house, monkeypatch, retention_days, every_s):
    """A bucket charges for each thousand keys, and the housekeeper comes once a minute; a short retention is kept."""
    expiry = Expiry(house.queue, house.store, retention_days=retention_days, now_s=lambda: house.now_s)
    listed, keys = [], house.store.keys

    def listing(prefix, **options):
        listed.append(prefix)
        return keys(prefix, **options)

    monkeypatch.setattr(house.store, "keys", listing)
    for look in range(1, 4):
        for _ in range(3):
            await expiry.go_on()
        assert len(listed) == 2 * look
        house.now_s += every_s


async def test_a_look_that_failed_is_not_put_off(house, monkeypatch):
    """What should have gone goes as soon as the store is back."""
    await house.answered()
    house.pass_time(8 * DAY_S)
    expiry = Expiry(house.queue, house.store, retention_days=7, now_s=lambda: 0.0)

    async def away(_):
        raise Unavailable("The store does not answer.")

    with monkeypatch.context() as outage:
        outage.setattr(house.store, "delete", away)
        with pytest.raises(Unavailable):
            await expiry.go_on()
    await expiry.go_on()
    assert house.files() == []


async def test_a_photo_that_still_waits_for_its_worker_never_goes(house):
    """However short the retention: a request is never lost."""
    job_id = await house.job()
    house.pass_time(30 * DAY_S)
    await expire(house.queue, house.store, retention_days=0)
    assert house.files() == [f"inputs/{job_id}"]


async def test_photos_that_no_job_accounts_for_go_after_retention_too(house):
    """Called by their file names, or left by a program that was killed: they stayed for a week at least."""
    await house.store.put("inputs/test_00.jpg", b"photo")
    await house.store.put(f"inputs/{uuid.uuid4()}-1", b"photo")
    house.pass_time(0.9 * DAY_S)
    await expire(house.queue, house.store, retention_days=1)
    assert len(house.files()) == 2
    house.pass_time(1.1 * DAY_S)
    assert await expire(house.queue, house.store, retention_days=1) == 2
    assert house.files() == []


async def test_with_retention_zero_the_photo_of_a_withdrawn_job_goes_within_the_hour(house):
    """Nobody comes to fetch its answer."""
    await house.queue.cancel(await house.job())
    house.pass_time(3700)
    await expire(house.queue, house.store, retention_days=0)
    assert house.files() == []
