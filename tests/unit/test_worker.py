"""A worker's life, with the real engine over the ports in memory."""

import asyncio
import io
import uuid

import pytest
import skimage.data
from PIL import Image

from facefleet.adapters.memory import MemoryGallery, MemoryQueue, MemoryRoster
from facefleet.adapters.objects import Objects
from facefleet.config import load
from facefleet.core.jobs import Detect, Enrol, Identify, Job, JobState, Lane
from facefleet.errors import BrokenInvariant, NotFound, Unavailable
from facefleet.usecases.enrolment import Enrolment
from facefleet.usecases.recognise import Recogniser
from facefleet.vision.calibration import load_calibration
from facefleet.vision.engine import Engine
from facefleet.worker.loop import Worker


@pytest.fixture(scope="module")
def engine():
    return Engine(load().cache, max_pixels=50_000_000)


@pytest.fixture(scope="module")
def photo():
    out = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(out, "JPEG")
    return out.getvalue()


class House:
    """Ports in memory and a worker among them."""

    def __init__(self, engine, *, keep=True, store_first=False, lease_s=30.0, **replaced):
        self.loop = asyncio.get_running_loop()
        self.queue = replaced.get("queue") or MemoryQueue(lease_s=lease_s, max_receives=3, clock=self.loop.time)
        self.store = Objects("memory:///")
        self.gallery = MemoryGallery()
        self.roster = MemoryRoster(clock=self.loop.time)
        self.stop = asyncio.Event()
        self.orphan = False
        model_id = "dlib-resnet-v1"
        self.worker = Worker(
            worker_id="w1",
            queue=self.queue,
            store=self.store,
            roster=self.roster,
            engine=replaced.get("engine") or engine,
            recogniser=Recogniser(
                gallery=self.gallery,
                enrolment=Enrolment(gallery=self.gallery, store=self.store, model_id=model_id, now_s=lambda: 1.0),
                calibration=load_calibration(model_id),
                model_id=model_id,
                threshold=70.0,
            ),
            batch_size=4,
            keep=keep,
            store_first=store_first,
            orphaned=lambda: self.orphan,
        )

    async def send(self, photo, *, task=Detect, lane=Lane.INTERACTIVE, stored=True, **options):
        job_id = str(uuid.uuid4())
        key = f"inputs/{job_id}"
        if stored:
            await self.store.put(key, photo)
        await self.queue.put(Job(job_id=job_id, task=task(image=key, **options), created_s=0.0, lane=lane))
        return job_id

    async def ended(self, job_id):
        async with asyncio.timeout(60):
            return await self.queue.status(job_id, wait_s=60)

    async def __aenter__(self):
        self.running = asyncio.create_task(self.worker.run(self.stop))
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        async with asyncio.timeout(60):
            await self.running


async def test_photos_that_cannot_be_read_cost_their_neighbours_nothing(engine, photo):
    """Of a batch with garbage, a vanished photo and good ones, each gets its own answer."""
    house = House(engine)
    good = await house.send(photo)
    garbage = await house.send(b"\xff\xd8\xff\xe0 not really a photo")
    vanished = await house.send(photo, stored=False)
    good_too = await house.send(photo)
    async with house:
        assert (await house.ended(good)).answer.error is None
        assert (await house.ended(garbage)).answer.error["code"] == "InvalidImage"
        assert (await house.ended(vanished)).answer.error["code"] == "NotFound"
        assert (await house.ended(good_too)).answer.error is None


async def test_a_stopped_worker_answers_what_it_has_and_takes_no_more(engine, photo):
    """Draining: what was leased is answered, what was not stays in the queue, and the roster is left."""
    house = House(engine)
    jobs = [await house.send(photo) for _ in range(24)]
    async with house:
        await house.ended(jobs[0])
    states = [(await house.queue.status(job)).state for job in jobs]
    assert set(states) == {JobState.DONE, JobState.QUEUED}
    assert await house.roster.reports() == []


