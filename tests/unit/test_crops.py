"""Crops of faces: each face has its own, and none is left without a face."""

import os
import time
import uuid
from dataclasses import replace

import numpy as np
import pytest

from facefleet import wiring
from facefleet.adapters.memory import MemoryGallery, MemoryKeys, MemoryQueue, MemoryReceipts, MemoryRoster
from facefleet.adapters.objects import Objects
from facefleet.config import load
from facefleet.core import answers
from facefleet.core.crops import crop_place, whose_crop
from facefleet.core.faces import Box, Face, Recognition, Template
from facefleet.core.jobs import Enrol
from facefleet.errors import BrokenInvariant, NotFound, Unavailable
from facefleet.usecases import crops, galleries, housekeeping
from facefleet.usecases.crops import ORPHAN_S, SWEEP_EVERY_S, CropSweep
from facefleet.usecases.enrolment import Enrolment

MODEL = "m"
TOOK = answers.TookJson(queue=0, decode=0, detect=0, embed=0, search=0, total=0)


def a_face(seed: int) -> Face:
    vector = np.random.default_rng(seed).normal(size=128)
    return Face(
        image_id="i",
        box=Box(left=10, top=10, width=50, height=50),
        confidence=0.99,
        landmarks=((0.0, 0.0),) * 5,
        chip=np.full((150, 150, 3), seed, np.uint8),
        template=Template(model_id=MODEL, vector=(vector / np.linalg.norm(vector)).astype(np.float32)),
    )


class House:
    """A gallery in memory, crops in a folder."""

    def __init__(self, folder, gallery=None):
        self.folder = folder
        self.gallery = gallery or MemoryGallery()
        self.store = Objects(folder.as_uri())
        self.enrolment = Enrolment(gallery=self.gallery, store=self.store, model_id=MODEL, now_s=time.time)
        self.clock_s = 0.0
        self.sweep = self.a_sweep()

    def a_sweep(self, **options):
        """Return a sweep that is due."""
        sweep = CropSweep(gallery=self.gallery, store=self.store, now_s=lambda: self.clock_s, **options)
        self.clock_s += SWEEP_EVERY_S
        return sweep

    async def index(self, *, collection="staff", job_id=None, faces=(1,), **options):
        """Enrol whoever is in the one photo there is; return the ids of the faces."""
        photo = Recognition(image_id="i", width=100, height=100, faces=tuple(map(a_face, faces)), took_ms={})
        task = Enrol(image="inputs/i", collection=collection, photo_sha256="a" * 64, one_face=False, **options)
        answer = await self.enrolment.enrol(job_id or str(uuid.uuid4()), task, photo, lambda: TOOK)
        return [face.face_id for face in answer.faces]

    async def orphan(self, *, collection="staff", age_s=0.0):
        """Leave a crop as a worker does that is killed between it and its face."""
        key = crop_place(collection, str(uuid.uuid4()), str(uuid.uuid4()))
        await self.store.put(key, b"png")
        written_s = time.time() - age_s
        os.utime(self.folder / key, (written_s, written_s))
        return key

    def grow_old(self):
        then_s = time.time() - 2 * ORPHAN_S
        for file in (one for one in self.folder.rglob("*") if one.is_file()):
            os.utime(file, (then_s, then_s))

    async def crops(self):
        return sorted([key async for key in self.store.keys("")])


@pytest.fixture
async def house(tmp_path):
    return await opened(tmp_path)


async def opened(folder, gallery=None):
    house = House(folder, gallery)
    for name in ("staff", "staff-2"):
        await house.gallery.create_collection(name, model_id=MODEL, tags={})
    return house


async def test_a_face_deleted_while_its_photo_is_indexed_anew_leaves_the_new_crop(house):
    """The old face's row goes, the new one comes with its crop, and only then is the old crop deleted."""
    (face_id,) = await house.index()
    (gone,) = await house.gallery.delete_faces("staff", [face_id])
    assert await house.index() == [face_id]
    await house.store.delete([gone.crop_key])
    assert await galleries.crop(house.gallery, house.store, "staff", face_id)
    assert len(await house.crops()) == 1


