"""MTCNN: three networks, each looking closer at what the one before let through.

The first slides over an image pyramid and proposes; the second and third look at crops of 24 and 48 pixels and correct
the box; the third also places five landmarks. Photos are first brought down to 640 px. Crops come from the halved
image whose pixels are nearest in size to the crop's, so that they do not alias.
Source: Zhang et al. 2016; box arithmetic and landmark offsets as in the `mtcnn` package 1.0.0. Its thresholds are
tightened before the crops, which dominate the time, and relaxed after them; `docs/engine.md` has the measurements.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facefleet.core.faces import Box, Pixels
from facefleet.vision.models.cache import Models
from facefleet.vision.models.mtcnn import OUTPUT_SIDE_PX, PROPOSAL_CELL_PX, REFINE_SIDE_PX
from facefleet.vision.runtime import Network

# A row a face: x1, y1, x2, y2, score; after the third stage also x of the five landmarks, then y.
Boxes = NDArray[np.float32]

LONGEST_SIDE_PX: Final = 640
SMALLEST_FACE_PX: Final = 28  # at that size
_PYRAMID_STEP: Final = 0.709  # halves the area
_STRIDE_PX: Final = 2
_CELL_REACH_PX: Final = PROPOSAL_CELL_PX - 1

_PROPOSAL_SCORE: Final = 0.8
_REFINE_SCORE: Final = 0.7
_OUTPUT_SCORE: Final = 0.7
_OVERLAP: Final = 0.5
_CONTAINED: Final = 0.7  # of the smaller of two boxes

_MOST_PROPOSALS: Final = 1024  # a crowd has far fewer; noise must not cost more
_GREY: Final = (127, 127, 127)  # beyond the edge; the networks see it as zero


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """One face.

    Attributes:
        box: in pixels of the photo.
        confidence: 0-1.
        landmarks: (x, y) of left eye, right eye, nose, left and right mouth corner, as seen by the viewer.
    """

    box: Box
    confidence: float
    landmarks: tuple[tuple[float, float], ...]


class Detector:
    """The three networks; threads may share it."""

    def __init__(self, models: Models, *, threads: int) -> None:
        self._propose_net = Network(models.proposal, threads=threads)
        self._refine_net = Network(models.refine, threads=threads)
        self._output_net = Network(models.output, threads=threads)

    def detect(self, pixels: Pixels) -> list[Detection]:
        """Find every face.

        Args:
            pixels: the upright photo, of any size.

        Returns:
            Largest face first.
        """
        halvings = _halvings(_shrink(pixels))
        boxes = self._propose(halvings)
        if len(boxes):
            boxes = self._refine(halvings, boxes)
        if not len(boxes):
            return []
        boxes = self._output(halvings, boxes)
        rows, columns = halvings[0].shape[:2]
        found = _to_detections(boxes, x_scale=pixels.shape[1] / columns, y_scale=pixels.shape[0] / rows)
        return sorted(found, key=lambda detection: detection.box.area, reverse=True)

    def _propose(self, halvings: list[Pixels]) -> Boxes:
        """Slide over the pyramid."""
        found = [np.empty((0, 5), np.float32)]
        scale = PROPOSAL_CELL_PX / SMALLEST_FACE_PX
        while min(halvings[0].shape[:2]) * scale >= PROPOSAL_CELL_PX:
            found.append(self._propose_at(halvings, scale))
            scale *= _PYRAMID_STEP
        return _square(_suppress(np.concatenate(found))[:_MOST_PROPOSALS])

    def _propose_at(self, halvings: list[Pixels], scale: float) -> Boxes:
        """Slide over one level of the pyramid."""
        rows, columns = halvings[0].shape[:2]
        height, width = _even(rows * scale), _even(columns * scale)  # the network's first pooling needs even sides
        nearest = next(image for image in reversed(halvings) if image.shape[0] >= height and image.shape[1] >= width)
        level = _resize(nearest, (width, height))
        offsets, scores = self._propose_net(level[None])
        row, column = np.nonzero(scores[0, 0] > _PROPOSAL_SCORE)
        corner = np.stack([column, row], axis=1) * _STRIDE_PX + 1
        cells = np.concatenate([corner, corner + _CELL_REACH_PX], axis=1)
        corners = (cells + offsets[0, :, row, column] * _CELL_REACH_PX) * np.tile([columns / width, rows / height], 2)
        return _suppress(np.column_stack([corners, scores[0, 0, row, column]]).astype(np.float32))

    def _refine(self, halvings: list[Pixels], boxes: Boxes) -> Boxes:
        offsets, scores = self._refine_net(_crop(halvings, boxes, REFINE_SIDE_PX))
        sure = scores[:, 0] > _REFINE_SCORE
        return _square(_suppress(_correct(boxes[sure], offsets[sure], scores[sure])))

    def _output(self, halvings: list[Pixels], boxes: Boxes) -> Boxes:
        offsets, points, scores = self._output_net(_crop(halvings, boxes, OUTPUT_SIDE_PX))
        sure = scores[:, 0] > _OUTPUT_SCORE
        corner, size = boxes[sure, :2], _size(boxes[sure])
        x, y = np.split(points[sure], 2, axis=1)
        landmarks = [x * size[:, :1] + corner[:, :1] - 1, y * size[:, 1:] + corner[:, 1:] - 1]
        return _drop_contained(np.hstack([_correct(boxes[sure], offsets[sure], scores[sure]), *landmarks]))


def _shrink(pixels: Pixels) -> Pixels:
    rows, columns = pixels.shape[:2]
    scale = LONGEST_SIDE_PX / max(rows, columns)
    if scale >= 1:
        return pixels
    return _resize(pixels, (max(1, round(columns * scale)), max(1, round(rows * scale))))


def _halvings(image: Pixels) -> list[Pixels]:
    """Return the image, its half, its quarter, and so on while both sides hold a crop."""
    images = [image]
    while min(images[-1].shape[:2]) >= OUTPUT_SIDE_PX:
        rows, columns = images[-1].shape[:2]
        images.append(_resize(images[-1], ((columns + 1) // 2, (rows + 1) // 2)))
    return images


def _resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to (width, height), each pixel the mean of what it covers."""
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _even(length: float) -> int:
    return max(PROPOSAL_CELL_PX, 2 * round(length / 2))


