"""dlib's 5-point predictor in numpy, all faces of a photo at once.

The points are the two corners of each eye and the bottom of the nose: what `align` needs to cut the chip that the
ResNet was trained on. They are not the landmarks a user sees (MTCNN gives those). The numbers equal dlib's.
Source: dlib/image_processing/shape_predictor.h.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from facefleet.core.faces import Box, Pixels

Points = NDArray[np.float64]  # (faces, 5, 2): x, y

_DEPTH: Final = 4
_NODES: Final = 15
_LEAVES: Final = 16
_POINTS: Final = 5
_MIRROR_ORDER: Final = [2, 3, 0, 1, 4]  # eyes trade places
_GROUP: Final = 8  # faces walked together: rows of 16 bytes are what numpy's take moves fastest


@dataclass(frozen=True, slots=True)
class _Cascade:
    """One round of refinement: P pixels to read and T trees to walk.

    Attributes:
        anchors: (P,) which point a pixel's offset starts at.
        deltas: (P,) complex offsets in the initial shape's frame.
        first, second: (T * 15,) the pixels that each node compares, tree after tree.
        thresholds: (T * 15, 8) a node goes left if first - second exceeds it; the same for each of 8 faces.
        leaves: (T * 16, 10) the step of each leaf.
    """

    anchors: NDArray[np.intp]
    deltas: NDArray[np.complex64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    thresholds: NDArray[np.int16]
    leaves: NDArray[np.float32]


class ShapePredictor:
    """The trained predictor; it has no state that changes, so threads may share it."""

    def __init__(self, initial: NDArray[np.float32], cascades: Sequence[_Cascade]) -> None:
        self._initial = initial
        self._cascades = cascades
        trees = cascades[0].leaves.shape[0] // _LEAVES
        self._tree_node = np.arange(trees) * _NODES
        self._tree_leaf = np.arange(trees) * _LEAVES

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Read what `models.shape_predictor` wrote."""
        arrays = np.load(io.BytesIO(data))
        fields = [arrays[name] for name in ("anchors", "deltas", "first", "second", "thresholds", "leaves")]
        cascades = [
            _Cascade(
                anchors=anchors.astype(np.intp),
                deltas=_complex(deltas).astype(np.complex64),
                first=first.ravel().astype(np.intp),
                second=second.ravel().astype(np.intp),
                # Grey values are whole numbers, so a threshold's fraction decides nothing.
                thresholds=np.floor(np.repeat(thresholds.reshape(-1, 1), _GROUP, axis=1)).astype(np.int16),
                leaves=leaves.reshape(-1, leaves.shape[-1]),
            )
            for anchors, deltas, first, second, thresholds, leaves in zip(*fields, strict=True)
        ]
        return cls(arrays["initial"], cascades)

    def predict(self, pixels: Pixels, boxes: Sequence[Box]) -> Points:
        """Find five points in each box, as dlib does.

        Args:
            pixels: the photo, contiguous.
            boxes: square boxes as dlib's detector would give them; rounded to whole pixels.

        Returns:
            (faces, 5, 2) float64, whole pixels: outer and inner corner of the eye on the right, outer and inner corner
            of the eye on the left (as seen by the viewer), bottom of the nose.
        """
        return self._predict(pixels, _Frames.of(boxes, mirrored=False, columns=pixels.shape[1]))

    def predict_symmetric(self, pixels: Pixels, boxes: Sequence[Box]) -> Points:
        """Find the points in the photo and in its mirror image, and take the mean of both.

        The predictor is not symmetric: what it finds in the mirror is a pixel or two beside the mirrored points. The
        mean is better than either, which verification shows (docs/engine.md).
        """
        views = [_Frames.of(boxes, mirrored=mirrored, columns=pixels.shape[1]).rows for mirrored in (False, True)]
        straight, mirrored = np.split(self._predict(pixels, _Frames(np.hstack(views))), 2)
        return (straight + mirrored[:, _MIRROR_ORDER]) / 2

    def _predict(self, pixels: Pixels, frames: "_Frames") -> Points:
        starts = range(0, frames.rows.shape[1], _GROUP)
        groups = [self._predict_group(pixels, _Frames(frames.rows[:, start : start + _GROUP])) for start in starts]
        return np.concatenate(groups) if groups else np.empty((0, _POINTS, 2))

    def _predict_group(self, pixels: Pixels, frames: "_Frames") -> Points:
        faces = frames.rows.shape[1]
        shapes = np.repeat(self._initial[:, None], faces, axis=1)  # (5, faces, 2) in units of the box
        for cascade in self._cascades:
            turn = _similarity(_complex(self._initial), _complex(shapes)).astype(np.complex64)
            at = turn * cascade.deltas[:, None] + _complex(shapes)[cascade.anchors]  # (P, faces)
            values = np.zeros((len(at), _GROUP), np.int16)
            values[:, :faces] = _read_grey(pixels, *frames.to_pixels(at))
            shapes = self._step(cascade, shapes, values)
        x, y = frames.to_pixels(_complex(shapes))
        return np.stack([x.T, y.T], axis=-1).astype(np.float64)

    def _step(self, cascade: _Cascade, shapes: NDArray[np.float32], values: NDArray[np.int16]) -> NDArray[np.float32]:
        """Walk every tree and add the leaves, one after the other as dlib does, so that rounding is the same.

        The faces are the last axis: one gather then moves a whole row of them.
        """
        differences = values.take(cascade.first, axis=0) - values.take(cascade.second, axis=0)
        goes_right = (differences <= cascade.thresholds).view(np.int8).ravel()
        faces = shapes.shape[1]
        root = self._tree_node[:, None] * _GROUP + np.arange(faces)
        node = np.zeros((len(self._tree_node), faces), np.intp)
        for _ in range(_DEPTH):
            node += node + 1 + goes_right.take(root + node * _GROUP)
        steps = cascade.leaves.take(self._tree_leaf[:, None] + node - _NODES, axis=0)  # (T, faces, 10)
        steps[0] += shapes.transpose(1, 0, 2).reshape(faces, 2 * _POINTS)
        moved: NDArray[np.float32] = steps.sum(axis=0)
        return moved.reshape(faces, _POINTS, 2).transpose(1, 0, 2)