async def test_a_photo_that_is_indexed_again_adds_no_crop(house):
    """Nor does a job that is delivered again, or a photo of a person that another job has enrolled."""
    (face_id,) = await house.index()
    assert await house.index() == [face_id]
    job_id = str(uuid.uuid4())
    for _ in range(2):
        await house.index(job_id=job_id, person="Ada")
    await house.index(person="Ada")
    faces = (await house.gallery.faces("staff", limit=9)).items
    assert len(faces) == 2
    assert await house.crops() == sorted(face.crop_key for face in faces)


async def test_a_face_enrolled_under_an_earlier_name_of_its_crop_keeps_it(house):
    """Galleries of earlier versions go on as they are: the key is in the face."""
    (face_id,) = await house.index()
    face = await house.gallery.face("staff", face_id)
    await galleries.delete_faces(house.gallery, house.store, "staff", [face_id])
    earlier = f"crops/staff/{face_id}.png"
    await house.store.put(earlier, b"png")
    await house.gallery.enrol([replace(face, crop_key=earlier)])
    assert await house.index() == [face_id]
    house.grow_old()
    assert await house.sweep.go_on() == 0
    assert await house.crops() == [earlier]
    await galleries.delete_faces(house.gallery, house.store, "staff", [face_id])
    assert await house.crops() == []


class Failing(MemoryGallery):
    """Fails as a database does, before or after it has enrolled."""

    error: Exception | None = None
    late = False

    async def enrol(self, faces):
        if self.error is not None and not self.late:
            raise self.error
        kept = await super().enrol(faces)
        if self.error is not None:
            raise self.error
        return kept


@pytest.mark.parametrize("error", [BrokenInvariant("a bug"), NotFound("no collection")])
async def test_an_enrolment_that_fails_for_good_leaves_no_crop(tmp_path, error):
    """Whoever is at fault: nobody could have it deleted."""
    house = await opened(tmp_path, Failing())
    house.gallery.error = error
    with pytest.raises(type(error)):
        await house.index(faces=(1, 2))
    assert await house.crops() == []


async def test_an_enrolment_that_fails_where_an_earlier_delivery_did_not_leaves_its_crop(tmp_path):
    """The face is there, and its crop is the same."""
    house = await opened(tmp_path, Failing())
    job_id = str(uuid.uuid4())
    await house.index(job_id=job_id)
    house.gallery.error = BrokenInvariant("a bug")
    with pytest.raises(BrokenInvariant):
        await house.index(job_id=job_id)
    assert len(await house.crops()) == 1


@pytest.mark.parametrize("late", [False, True])
async def test_an_enrolment_that_is_tried_again_ends_with_one_crop(tmp_path, late):
    """Also if the database had done it, and only the answer was lost."""
    house = await opened(tmp_path, Failing())
    house.gallery.error, house.gallery.late = Unavailable("away"), late
    job_id = str(uuid.uuid4())
    with pytest.raises(Unavailable):
        await house.index(job_id=job_id)
    assert len(await house.crops()) == 1
    house.gallery.error = None
    (face_id,) = await house.index(job_id=job_id)
    assert [(await house.gallery.face("staff", face_id)).crop_key] == await house.crops()


async def test_a_collection_takes_crops_along_that_no_face_names(house):
    """And none of a collection whose name begins alike."""
    await house.index()
    await house.orphan()
    await house.index(collection="staff-2")
    neighbour = await house.orphan(collection="staff-2")
    await galleries.delete_collection(house.gallery, house.store, "staff")
    left = await house.crops()
    assert len(left) == 2
    assert neighbour in left
    assert not (house.folder / "crops" / "staff").exists()


class MadeAnew(MemoryGallery):
    """Somebody makes the collection anew as soon as it is deleted."""

    async def delete_collection(self, collection_id):
        crops = await super().delete_collection(collection_id)
        await self.create_collection(collection_id, model_id=MODEL, tags={})
        return crops


async def test_a_collection_made_anew_keeps_the_crops_of_faces_under_way(tmp_path):
    """Their faces come a moment later; the crop of one that does not is swept."""
    house = await opened(tmp_path, MadeAnew())
    await house.index()
    under_way = await house.orphan()
    await galleries.delete_collection(house.gallery, house.store, "staff")
    assert await house.crops() == [under_way]


