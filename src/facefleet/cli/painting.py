"""From a photo's file and the service's answer to a painted picture; imported only when one is asked for."""

from collections.abc import Mapping, Sequence

from facefleet.core.faces import Box
from facefleet.vision.decode import decode
from facefleet.vision.draw import Mark, encode, paint

# The service has read the photo before; this only keeps a mistake from filling the memory.
_MAX_PIXELS = 200_000_000


def picture(
    photo: bytes, boxes: Sequence[Mapping[str, float]], labels: Sequence[tuple[str, bool]], suffix: str
) -> bytes:
    """Return the photo with its faces marked, encoded as the format of this file name suffix.

    Args:
        boxes: left, top, width and height in pixels of the upright photo.
        labels: what to write beside each box, and whether it is good news; an empty one becomes the face's number.
    """
    marks = [
        Mark(box=Box(**box), text=text or str(number), good=good)
        for number, (box, (text, good)) in enumerate(zip(boxes, labels, strict=True), start=1)
    ]
    return encode(paint(decode(photo, max_pixels=_MAX_PIXELS), marks), suffix)
