"""Crops of faces: each face has its own, and none is left without a face."""

import time
import uuid

import numpy as np
import pytest

from facefleet.adapters.memory import MemoryGallery
from facefleet.adapters.objects import Objects
from facefleet.core import answers
from facefleet.core.faces import Box, Face, Recognition, Template
from facefleet.core.jobs import Enrol
from facefleet.usecases import galleries
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

    async def index(self, *, collection="staff", job_id=None, faces=(1,), **options):
        """Enrol whoever is in the one photo there is; return the ids of the faces."""
        photo = Recognition(image_id="i", width=100, height=100, faces=tuple(map(a_face, faces)), took_ms={})
        task = Enrol(image="inputs/i", collection=collection, photo_sha256="a" * 64, one_face=False, **options)
        answer = await self.enrolment.enrol(job_id or str(uuid.uuid4()), task, photo, lambda: TOOK)
        return [face.face_id for face in answer.faces]

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
