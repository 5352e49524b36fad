"""Transparent pixels, shown on the white on which cut-out portraits are meant to stand."""

import numpy as np
from numpy.typing import NDArray

from facefleet.core.faces import Pixels

BAND_ROWS = 128  # big pictures are converted so many rows at a time, to bound the temporaries


def on_white(rgba: NDArray[np.uint8]) -> Pixels:
    """Composite over white.

    Args:
        rgba: (H, W, 4) uint8, alpha not premultiplied.

    Returns:
        (H, W, 3) uint8 RGB: alpha·colour + (1 - alpha)·255, rounded.
    """
    height, width, _ = rgba.shape
    rgb = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BAND_ROWS):
        band = rgba[top : top + BAND_ROWS]
        alpha = band[..., 3:].astype(np.uint16)
        rgb[top : top + BAND_ROWS] = (band[..., :3] * alpha + (255 - alpha) * np.uint16(255) + 127) // 255
    return rgb
