"""Naming people in galleries full of other faces: what identification and user search make of what a gallery finds."""

from dataclasses import replace

import numpy as np
import pytest

from facefleet.core.calibration import Calibration, Point
from facefleet.core.centroid import centroid
from facefleet.core.faces import Box, EnrolledFace, Template
from facefleet.errors import NotFound
from facefleet.usecases.search import Searcher

MODEL = "made-by-hand"
# Similarity is a hundred times the cosine.
CALIBRATION = Calibration(
    model_id=MODEL, points=(Point(0.0, 0.0), Point(0.99, 99.0)), impostor_pairs=0, data="none: a straight line"
)
BOX = Box(left=0.0, top=0.0, width=1.0, height=1.0)
PROBE = Template(model_id=MODEL, vector=np.eye(8, dtype=np.float32)[0])


def alike(score: float) -> Template:
    """A template of this cosine with the probe."""
    vector = np.zeros(8, np.float32)
    vector[:2] = score, np.sqrt(1 - score**2)
    return Template(model_id=MODEL, vector=vector)


def some(count: int, person: str | None, score: float) -> list[EnrolledFace]:
    """Faces of somebody, or of nobody, each as alike."""
    one = EnrolledFace(
        face_id="",
        collection_id="staff",
        image_id="i",
        person=person,
        external_image_id=None,
        photo_sha256="",
        box=BOX,
        landmarks=(),
        confidence=1.0,
        quality=None,
        pose=None,
        crop_key=None,
        created_s=0.0,
        template=alike(score),
    )
    return [replace(one, face_id=f"{person} {score} {n}", photo_sha256=f"{score} {n}") for n in range(count)]


@pytest.fixture(autouse=True)
async def staff(gallery):
    return await gallery.create_collection("staff", model_id=MODEL, tags={})


async def searched(gallery, *, limit, threshold=80.0, **options):
    matches = await Searcher(gallery=gallery, calibration=CALIBRATION).persons(
        "staff", centroid([PROBE]), threshold=threshold, limit=limit, **options
    )
    return [(match.person, match.similarity) for match in matches]


@pytest.mark.parametrize("limit", [1, 2, 3, 80])
async def test_a_user_is_found_behind_any_number_of_unnamed_faces(gallery, limit):
    """Photos that were indexed and given to nobody do not hide who somebody is."""
    await gallery.enrol(some(25, None, 1.0) + some(1, "Bob", 0.95))
    assert await searched(gallery, limit=limit) == [("Bob", 95.0)]


async def test_a_user_with_many_faces_leaves_room_for_the_others(gallery):
    """One who has a hundred faces counts once, whatever number of users is asked for."""
    await gallery.enrol(some(100, "Ada", 1.0) + some(30, "Bob", 0.95) + some(1, "Cy", 0.9))
    for limit in (1, 2, 3):
        assert await searched(gallery, limit=limit) == [("Ada", 100.0), ("Bob", 95.0), ("Cy", 90.0)][:limit]


async def test_the_user_searched_with_takes_nobodys_place(gallery):
    """They are left out of the search, not of its answer: then the answer would be empty."""
    await gallery.enrol(some(25, "Ada", 1.0) + some(1, "Bob", 0.95))
    assert await searched(gallery, limit=1, other_than="Ada") == [("Bob", 95.0)]


async def test_users_who_come_near_do_not_hide_those_who_reach_the_threshold(gallery):
    """Faces just below are looked at too, since a mean may exceed its faces; that they fail is no end of the search."""
    near = [face for n in range(40) for face in some(1, f"near {n}", 0.795 - n / 10_000)]
    far, other = some(2, "Bob", 0.79)
    mirrored = replace(other.template, vector=other.template.vector * np.array([1, -1] + [1] * 6, np.float32))
    await gallery.enrol([*near, far, replace(other, template=mirrored)])
    ((person, similarity),) = await searched(gallery, limit=1)
    assert person == "Bob"
    assert similarity > 80


class Interrupted:
    """A gallery in which something happens after each search."""

    def __init__(self, gallery, meanwhile):
        self._gallery = gallery
        self._meanwhile = meanwhile

    def __getattr__(self, name):
        return getattr(self._gallery, name)

    async def search(self, *which, **options):
        found = await self._gallery.search(*which, **options)
        await self._meanwhile()
        return found


async def test_a_user_who_is_deleted_meanwhile_is_left_out(gallery):
    """Whoever searches for others finds these; only a collection that is gone is an error."""
    await gallery.enrol(some(2, "gone", 1.0) + some(1, "Bob", 0.95))
    losing = Interrupted(gallery, lambda: gallery.delete_person("staff", "gone", faces=False))
    assert await searched(losing, limit=5) == [("Bob", 95.0)]
    with pytest.raises(NotFound):
        await searched(Interrupted(gallery, lambda: gallery.delete_collection("staff")), limit=5)