async def test_the_sweep_deletes_old_crops_that_no_face_names_and_nothing_else(house):
    """If somebody began with an empty database, all crops of a collection without a face were orphans."""
    await house.index(faces=(1, 2))
    await house.index(collection="staff-2")
    await house.gallery.create_collection("default", model_id=MODEL, tags={})
    await house.store.put("crops/readme.txt", b"no crop")
    for key in ("inputs/i", "outputs/i.json"):
        await house.store.put(key, b"x")
    kept = await house.crops()
    house.grow_old()
    for collection in ("staff", "staff-2"):
        await house.orphan(collection=collection, age_s=ORPHAN_S + 60)
    kept += [await house.orphan(collection=name, age_s=ORPHAN_S + 60) for name in ("staff-3", "default")]
    young = await house.orphan(age_s=ORPHAN_S - 60)
    assert await house.sweep.go_on() == 2
    assert await house.crops() == sorted([*kept, young])


async def test_so_many_crops_without_a_face_are_rather_those_of_another_database(house):
    """Kills leave a few."""
    await house.index()
    house.grow_old()
    for _ in range(51):
        await house.orphan(age_s=2 * ORPHAN_S)
    assert await house.sweep.go_on() == 0
    assert len(await house.crops()) == 52


async def test_a_collection_whose_crops_could_not_be_deleted_is_deleted_with_a_second_try(house, monkeypatch):
    """The store was away; the collection had gone by then."""
    await house.index()

    async def away(_keys):
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(house.store, "delete", away)
        with pytest.raises(Unavailable):
            await galleries.delete_collection(house.gallery, house.store, "staff")
    assert len(await house.crops()) == 1
    with pytest.raises(NotFound):
        await galleries.delete_collection(house.gallery, house.store, "staff")
    assert await house.crops() == []


async def test_a_sweep_takes_several_rounds_and_then_a_rest(house, monkeypatch):
    """A million crops are not read at once, nor every minute."""
    monkeypatch.setattr(housekeeping, "CHUNK", 5)
    monkeypatch.setattr(crops, "CHUNK", 5)
    house.sweep = house.a_sweep(at_once=1)
    await house.index()
    house.grow_old()
    for _ in range(6):
        await house.orphan(age_s=2 * ORPHAN_S)
    first, second, third = [await house.sweep.go_on() for _ in range(3)]
    assert (first + second, third) == (6, 0)
    assert first
    assert second
    await house.orphan(age_s=2 * ORPHAN_S)
    house.clock_s += SWEEP_EVERY_S - 1
    assert await house.sweep.go_on() == 0
    house.clock_s += 1
    assert await house.sweep.go_on() == 1


async def test_a_sweep_that_fails_deletes_nothing_and_begins_anew(house, monkeypatch):
    """While the database is away no crop is known to be without a face."""
    await house.index()
    house.grow_old()
    await house.orphan(age_s=2 * ORPHAN_S)

    async def away(*_, **__):
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(house.gallery, "faces", away)
        with pytest.raises(Unavailable):
            await house.sweep.go_on()
    assert len(await house.crops()) == 2
    assert await house.sweep.go_on() == 1


async def test_the_housekeeper_sweeps(house, monkeypatch):
    """It is one of its chores."""
    monkeypatch.setattr(crops, "SWEEP_EVERY_S", 0.0)
    await house.index()
    house.grow_old()
    await house.orphan(age_s=2 * ORPHAN_S)
    ports = wiring.Ports(
        queue=MemoryQueue(lease_s=30, max_receives=3),
        store=house.store,
        gallery=house.gallery,
        roster=MemoryRoster(clock=lambda: 0.0),
        keys=MemoryKeys(),
        receipts=MemoryReceipts(keep_s=1, clock=lambda: 0.0),
    )
    assert await wiring.chores(load(), ports)() == 1


@pytest.mark.parametrize("key", ["crops/staff/readme.png", "crops/x/y/z.png", "inputs/i", "crops/staff/"])
def test_what_is_no_crop_is_nobodys(key):
    """The sweep leaves it alone."""
    assert whose_crop(key) is None


def test_the_key_of_a_crop_says_whose_it_is():
    """With the job in it or, as it was once, without."""
    face_id, job_id = str(uuid.uuid4()), str(uuid.uuid4())
    assert whose_crop(crop_place("a.b-c", face_id, job_id)) == ("a.b-c", face_id)
    assert whose_crop(f"crops/a/{face_id}.png") == ("a", face_id)