def _crop(halvings: list[Pixels], boxes: Boxes, side_px: int) -> NDArray[np.uint8]:
    """Cut square boxes out and bring them to one size; (N, side, side, 3)."""
    crops = np.empty((len(boxes), side_px, side_px, 3), np.uint8)
    deepest = len(halvings) - 1
    for crop, (x1, y1, x2, _) in zip(crops, boxes[:, :4].tolist(), strict=True):
        step = (x2 - x1 + 1) / side_px
        depth = min(max(int(np.log2(step)), 0), deepest) if step > 1 else 0
        shrink = 2.0**depth
        step /= shrink
        first = step / 2 - 0.5  # the centre of the crop's first pixel
        crop_to_image = np.array([[step, 0, x1 / shrink + first], [0, step, y1 / shrink + first]])
        cv2.warpAffine(
            halvings[depth],
            crop_to_image,
            (side_px, side_px),
            dst=crop,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_GREY,
        )
    return crops


def _size(boxes: Boxes) -> Boxes:
    """Return (N, 2) widths and heights, both ends counted."""
    return boxes[:, 2:4] - boxes[:, :2] + 1


def _correct(boxes: Boxes, offsets: NDArray[np.float32], scores: NDArray[np.float32]) -> Boxes:
    return np.hstack([boxes[:, :4] + offsets * np.tile(_size(boxes), 2), scores])


def _square(boxes: Boxes) -> Boxes:
    """Grow the shorter side about the centre."""
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    reach = (boxes[:, 2:4] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.hstack([centre - reach, centre + reach, boxes[:, 4:]])


def _suppress(boxes: Boxes) -> Boxes:
    """Keep the best of boxes whose intersection exceeds half of their union; best first."""
    if not len(boxes):
        return boxes
    rectangles = np.hstack([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]])
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), boxes[:, 4].tolist(), 0.0, _OVERLAP)
    return boxes[np.asarray(kept, np.intp).ravel()]


def _drop_contained(boxes: Boxes) -> Boxes:
    """Keep the best of boxes that lie mostly within one another; best first."""
    kept: list[NDArray[np.float32]] = []
    for box in boxes[np.argsort(-boxes[:, 4], kind="stable")]:
        if all(_contained(box, better) <= _CONTAINED for better in kept):
            kept.append(box)
    return np.array(kept, np.float32).reshape(-1, boxes.shape[1])


def _contained(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the intersection as a part of the smaller box."""
    width, height = np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2])
    smaller = min(np.prod(a[2:4] - a[:2]), np.prod(b[2:4] - b[:2]))
    return float(max(width, 0) * max(height, 0) / smaller)


def _to_detections(boxes: Boxes, *, x_scale: float, y_scale: float) -> list[Detection]:
    boxes = boxes.astype(np.float64)
    xs, ys = boxes[:, 5:10] * x_scale, boxes[:, 10:] * y_scale
    return [
        Detection(
            box=Box(left=x1 * x_scale, top=y1 * y_scale, width=(x2 - x1) * x_scale, height=(y2 - y1) * y_scale),
            confidence=score,
            landmarks=tuple(zip(x, y, strict=True)),
        )
        for (x1, y1, x2, y2, score), x, y in zip(boxes[:, :5].tolist(), xs.tolist(), ys.tolist(), strict=True)
    ]
