"""Pixels to bytes."""

import cv2

from facefleet.core.faces import Pixels
from facefleet.errors import BrokenInvariant


def png(pixels: Pixels) -> bytes:
    """Encode (H, W, 3) uint8 RGB as PNG: lossless, so that a template computed anew from it is the same."""
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise BrokenInvariant("A face crop could not be encoded.")
    return bytes(data)
