"""dlib's aligned face chip: 150x150 pixels, eyes and nose at fixed places, a quarter of the face around it.

A chip that is much smaller than the face in the photo is cut from a halved image, so that bilinear sampling does not
alias. Only the face's surroundings are halved, never the photo. A point is a complex number here, x + iy: turning and
scaling is then one multiplication. Source: get_face_chip_details and extract_image_chips in
dlib/image_transforms/interpolation.h, pyramid_down in dlib/image_transforms/image_pyramid.h.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facefleet.core.faces import Pixels

Floats = NDArray[np.float32]  # (H, W, 3), 0-255

CHIP_SIDE_PX: Final = 150
_PADDING: Final = 0.25

# Where the five points lie in a face of size 1: dlib's mean face.
_MEAN_FACE: Final = np.array(
    [
        0.8595674595992 + 0.2134981538014j,
        0.6460604764104 + 0.2289674387677j,
        0.1205750620789 + 0.2137274526848j,
        0.3340850613712 + 0.2290642403242j,
        0.4901123135679 + 0.6277975316475j,
    ]
)
_CHIP_POINTS: Final = (_PADDING * (1 + 1j) + _MEAN_FACE) / (2 * _PADDING + 1) * CHIP_SIDE_PX
_LAST: Final = CHIP_SIDE_PX - 1

# dlib's pyramid_down<2> maps a point p to p / 2 - this.
_HALF_SHIFT: Final = 1.25 + 0.75j


def cut_chip(pixels: Pixels, points: NDArray[np.float64]) -> Pixels:
    """Cut one aligned face.

    Args:
        pixels: the photo.
        points: (5, 2) from `landmarks`.

    Returns:
        (150, 150, 3) uint8 RGB; black where the chip reaches over the photo's edge.
    """
    turn, centre = _fit(points[:, 0] + 1j * points[:, 1])
    # dlib's rectangles count pixels: n of them reach from the first to the last over n - 1.
    extent_px = CHIP_SIDE_PX * abs(turn) - 1
    turn /= abs(turn)
    image, centre, extent_px = _shrink(pixels, turn, centre, extent_px)
    step = turn * extent_px / _LAST
    origin = centre - step * (1 + 1j) * _LAST / 2
    chip_to_image = np.array([[step.real, -step.imag, origin.real], [step.imag, step.real, origin.imag]])
    size = (CHIP_SIDE_PX, CHIP_SIDE_PX)
    chip = cv2.warpAffine(image, chip_to_image, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return chip.astype(np.uint8)


def _fit(points: NDArray[np.complex128]) -> tuple[complex, complex]:
    """Return the turn and scale, and the photo's point at the chip's centre, by least squares (Umeyama, 1991)."""
    chip = _CHIP_POINTS - _CHIP_POINTS.mean()
    turn = complex(np.vdot(chip, points - points.mean()) / np.vdot(chip, chip).real)
    centre = points.mean() + turn * (CHIP_SIDE_PX / 2 * (1 + 1j) - _CHIP_POINTS.mean())
    return turn, complex(centre)


def _shrink(pixels: Pixels, turn: complex, centre: complex, extent_px: float) -> tuple[Floats, complex, float]:
    """Cut out the chip's surroundings and halve them while that leaves more pixels than the chip has."""
    depth, margin_px, halved_px = 0, 2, extent_px
    while halved_px / 2 + 1 > CHIP_SIDE_PX:
        depth, margin_px, halved_px = depth + 1, 2 * margin_px + 2, halved_px / 2
    reach_px = extent_px / 2 * (abs(turn.real) + abs(turn.imag)) + margin_px
    rows, columns = pixels.shape[:2]
    left, top = max(_round(centre.real - reach_px), 0), max(_round(centre.imag - reach_px), 0)
    right, bottom = min(_round(centre.real + reach_px), columns - 1), min(_round(centre.imag + reach_px), rows - 1)
    image = pixels[top : bottom + 1, left : right + 1].astype(np.float32)
    centre -= complex(left, top)
    for _ in range(depth):
        image = _halve(image)
        centre = centre / 2 - _HALF_SHIFT
    return image, centre, halved_px


def _halve(image: Floats) -> Floats:
    """Blur with [1 4 6 4 1] / 16 both ways and keep every second pixel, from the first whose blur is complete."""
    rows, columns = image.shape[:2]
    halved = np.floor(cv2.pyrDown(image)).astype(np.float32, copy=False)
    return halved[1 : (rows - 1) // 2, 1 : (columns - 1) // 2]


def _round(value: float) -> int:
    return int(np.floor(value + 0.5))