async def test_a_worker_told_to_drain_by_the_roster_ends(engine):
    """An instance that cannot be sent a signal still can be drained."""
    async with House(engine) as house:
        while not await house.roster.reports():
            await asyncio.sleep(0.01)
        await house.roster.ask_to_drain(["w1"])
        async with asyncio.timeout(60):
            await house.stop.wait()


async def test_an_orphaned_worker_ends(engine):
    """Whoever started it was killed; nobody else would stop it."""
    async with House(engine) as house:
        house.orphan = True
        async with asyncio.timeout(60):
            await house.stop.wait()


async def test_leases_are_extended_while_work_goes_on(photo):
    """A photo that takes three leases is still answered by its first worker."""

    class Slow:
        def recognise(self, photos, *, embed):
            import time

            time.sleep(1.5)
            return [NotFound("looked long, found nothing") for _ in photos]

    house = House(Slow(), lease_s=0.5)
    job = await house.send(photo)
    async with house:
        status = await house.ended(job)
    assert (status.receives, status.answer.error["detail"]) == (1, "looked long, found nothing")


async def test_a_worker_is_never_busier_than_the_clock(engine, photo):
    """Jobs of a batch share its time: the mean is what one more job costs, which scaling and prices reckon with."""
    house = House(engine)
    jobs = [await house.send(photo) for _ in range(13)]
    began_s = house.loop.time()
    async with house:
        for job in jobs:
            await house.ended(job)
        counts = await house.queue.counts()
        assert counts.finished_total == 13
        assert 0 < counts.busy_ms_total <= (house.loop.time() - began_s) * 1e3


async def test_a_bug_in_the_search_answers_its_job_and_spares_the_others(engine, photo, monkeypatch):
    """The client is told at once that it is our fault, and the worker lives on."""
    house = House(engine)
    await house.gallery.create_collection("c", model_id="dlib-resnet-v1", tags={})

    async def broken(*_, **__):
        raise BrokenInvariant("secret detail")

    monkeypatch.setattr(house.gallery, "search", broken)
    unlucky = await house.send(photo, task=Identify, collection="c")
    lucky = await house.send(photo)
    async with house:
        error = (await house.ended(unlucky)).answer.error
        assert error["code"] == "BrokenInvariant"
        assert "secret" not in error["detail"]
        assert (await house.ended(lucky)).answer.error is None


async def test_an_engine_that_fails_is_tried_photo_by_photo(engine, photo):
    """If a batch as a whole goes wrong, only the photo at fault is answered with an error."""

    class Fragile:
        def recognise(self, photos, *, embed):
            if any(one.data == b"poison" for one in photos):
                raise MemoryError
            return engine.recognise(photos, embed=embed)

    house = House(Fragile())
    jobs = [await house.send(photo) for _ in range(2)]
    poison = await house.send(b"poison")
    jobs += [await house.send(photo) for _ in range(2)]
    async with house:
        assert [(await house.ended(job)).answer.error for job in jobs] == [None] * 4
        assert (await house.ended(poison)).answer.error["code"] == "BrokenInvariant"


async def test_a_database_that_is_away_for_a_moment_costs_no_answer(engine, photo):
    """The answer is computed again and handed in once the queue is back."""

    class Flaky(MemoryQueue):
        failures = 3

        async def finish(self, *args, **options):
            if self.failures:
                self.failures -= 1
                raise Unavailable("away")
            await super().finish(*args, **options)

    house = House(engine, queue=Flaky(lease_s=30.0, max_receives=3))
    job = await house.send(photo)
    async with house:
        status = await house.ended(job)
    assert (status.receives, status.answer.error) == (1, None)