@dataclass(frozen=True, slots=True)
class _Frames:
    """Where each face's unit square lies in the photo, and whether the face is looked at in a mirror.

    Attributes:
        rows: (6, faces) float64: left, top, width, height of the square, in the mirror image if that is looked at;
            then the offset and sign that bring an x back to the photo.
    """

    rows: NDArray[np.float64]

    @classmethod
    def of(cls, boxes: Sequence[Box], *, mirrored: bool, columns: int) -> Self:
        """Round boxes to whole pixels of a photo with so many columns."""
        edges = np.array([(box.left, box.top, box.width, box.height) for box in boxes], np.float64).reshape(-1, 4)
        left, top, width, height = np.rint(edges).T
        offset, sign = (columns - 1, -1) if mirrored else (0, 1)
        left = columns - left - width if mirrored else left
        # dlib's corners are inclusive: a box of n pixels is n - 1 wide.
        return cls(np.stack([left, top, width - 1, height - 1, np.full_like(left, offset), np.full_like(left, sign)]))

    def to_pixels(self, points: NDArray[np.complex64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the nearest pixels' x and y, halves rounded up as dlib does; the last axis are the faces."""
        left, top, width, height, offset, sign = self.rows
        x = np.floor(points.real * width + (left + 0.5))
        y = np.floor(points.imag * height + (top + 0.5))
        return (offset + sign * x).astype(np.intp), y.astype(np.intp)


def _read_grey(pixels: Pixels, x: NDArray[np.intp], y: NDArray[np.intp]) -> NDArray[np.int16]:
    """Return the mean of red, green and blue, rounded down, as dlib's get_pixel_intensity; 0 outside the photo."""
    rows, columns = pixels.shape[:2]
    inside_x, inside_y = x.clip(0, columns - 1), y.clip(0, rows - 1)
    red = (inside_y * columns + inside_x) * 3
    flat = pixels.reshape(-1)
    grey: NDArray[np.int16] = (flat.take(red).astype(np.int16) + flat.take(red + 1) + flat.take(red + 2)) // 3
    grey *= (inside_x == x) & (inside_y == y)
    return grey


def _complex(points: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Read the last axis (x, y) as x + iy: turning and scaling then are one multiplication."""
    return np.ascontiguousarray(points).view(np.complex64)[..., 0]


def _similarity(source: NDArray[np.complex64], targets: NDArray[np.complex64]) -> NDArray[np.complex128]:
    """Return the rotation and scale, one complex number a face, that best map `source` (5,) to `targets` (5, faces).

    Least squares (Umeyama, 1991), without reflection.
    """
    source = source.astype(np.complex128) - source.mean(dtype=np.complex128)
    targets = targets - targets.mean(axis=0, dtype=np.complex128)
    return np.asarray(source.conj() @ targets / np.vdot(source, source).real, np.complex128)
