"""WebP without Pillow: a third of the memory and of the time, because Pillow treats every file as an animation.

Pillow allocates two canvases on opening and copies the picture twice more on decoding: 1.3 GiB for 50 megapixels.
"""

import struct
from typing import cast

import cv2
import numpy as np

from facefleet.core.faces import Pixels
from facefleet.vision.alpha import on_white


def stored_size(data: bytes) -> tuple[int, int] | None:
    """Read (width, height) from the first chunk, None if it is damaged (RFC 9649, sections 2.5 to 2.7)."""
    try:
        match data[12:16]:
            case b"VP8X":
                width, height = (int.from_bytes(struct.unpack_from("3s", data, at)[0], "little") + 1 for at in (24, 27))
            case b"VP8 ":
                width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
            case b"VP8L":
                (bits,) = struct.unpack_from("<I", data, 21)
                width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            case _:
                return None
    except struct.error:
        return None
    return width, height


def decode_webp(data: bytes) -> Pixels | None:
    """Decode the first picture of a WebP, transparent pixels on white.

    Returns:
        (H, W, 3) uint8 RGB, or None if the file is damaged.
    """
    try:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if stored is None:
        return None
    if stored.shape[2] == 3:  # noqa: PLR2004 - samples a pixel
        return cast("Pixels", cv2.cvtColor(stored, cv2.COLOR_BGR2RGB, dst=stored))
    return on_white(cast("Pixels", cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA, dst=stored)))
