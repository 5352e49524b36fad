"""How usable a face is, and where its head turns: cheap estimates, no network."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from facefleet.core.faces import Pixels, Pose, Quality

# The variance of the Laplacian at which a chip counts as half sharp. So chosen, the median photo of LFW scores 67 and
# its blurriest hundredth less than 36.
_HALF_SHARP: Final = 20.0

# A frontal face's five landmarks (left eye, right eye, nose, mouth), x to the right, y down, z towards the viewer, in
# units of the distance between the eyes. x and y are the medians of MTCNN's landmarks over frontal photos of LFW;
# depths are rounded anthropometry (the nose's tip stands about 35 mm before eyes that are 63 mm apart).
_FACE: Final = np.array([(-0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.60, 0.55), (-0.44, 1.06, 0.10), (0.44, 1.06, 0.10)])
# Least squares in one product; its rows sum to zero, so where the face lies in the photo does not matter.
_FIT: Final = np.linalg.pinv(_FACE - _FACE.mean(axis=0))


def measure_quality(chip: Pixels) -> Quality:
    """Measure an aligned face.

    Args:
        chip: (150, 150, 3) uint8 RGB.
    """
    luma = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)
    variance = float(cv2.Laplacian(luma, cv2.CV_32F).var())
    return Quality(brightness=float(luma.mean()) / 2.55, sharpness=100 * variance / (variance + _HALF_SHARP))


def estimate_pose(landmarks: Sequence[tuple[float, float]]) -> Pose:
    """Estimate the head's rotation as the one under which a mean face falls on the landmarks.

    The camera is taken to be far (scaled orthographic projection, POS of DeMenthon and Davis, 1995).

    Args:
        landmarks: five (x, y): left eye, right eye, nose, left and right mouth corner, as seen by the viewer.

    Returns:
        Degrees as the viewer sees it: roll > 0 leans clockwise, yaw > 0 looks to the right, pitch > 0 looks up.
    """
    axes = (_FIT @ np.asarray(landmarks, np.float64)).T  # (2, 3): the image's x and y in the face's frame
    # The nearest pair of unit vectors at right angles; the third follows.
    left, _, right = np.linalg.svd(axes, full_matrices=False)
    x_axis, y_axis = left @ right
    z_axis = np.cross(x_axis, y_axis)
    return Pose(
        roll=float(np.degrees(np.arctan2(y_axis[0], x_axis[0]))),
        yaw=float(np.degrees(np.arcsin(np.clip(-z_axis[0], -1, 1)))),
        pitch=float(np.degrees(np.arctan2(z_axis[1], z_axis[2]))),
    )