async def test_a_cancelled_job_is_not_answered(engine, photo):
    """Its lease is lost; what was computed is dropped."""
    house = House(engine)
    job = await house.send(photo)
    await house.queue.cancel(job)
    other = await house.send(photo)
    async with house:
        await house.ended(other)
    assert (await house.queue.status(job)).state is JobState.CANCELLED


async def test_nothing_is_kept_with_retention_zero(engine, photo):
    """Neither the photo nor the answer stays in the store."""
    house = House(engine, keep=False)
    job = await house.send(photo)
    async with house:
        await house.ended(job)
    assert [key async for key in house.store.keys("inputs/")] == []
    assert [key async for key in house.store.keys("outputs/")] == []


async def test_a_job_that_comes_twice_enrols_once(engine, photo):
    """At-least-once delivery, exactly-once effect: face ids derive from the job's."""
    house = House(engine)
    await house.gallery.create_collection("c", model_id="dlib-resnet-v1", tags={})
    for sha in ("a", "b"):  # as if two photos: only the id makes them one
        job = Job(
            job_id="6f9b3c1e-0000-4000-8000-000000000000",
            task=Enrol(image="inputs/same", collection="c", photo_sha256=sha, person="E"),
            created_s=0.0,
        )
        await house.store.put("inputs/same", photo)
        await house.queue.put(job)
        async with house:
            await house.ended(job.job_id)
        await house.queue.erase([job.job_id])
        house.stop.clear()
    assert (await house.gallery.collection("c")).faces == 1
    assert len([key async for key in house.store.keys("crops/")]) == 1


async def test_a_face_that_is_not_enrolled_leaves_no_crop(engine, photo):
    """No collection, no face: then there must be no picture of it either."""
    house = House(engine)
    job = await house.send(photo, task=Enrol, collection="none", photo_sha256="a", person="E")
    async with house:
        assert (await house.ended(job)).answer.error["code"] == "NotFound"
    assert [key async for key in house.store.keys("crops/")] == []


@pytest.mark.parametrize("task", [Identify, Enrol])
async def test_an_unknown_collection_is_said_even_if_nobody_is_in_the_photo(engine, task):
    """The name is wrong whatever the photo shows; an empty answer would hide that."""
    out = io.BytesIO()
    Image.fromarray(skimage.data.coffee()).save(out, "JPEG")
    house = House(engine)
    options = {"photo_sha256": "a", "one_face": False} if task is Enrol else {}
    job = await house.send(out.getvalue(), task=task, collection="none", **options)
    async with house:
        error = (await house.ended(job)).answer.error
    assert error["code"] == "NotFound"
    assert "none" in error["detail"]


async def test_a_photo_that_the_store_cannot_give_costs_no_neighbour_anything(engine, photo, monkeypatch):
    """The worker lives on; that one job comes again when its lease runs out."""
    house = House(engine, lease_s=3.0)
    job = await house.send(photo)
    neighbours = [await house.send(photo) for _ in range(5)]
    get, failures = house.store.get, [f"inputs/{job}"]

    async def flaky(key):
        if key in failures:
            failures.remove(key)
            raise Unavailable("The store did not answer.")
        return await get(key)

    monkeypatch.setattr(house.store, "get", flaky)
    async with house:
        for one in neighbours:
            assert (await house.ended(one)).receives == 1
        again = await house.ended(job)
    assert (again.receives, again.answer.error) == (2, None)


@pytest.fixture
def away(monkeypatch):
    """Make a store give nothing until the event that is returned is set."""

    def go(store):
        get, back = store.get, asyncio.Event()

        async def get_or_fail(key):
            if not back.is_set():
                raise Unavailable("The store does not answer.")
            return await get(key)

        monkeypatch.setattr(store, "get", get_or_fail)
        return back

    return go


