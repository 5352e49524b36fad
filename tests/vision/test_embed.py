"""Templates against dlib's own."""

import numpy as np
import pytest

from facefleet.vision.embed import Embedder


@pytest.fixture(scope="module")
def embedder(models):
    return Embedder(models, threads=1)


@pytest.fixture(scope="module")
def chips(astronaut):
    """Faces, mirrored and off-centre, and noise: what matters is that the numbers agree."""
    corners = [(40, 130), (60, 150), (200, 10), (300, 300)]
    cuts = [np.ascontiguousarray(astronaut[top : top + 150, left : left + 150]) for top, left in corners]
    noise = np.random.default_rng(1).integers(0, 256, (150, 150, 3), np.uint8)
    return [*cuts, np.ascontiguousarray(cuts[0][:, ::-1]), noise]


def test_templates_equal_dlibs_on_the_same_chip(embedder, oracle, chips):
    """Within 1e-4 of dlib, once dlib's are brought to unit length."""
    theirs = np.array([oracle.network.compute_face_descriptor(chip) for chip in chips])
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    assert np.abs(embedder.embed(chips) - theirs).max() < 1e-5


def test_templates_have_unit_length(embedder, chips):
    """Cosine is then a dot product."""
    assert np.linalg.norm(embedder.embed(chips), axis=1) == pytest.approx(1, abs=1e-6)


def test_a_template_does_not_depend_on_its_batch(embedder, chips):
    """One of many, on either side of a batch's edge, equals one alone."""
    many = embedder.embed(chips * 6)
    for number, chip in enumerate(chips):
        alone = embedder.embed([chip])[0]
        assert np.abs(many[number :: len(chips)] - alone).max() < 1e-5


def test_no_chips_make_no_templates(embedder):
    """A photo without faces is ordinary."""
    assert embedder.embed([]).shape == (0, 128)
