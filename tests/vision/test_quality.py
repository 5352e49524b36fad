"""Brightness, sharpness and pose."""

import cv2
import numpy as np
import pytest

from facefleet.vision.quality import _FACE, estimate_pose, measure_quality


@pytest.fixture
def chip(astronaut):
    return np.ascontiguousarray(astronaut[40:190, 145:295])


def test_a_darker_face_is_less_bright(chip):
    """Half the light is half the brightness; black is 0 and white 100."""
    bright = measure_quality(chip).brightness
    assert measure_quality(chip // 2).brightness == pytest.approx(bright / 2, abs=1)
    assert measure_quality(np.zeros_like(chip)).brightness == 0
    assert measure_quality(np.full_like(chip, 255)).brightness == pytest.approx(100)


def test_a_blurred_face_is_less_sharp(chip):
    """Each stronger blur lowers it; one colour has none."""
    blurred = [cv2.GaussianBlur(chip, None, sigma) for sigma in (1, 2, 4)]
    scores = [measure_quality(each).sharpness for each in (chip, *blurred, np.full_like(chip, 99))]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 60
    assert scores[-1] == 0


def rotation(roll, yaw, pitch):
    """Turn a face (x right, y down, z to the viewer): up, then to the viewer's right, then clockwise."""
    r, y, p = np.radians([roll, yaw, pitch])
    nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    shake = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    lean = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return lean @ shake @ nod


@pytest.mark.parametrize(
    ("roll", "yaw", "pitch"), [(0, 0, 0), (25, 0, 0), (0, 35, 0), (0, -35, 0), (0, 0, 20), (0, 0, -20), (-15, 20, 10)]
)
def test_the_pose_of_a_turned_mean_face_is_recovered(roll, yaw, pitch):
    """Wherever it is in the photo and however large."""
    points = 80 * (_FACE @ rotation(roll, yaw, pitch).T)[:, :2] + (300, 200)
    pose = estimate_pose(points)
    assert (pose.roll, pose.yaw, pose.pitch) == pytest.approx((roll, yaw, pitch), abs=1e-6)


def test_the_signs_are_as_documented():
    """Clockwise is a positive roll, a nose to the viewer's right a positive yaw, a raised nose a positive pitch."""

    def moved(landmark, by):
        points = _FACE[:, :2].copy()
        points[landmark] += by
        return estimate_pose(points)

    right_eye, nose = 1, 2
    assert moved(right_eye, (0, 0.3)).roll > 5
    assert moved(nose, (0.2, 0)).yaw > 5
    assert moved(nose, (0, -0.2)).pitch > 5