async def test_a_store_that_is_away_for_long_costs_no_job_an_attempt(engine, photo, away):
    """The worker keeps what it has until the store is there again, and does not go through all that waits."""
    house = House(engine, lease_s=0.3)
    jobs = [await house.send(photo) for _ in range(6)]
    back = away(house.store)
    async with house:
        await asyncio.sleep(2 * house.queue.max_receives * house.queue.lease_s)
        back.set()
        ended = [await house.ended(job) for job in jobs]
    assert [(one.receives, one.answer.error) for one in ended] == [(1, None)] * len(jobs)


async def test_a_worker_that_is_stopped_while_the_store_is_away_gives_its_job_back(engine, photo, away):
    """It ends at once, and the job has all its attempts."""
    house = House(engine)
    job = await house.send(photo)
    away(house.store)
    async with house:
        while (await house.queue.status(job)).state is not JobState.IN_FLIGHT:
            await asyncio.sleep(0.01)
    status = await house.queue.status(job)
    assert (status.state, status.receives) == (JobState.QUEUED, 0)


async def test_what_was_found_before_the_store_went_away_is_answered(photo, away):
    """Though what the worker took next waits for the store."""
    gone = []

    class Last:
        def recognise(self, photos, *, embed):
            gone.append(away(house.store))
            return [NotFound("nobody") for _ in photos]

    house = House(Last(), keep=False)
    first, second = [await house.send(photo) for _ in range(2)]
    async with house:
        assert (await house.ended(first)).answer.error["detail"] == "nobody"
        assert (await house.queue.status(second)).state is JobState.IN_FLIGHT
        gone[0].set()
        await house.ended(second)


class WatchedQueue(MemoryQueue):
    """Knows what was in the store when a job ended."""

    store: Objects
    stored: list[str]

    async def finish(self, lease, answer, *, busy_ms):
        self.stored = [key async for key in self.store.keys("outputs/")]
        await super().finish(lease, answer, busy_ms=busy_ms)


async def test_an_answer_that_the_queue_forgets_is_stored_before_its_job_ends(engine, photo):
    """A worker that dies in between would lose it."""
    queue = WatchedQueue()
    house = House(engine, queue=queue, store_first=True)
    queue.store = house.store
    job_id = await house.send(photo)
    async with house:
        await house.ended(job_id)
    assert queue.stored == [f"outputs/{job_id}.json"]


@pytest.fixture
def refusing(monkeypatch):
    """Make a store refuse answers until the event that is returned is set."""

    def refuse(store):
        put, back = store.put, asyncio.Event()

        async def put_or_refuse(key, data, **options):
            if key.startswith("outputs/") and not back.is_set():
                raise Unavailable("The store does not answer.")
            await put(key, data, **options)

        monkeypatch.setattr(store, "put", put_or_refuse)
        return back

    return refuse


async def test_an_answer_is_stored_once_the_store_is_back(engine, photo, refusing):
    """Though its client has it long since, and the lease is gone."""
    house = House(engine, lease_s=0.3)
    back = refusing(house.store)
    job_id = await house.send(photo)
    async with house:
        answer = (await house.ended(job_id)).answer
        await asyncio.sleep(2 * house.queue.lease_s)
        assert [key async for key in house.store.keys("outputs/")] == []
        back.set()
    assert await house.store.get(f"outputs/{job_id}.json") == answer.body


async def test_a_face_deleted_while_its_answer_waits_for_the_store_stays_deleted(engine, photo, refusing):
    """What failed is tried again, not what was done."""
    house = House(engine)
    await house.gallery.create_collection("default", model_id="dlib-resnet-v1", tags={})
    back = refusing(house.store)
    enrol = {"collection": "default", "person": "Eileen", "photo_sha256": "0" * 64}
    job_id = await house.send(photo, task=Enrol, **enrol)
    async with house:
        assert (await house.ended(job_id)).answer.error is None
        await house.gallery.delete_person("default", "Eileen", faces=True)
        back.set()
    assert [key async for key in house.store.keys("outputs/")] == [f"outputs/{job_id}.json"]
    assert (await house.gallery.faces("default", limit=10)).items == ()
