"""Naming people in galleries full of other faces: what identification and user search make of what a gallery finds."""

import json
from dataclasses import replace

import numpy as np
import pytest

from facefleet.adapters.objects import Objects
from facefleet.core.calibration import Calibration, Point
from facefleet.core.centroid import centroid
from facefleet.core.faces import Box, EnrolledFace, Face, Recognition, Template
from facefleet.core.jobs import Identify, Job, Lease
from facefleet.errors import NotFound
from facefleet.usecases.enrolment import Enrolment
from facefleet.usecases.recognise import Recogniser
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


async def identified(gallery, *, probes=(PROBE,), **options):
    """Return what is said of each face of a photo: who it is, and the candidates."""
    faces = tuple(
        Face(image_id="i", box=BOX, confidence=1.0, landmarks=((0.0, 0.0),) * 5, template=probe) for probe in probes
    )
    recogniser = Recogniser(
        gallery=gallery,
        enrolment=Enrolment(gallery=gallery, store=Objects("memory:///"), model_id=MODEL, now_s=lambda: 1.0),
        calibration=CALIBRATION,
        model_id=MODEL,
        threshold=70.0,
    )
    job = Job(job_id="j", task=Identify(image="inputs/j", collection="staff", **options), created_s=0.0)
    found = Recognition(image_id="i", width=1, height=1, faces=faces, took_ms={})
    answer = await recogniser.answer(Lease(job=job, token="t", receives=1, waited_ms=0.0), [found], started_s=0.0)
    return [
        (face["person"], [(one["person"], one["similarity"]) for one in face["candidates"]])
        for face in json.loads(answer.body)["faces"]
    ]


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


@pytest.mark.parametrize("unnamed", [4, 5, 25, 49, 50, 60, 700])
async def test_a_face_is_named_behind_any_number_of_unnamed_ones(gallery, unnamed):
    """`person` is null only where nobody reaches the threshold; whoever is named is among the candidates."""
    await gallery.enrol(some(unnamed, None, 1.0) + some(1, "Bob", 0.95))
    ((person, candidates),) = await identified(gallery)
    assert person == "Bob"
    assert candidates == [(None, 100.0)] * 4 + [("Bob", 95.0)]
    assert await identified(gallery, max_candidates=1) == [("Bob", [("Bob", 95.0)])]


async def test_each_face_of_a_photo_is_named_on_its_own(gallery):
    """One is lost among the unnamed, another is nobody's, a third is found at once."""
    nobody, cy = (Template(model_id=MODEL, vector=np.eye(8, dtype=np.float32)[n]) for n in (5, 6))
    of_cy = replace(some(1, "Cy", 1.0)[0], template=cy)
    await gallery.enrol([*some(60, None, 1.0), *some(1, "Bob", 0.95), of_cy])
    found = await identified(gallery, probes=(PROBE, nobody, cy))
    assert [person for person, _ in found] == ["Bob", None, "Cy"]
    assert [len(candidates) for _, candidates in found] == [5, 5, 5]


async def test_nobody_is_named_below_the_threshold(gallery):
    """However many unnamed faces stand before them; the candidates are those without a name."""
    await gallery.enrol(some(60, None, 1.0) + some(1, "Bob", 0.69))
    assert await identified(gallery) == [(None, [(None, 100.0)] * 5)]


async def test_who_finds_nobody_searches_once(gallery):
    """A second search is made only where unnamed faces that reach the threshold fill the first."""
    searches = 0

    async def count():
        nonlocal searches
        searches += 1

    for faces, expected in ((some(49, None, 1.0), 1), (some(60, None, 0.69), 1), (some(1, None, 0.9), 2)):
        searches = 0
        await gallery.enrol(faces)
        ((person, _),) = await identified(Interrupted(gallery, count))
        assert (person, searches) == (None, expected)
