"""A person's mean, and how alike two of them are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefleet.core.centroid import centroid, likeness
from facefleet.core.faces import Template
from facefleet.errors import IncompatibleTemplates


def template(*numbers, model_id="m"):
    vector = np.array(numbers, np.float32)
    return Template(model_id=model_id, vector=vector / np.linalg.norm(vector))


def some(seed, count):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=8)
    return [template(*(shared + rng.normal(size=8))) for _ in range(count)]


@given(st.integers(0, 1000))
def test_single_templates_are_as_alike_as_their_cosine(seed):
    """A user with one face is that face."""
    one, other = some(seed, 2)
    alike = likeness(centroid([one]), centroid([other]))
    assert alike == pytest.approx(float(one.vector @ other.vector), abs=1e-6)


@given(st.integers(0, 1000), st.integers(2, 9))
def test_likeness_lies_between_the_mean_of_cosines_and_the_cosine_of_means(seed, count):
    """It is their geometric mean, for anybody who resembles somebody."""
    probe, *faces = some(seed, count + 1)
    mean = centroid(faces)
    of_means = float(probe.vector @ mean.template.vector)
    if of_means <= 0:
        return
    mean_of_cosines = float(np.mean([probe.vector @ face.vector for face in faces]))
    alike = likeness(centroid([probe]), mean)
    assert mean_of_cosines - 1e-6 <= alike <= of_means + 1e-6
    assert alike**2 == pytest.approx(mean_of_cosines * of_means, abs=1e-5)


def test_order_and_side_do_not_matter():
    """Nor does it matter which photo came first."""
    faces, others = some(1, 4), some(2, 3)
    alike = likeness(centroid(faces), centroid(others))
    assert likeness(centroid(others), centroid(faces[::-1])) == pytest.approx(alike, abs=1e-6)


def test_nobody_has_no_mean():
    """Neither does somebody whose templates cancel out."""
    assert centroid([]) is None
    assert centroid([template(1, 0), template(-1, 0)]) is None


def test_models_do_not_mix():
    """Neither within a mean nor between two."""
    ours, theirs = template(1, 0), template(1, 0, model_id="another")
    with pytest.raises(IncompatibleTemplates):
        centroid([ours, theirs])
    with pytest.raises(IncompatibleTemplates):
        likeness(centroid([ours]), centroid([theirs]))


def test_a_mean_does_not_show_its_numbers():
    """It is biometric: a repr may be logged."""
    assert "mean" not in repr(centroid([template(1, 0)]))
