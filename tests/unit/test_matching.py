"""Scores of templates, and which faces stand for which people among candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefleet.core.faces import Box, Candidate, EnrolledFace, Template
from facefleet.core.matching import best_per_person, compare, cosine_scores
from facefleet.errors import IncompatibleTemplates


def candidate(face_id: str, person: str | None, score: float) -> Candidate:
    face = EnrolledFace(
        face_id=face_id,
        collection_id="c",
        image_id="i",
        person=person,
        external_image_id=None,
        photo_sha256="",
        box=Box(left=0, top=0, width=1, height=1),
        landmarks=(),
        confidence=1.0,
        quality=None,
        pose=None,
        crop_key=None,
        created_s=0.0,
    )
    return Candidate(face=face, score=score)


def ids(candidates) -> list[str]:
    return [one.face.face_id for one in candidates]


def test_a_person_is_as_alike_as_their_best_face():
    """Ten mediocre photos of Ada do not make her ten candidates, nor the mean of them."""
    found = best_per_person([candidate("1", "Ada", 0.8), candidate("2", "Bob", 0.85), candidate("3", "Ada", 0.9)])
    assert ids(found) == ["3", "2"]


def test_faces_that_belong_to_nobody_stand_for_themselves():
    """Two unnamed faces may be two people."""
    assert ids(best_per_person([candidate("1", None, 0.8), candidate("2", None, 0.9)])) == ["2", "1"]


def test_an_unnamed_face_is_not_taken_for_a_person_of_that_name():
    """A person may be called what a face's id is."""
    assert len(best_per_person([candidate("1", None, 0.8), candidate("2", "1", 0.9)])) == 2


def test_equal_scores_are_ordered_by_face_id():
    """The same gallery gives the same answer, in whatever order its faces come."""
    faces = [candidate("b", "Bob", 0.9), candidate("a", "Ada", 0.9), candidate("c", "Ada", 0.9)]
    assert ids(best_per_person(faces)) == ids(best_per_person(faces[::-1])) == ["a", "b"]


def test_nobody_is_found_in_an_empty_list():
    """An empty gallery has no candidates."""
    assert best_per_person([]) == []


@given(st.lists(st.tuples(st.sampled_from(["Ada", "Bob", "Cy", None]), st.floats(-1, 1)), max_size=20))
def test_the_best_of_all_is_always_first(faces):
    """Grouping by person never loses the best face, and never lists a person twice."""
    found = best_per_person(candidate(str(at), person, score) for at, (person, score) in enumerate(faces))
    listed = [one.score for one in found]
    assert listed == sorted(listed, reverse=True)
    assert listed[:1] == sorted((score for _, score in faces), reverse=True)[:1]
    named = [one.face.person for one in found if one.face.person is not None]
    assert len(named) == len(set(named))


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def test_scores_are_cosines():
    """Same direction 1, at right angles 0, opposite -1, at 60 degrees a half."""
    gallery = np.stack([unit(1, 0), unit(0, 1), unit(-1, 0), unit(1, 3**0.5)])
    assert cosine_scores(unit(1, 0), gallery).tolist() == pytest.approx([1, 0, -1, 0.5])


def test_an_empty_gallery_has_no_scores():
    """N may be 0."""
    assert cosine_scores(unit(1, 0), np.empty((0, 2), np.float32)).shape == (0,)


def test_templates_of_different_models_are_never_compared():
    """Not by name, and not by length."""
    one, other = Template(model_id="a", vector=unit(1, 0)), Template(model_id="b", vector=unit(1, 0))
    with pytest.raises(IncompatibleTemplates, match="of a cannot be compared with one of b"):
        compare(one, other)
    with pytest.raises(IncompatibleTemplates):
        cosine_scores(unit(1, 0), np.ones((3, 4), np.float32))


def test_a_template_equals_itself():
    """Rounding never makes a score exceed 1."""
    vector = unit(*np.random.default_rng(0).normal(size=128))
    assert compare(Template(model_id="a", vector=vector), Template(model_id="a", vector=vector)) <= 1.0
