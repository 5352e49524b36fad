"""Aligned chips against dlib's own."""

import cv2
import dlib
import numpy as np
import pytest

from facefleet.vision.align import cut_chip


def both_chips(oracle, pixels, rectangle):
    """Return our chip and dlib's for the points that dlib finds in a rectangle."""
    shape = oracle.predictor(pixels, rectangle)
    points = np.array([(p.x, p.y) for p in shape.parts()], np.float64)
    return cut_chip(pixels, points).astype(int), dlib.get_face_chip(pixels, shape, 150, 0.25).astype(int)


@pytest.mark.parametrize("scale", [0.3, 0.5, 1, 2, 3, 5])
@pytest.mark.parametrize("turn_degrees", [0, 30])
def test_a_chip_equals_dlibs_to_one_grey_level(oracle, astronaut, scale, turn_degrees):
    """Enlarged, reduced through one or two halvings, and turned."""
    turn = cv2.getRotationMatrix2D((215, 120), turn_degrees, 1)
    turned = cv2.warpAffine(astronaut, turn, (512, 512))
    pixels = cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    corners = [round(scale * value) for value in (170, 65, 265, 160)]
    ours, theirs = both_chips(oracle, pixels, dlib.rectangle(*corners))
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.01


def test_a_chip_over_the_edge_equals_dlibs_but_for_the_seam(oracle, astronaut):
    """Beyond the photo it is black; only the outermost pixels may be blended otherwise."""
    pixels = np.ascontiguousarray(astronaut[80:, 190:])
    ours, theirs = both_chips(oracle, pixels, dlib.rectangle(-20, -15, 75, 80))
    assert (theirs == 0).all(axis=2).any()
    assert (np.abs(ours - theirs) > 1).any(axis=2).mean() < 0.02
