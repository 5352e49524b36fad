"""The five-point predictor against dlib's own."""

import dlib
import numpy as np
import pytest

from facefleet.core.faces import Box
from facefleet.vision.landmarks import ShapePredictor


@pytest.fixture(scope="module")
def predictor(models):
    return ShapePredictor.load(models.shape_predictor)


def dlib_points(oracle, pixels, boxes):
    """Return dlib's points (faces, 5, 2) in the same boxes."""
    rectangles = [
        dlib.rectangle(int(b.left), int(b.top), int(b.left + b.width) - 1, int(b.top + b.height) - 1) for b in boxes
    ]
    return np.array([[(p.x, p.y) for p in oracle.predictor(pixels, r).parts()] for r in rectangles])


def square(left, top, side):
    return Box(left=left, top=top, width=side, height=side)


def test_the_points_equal_dlibs_to_the_pixel(predictor, oracle, astronaut):
    """On the face, beside it, at many sizes, and for more faces at once than are walked together."""
    boxes = [square(left, top, side) for left in (150, 175, 300) for top in (50, 70, 200) for side in (61, 90, 133)]
    assert (predictor.predict(astronaut, boxes) == dlib_points(oracle, astronaut, boxes)).all()


def test_a_box_over_the_edge_equals_dlibs(predictor, oracle, astronaut):
    """Pixels beyond the photo count as black, as in dlib."""
    boxes = [square(-40, -30, 120), square(450, 460, 100), square(-300, 10, 80)]
    assert (predictor.predict(astronaut, boxes) == dlib_points(oracle, astronaut, boxes)).all()


def test_a_photo_and_its_mirror_image_have_mirrored_symmetric_points(predictor, astronaut):
    """The mean of both views does not depend on which of them is the photo."""
    boxes = [square(left, 70, side) for left in (150, 175) for side in (61, 90, 133)]
    mirrored_boxes = [square(512 - box.left - box.width, box.top, box.width) for box in boxes]
    points = predictor.predict_symmetric(astronaut, boxes)
    mirrored = predictor.predict_symmetric(np.ascontiguousarray(astronaut[:, ::-1]), mirrored_boxes)
    mirrored[..., 0] = 511 - mirrored[..., 0]
    assert (points == mirrored[:, [2, 3, 0, 1, 4]]).all()


def test_symmetric_points_are_near_the_plain_ones(predictor, oracle, astronaut):
    """On a face they move by a few pixels at most."""
    (rectangle,) = oracle.detector(astronaut)
    box = Box(left=rectangle.left(), top=rectangle.top(), width=rectangle.width(), height=rectangle.height())
    moved = predictor.predict_symmetric(astronaut, [box]) - predictor.predict(astronaut, [box])
    assert 0 < np.abs(moved).max() < 4


def test_no_boxes_give_no_points(predictor, astronaut):
    """A photo without faces is ordinary."""
    assert predictor.predict(astronaut, []).shape == (0, 5, 2)
    assert predictor.predict_symmetric(astronaut, []).shape == (0, 5, 2)


def test_the_points_equal_dlibs_on_many_people(predictor, oracle, faces_folder):
    """On every face that dlib's detector finds in the group photo."""
    pixels = dlib.load_rgb_image(str(faces_folder / "dlib_faces" / "bald_guys.jpg"))
    found = oracle.detector(pixels)
    boxes = [Box(left=r.left(), top=r.top(), width=r.width(), height=r.height()) for r in found]
    assert len(boxes) > 20
    assert (predictor.predict(pixels, boxes) == dlib_points(oracle, pixels, boxes)).all()
