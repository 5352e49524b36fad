"""Boxes and names painted on a photo, for people to look at.

The text is set by OpenCV 5's own renderer, whose built-in fonts cover Latin, Greek, Cyrillic, Arabic, Chinese, Japanese
and Korean without a font on the machine; letters that they lack show as question marks. Sizes follow the face and the
photo, within bounds at which a name can be read and does not hide the neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facefleet.core.faces import Box, Pixels
from facefleet.errors import BrokenInvariant, InvalidInput

_GOOD, _OTHER = (46, 204, 113), (255, 179, 0)  # RGB: green and amber, told apart with any colour vision
_INK = (16, 16, 16)
_WEIGHT = 600  # semibold
_TEXT_OF_FACE = 0.2  # text height over box width
_MIN_TEXT_OF_PHOTO, _MAX_TEXT_OF_PHOTO = 1 / 50, 1 / 16  # of the photo's shorter side
_MIN_TEXT_PX = 9
_LINE_OF_PHOTO = 1 / 300
# The longest side that a format holds: jmorecfg.h of libjpeg, encode.h of libwebp, pnglibconf.h of libpng.
_MOST_PX = {".jpg": 65_500, ".jpeg": 65_500, ".png": 1_000_000, ".webp": 16_383}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A box with its label.

    Attributes:
        good: painted green (a person was named); otherwise amber.
    """

    box: Box
    text: str
    good: bool


def paint(photo: Pixels, marks: Sequence[Mark]) -> Pixels:
    """Return a copy of the photo, same size, with the marks on it: all boxes first, so that no name is crossed out.

    Args:
        photo: (H, W, 3) uint8 RGB, upright, the frame in which the boxes are.
    """
    painted = np.array(photo)
    line_px = max(1, round(min(photo.shape[:2]) * _LINE_OF_PHOTO))
    for mark in marks:
        left, top = round(mark.box.left), round(mark.box.top)
        right, bottom = round(mark.box.left + mark.box.width), round(mark.box.top + mark.box.height)
        cv2.rectangle(painted, (left, top), (right, bottom), _colour(mark), line_px, cv2.LINE_AA)
    for mark in marks:
        _write(painted, mark)
    return painted


def encode(photo: Pixels, suffix: str) -> bytes:
    """Encode (H, W, 3) uint8 RGB as the format of this file name suffix, such as `.jpg`.

    Raises:
        InvalidInput: the format holds no picture of that size.
    """
    height, width = photo.shape[:2]
    most_px = _MOST_PX[suffix.lower()]
    if max(height, width) > most_px:
        raise InvalidInput(
            f"A picture of {width:,} x {height:,} pixels cannot be drawn as {suffix}, which ends at {most_px:,} a side."
        )
    done, data = cv2.imencode(suffix.lower(), cv2.cvtColor(photo, cv2.COLOR_RGB2BGR))
    if not done:
        raise BrokenInvariant(f"The picture could not be encoded as {suffix}.")
    return bytes(data)


def _colour(mark: Mark) -> tuple[int, int, int]:
    return _GOOD if mark.good else _OTHER


def _write(painted: Pixels, mark: Mark) -> None:
    """Set the label on a plate above its box, moved as little as keeps it inside the photo."""
    height, width = painted.shape[:2]
    font = cv2.FontFace("sans")
    text_px = _text_px(mark.box, min(height, width))
    length_px = _length_px(mark.text, font, text_px)
    if length_px > width - text_px:  # a long name in a small photo: smaller, and its end cut off if need be
        text_px = max(5, int(text_px * (width - text_px) / length_px))
        length_px = _length_px(mark.text, font, text_px)
    pad = max(1, text_px // 4)
    plate_width, plate_height = length_px + 2 * pad, text_px + 2 * pad
    left = _within(round(mark.box.left), width - plate_width)
    top = _within(round(mark.box.top) - plate_height, height - plate_height)
    cv2.rectangle(painted, (left, top), (left + plate_width, top + plate_height), _colour(mark), cv2.FILLED)
    baseline = top + pad + round(text_px * 0.85)  # the rest is for the tails of g, j, p
    cv2.putText(painted, mark.text, (left + pad, baseline), _INK, font, text_px, _WEIGHT, wrap=(0, 4 * width))


def _text_px(box: Box, side_px: int) -> int:
    least = max(_MIN_TEXT_PX, side_px * _MIN_TEXT_OF_PHOTO)
    return round(min(max(box.width * _TEXT_OF_FACE, least), max(least, side_px * _MAX_TEXT_OF_PHOTO)))


def _length_px(text: str, font: "cv2.FontFace", text_px: int) -> int:
    """Return the width of a line of text; the renderer would wrap at the picture's edge, so it is given a wide one."""
    left, _, width, _ = cv2.getTextSize((100_000, 1000), text, (0, 0), font, text_px, _WEIGHT)
    return int(left + width)


def _within(start: int, last: int) -> int:
    return max(0, min(start, last))
