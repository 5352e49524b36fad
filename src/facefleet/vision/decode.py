"""From a photo's bytes to upright RGB pixels.

A file that ends early is refused rather than half shown: the missing half may hold the face that was asked for, and
"no face" would be a wrong answer. Damage that leaves the picture whole (stray bytes, broken metadata) is forgiven.
Colour profiles are ignored, as every face model was trained on pictures read that way. Transparent pixels show white.
Of an animation the first picture counts.
"""

from typing import cast

import cv2
import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from facefleet.core.faces import Pixels
from facefleet.errors import InvalidImage
from facefleet.vision.alpha import BAND_ROWS, on_white
from facefleet.vision.formats import DAMAGED, ImageInfo, check_size, open_photo, sniff
from facefleet.vision.jpeg import check_scans, decode_clean
from facefleet.vision.webp import decode_webp

__all__ = ["ImageInfo", "decode", "sniff"]


def decode(data: bytes, *, max_pixels: int) -> Pixels:
    """Decode a photo, EXIF orientation applied.

    Args:
        data: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC; 1 to 16 bits a sample, grey, palette, RGB, CMYK, alpha.
        max_pixels: largest area; 50 million take at most 800 MiB while they are decoded, in the worst of the formats.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        InvalidImage: not a photo, damaged, or not complete.
        ImageTooLarge: more than `max_pixels` by its header; nothing was decoded.
    """
    info, image = open_photo(data, max_pixels=max_pixels)
    with image:
        pixels = _decode_quickly(data, info)
        if pixels is None:
            pixels = _decode_with_pillow(image, info.format, max_pixels=max_pixels)
        return _upright(pixels, _orientation(image))


def _decode_quickly(data: bytes, info: ImageInfo) -> Pixels | None:
    if info.format == "JPEG":
        check_scans(data)
        return decode_clean(data, width=info.width, height=info.height)
    return decode_webp(data) if info.format == "WEBP" else None


def _decode_with_pillow(image: Image.Image, kind: str, *, max_pixels: int) -> Pixels:
    try:
        image.load()
        check_size(*image.size, max_pixels=max_pixels)  # a container may hold a larger picture than it promised
        return _in_bands(image, kind)
    except InvalidImage:
        raise
    except DAMAGED as error:
        if "truncated" in str(error).lower():
            raise InvalidImage(f"This {kind} ends before its last pixel; send the whole file.") from error
        raise InvalidImage(f"This {kind} is damaged or incomplete; export the photo anew, send all of it.") from error


def _in_bands(image: Image.Image, kind: str) -> Pixels:
    if image.mode in ("I", "F"):
        raise InvalidImage(f"This {kind} has 32 bits a sample; save the photo with 8 or 16.")
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, image.height)
        pixels[top:bottom] = _to_rgb(image.crop((0, top, image.width, bottom)))
    return pixels


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I;16"):
        high_bytes = (np.asarray(image) >> 8).astype(np.uint8)  # as Pillow does for 16-bit colour
        return cast("Pixels", cv2.cvtColor(high_bytes, cv2.COLOR_GRAY2RGB))
    if image.has_transparency_data:
        return on_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _orientation(image: Image.Image) -> object:
    """Return the EXIF tag (1 if there is none, or it is unreadable); TIFF pixels are upright already once loaded."""
    try:
        return image.getexif().get(Base.Orientation, 1)
    except DAMAGED:
        return 1


def _upright(pixels: Pixels, orientation: object) -> Pixels:
    """Undo the camera's rotation and mirroring (EXIF 3.0, tag 0x0112; cv2 moves pixels in tiles, numpy does not)."""
    match orientation:
        case 2:
            turned = cv2.flip(pixels, 1)
        case 3:
            turned = cv2.rotate(pixels, cv2.ROTATE_180)
        case 4:
            turned = cv2.flip(pixels, 0)
        case 5:
            turned = cv2.transpose(pixels)
        case 6:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            turned = cv2.flip(cv2.transpose(pixels), -1)
        case 8:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            return pixels
    return cast("Pixels", turned)
