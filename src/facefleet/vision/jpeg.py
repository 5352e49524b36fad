"""JPEG, the format nearly every photo has: decoded by libjpeg-turbo straight into an array.

Pillow decodes with the same library and gives the same bytes, but takes three times as long, because it keeps four
bytes a pixel and copies. The short way takes only files that libjpeg has no complaint about; Pillow judges the rest.
"""

import re

import numpy as np
import simplejpeg

from facefleet.core.faces import Pixels
from facefleet.errors import InvalidImage

# A progressive photo has about 10 scans. Each may be 100 bytes long and still cost a pass over all pixels, so that a
# 15 MiB file could take an hour (libjpeg-turbo's own advice, "Two Issues with the JPEG Standard", is to count).
MAX_SCANS = 100

_SOI, _SOS, _EOI = 0xD8, 0xDA, 0xD9
# Inside entropy-coded data 0xFF is followed by a stuffed 0x00 or a restart marker (ITU-T T.81, B.1.1.5).
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


def check_scans(data: bytes) -> None:
    """Refuse a JPEG that is stored in so many passes that decoding it would take minutes.

    Raises:
        InvalidImage: more than `MAX_SCANS` scans.
    """
    if data.count(b"\xff\xda") <= MAX_SCANS:  # an upper bound, fast
        return
    scans = _count_scans(data)
    if scans > MAX_SCANS:
        raise InvalidImage(
            f"This JPEG is stored in {scans} passes, more than {MAX_SCANS}; save the photo anew as an ordinary JPEG."
        )


def _count_scans(data: bytes) -> int:
    """Walk the markers up to the end of the image; what follows it (a video, more images) does not count."""
    scans = 0
    found = _NEXT_MARKER.search(data, 2)
    while found is not None:
        marker, end = data[found.end() - 1], found.end()
        if marker == _EOI:
            break
        if marker == _SOS:
            scans += 1
        has_length = marker not in (_SOI, 0x01)
        found = _NEXT_MARKER.search(data, end + int.from_bytes(data[end : end + 2], "big") if has_length else end)
    return scans


def decode_clean(data: bytes, *, width: int, height: int) -> Pixels | None:
    """Decode a JPEG that is free of any fault.

    Args:
        data: a file that begins like a JPEG.
        width, height: what its header was understood to say.

    Returns:
        (height, width, 3) uint8 RGB, or None if libjpeg warns of anything, the colours are not YCbCr, RGB or grey, or
        the size is another one.
    """
    try:
        found_height, found_width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if (found_width, found_height) != (width, height) or colours not in ("YCbCr", "RGB", "Gray"):
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, strict=True)
    except ValueError:
        return None
    return np.ascontiguousarray(pixels)
