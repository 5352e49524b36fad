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


@dataclass(frozen=True, slots=True)
class _Cascade:
    """One round of refinement: P pixels to read and T trees to walk.

    Attributes:
        anchors: (P,) which point a pixel's offset starts at.
        deltas: (P,) complex offsets in the initial shape's frame.
        first, second: (T * 15,) the pixels that each node compares, tree after tree.
        thresholds: (T * 15,) a node goes left if first - second exceeds it.
        leaves: (T * 16, 10) the step of each leaf.
    """

    anchors: NDArray[np.intp]
    deltas: NDArray[np.complex64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    thresholds: NDArray[np.float32]
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
                thresholds=thresholds.ravel(),
                leaves=leaves.reshape(-1, leaves.shape[-1]),
            )
            for anchors, deltas, first, second, thresholds, leaves in zip(*fields, strict=True)
        ]
        return cls(arrays["initial"], cascades)

    def predict(self, pixels: Pixels, boxes: Sequence[Box]) -> Points:
        """Find five points in each box.

        Args:
            pixels: the photo.
            boxes: square boxes as dlib's detector would give them; rounded to whole pixels.

        Returns:
            (faces, 5, 2) float64, whole pixels: outer and inner corner of the eye on the right, outer and inner corner
            of the eye on the left (as seen by the viewer), bottom of the nose.
        """
        corners = np.array([(round(box.left), round(box.top)) for box in boxes], np.float64).reshape(-1, 2)
        # dlib's corners are inclusive: a box of n pixels is n - 1 wide.
        sizes = np.array([(round(box.width) - 1, round(box.height) - 1) for box in boxes], np.float64).reshape(-1, 2)
        shapes = np.repeat(self._initial[None], len(boxes), axis=0)  # (faces, 5, 2) in units of the box
        for cascade in self._cascades:
            values = self._read(pixels, cascade, shapes, corners, sizes)
            shapes = self._step(cascade, shapes, values)
        return _round(shapes * sizes[:, None] + corners[:, None])

    def _read(
        self,
        pixels: Pixels,
        cascade: _Cascade,
        shapes: NDArray[np.float32],
        corners: NDArray[np.float64],
        sizes: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Return the grey values (faces, P) at each face's pixels; 0 outside the photo."""
        turn = _similarity(_complex(self._initial), _complex(shapes)).astype(np.complex64)
        at = turn[:, None] * cascade.deltas + _complex(shapes)[:, cascade.anchors]  # (faces, P)
        x = _round(at.real * sizes[:, :1] + corners[:, :1]).astype(np.intp)
        y = _round(at.imag * sizes[:, 1:] + corners[:, 1:]).astype(np.intp)
        rows, columns = pixels.shape[:2]
        inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        colours = pixels[np.clip(y, 0, rows - 1), np.clip(x, 0, columns - 1)]
        grey = colours.sum(-1, dtype=np.int32) // 3  # as dlib's get_pixel_intensity
        return np.where(inside, grey, 0).astype(np.float32)

    def _step(self, cascade: _Cascade, shapes: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Walk every tree and add the leaves, one after the other as dlib does, so that rounding is the same."""
        goes_right = values[:, cascade.first] - values[:, cascade.second] <= cascade.thresholds
        faces = np.arange(len(values))[:, None]
        node = np.zeros((len(values), len(self._tree_node)), np.intp)
        for _ in range(_DEPTH):
            node = 2 * node + 1 + goes_right[faces, self._tree_node + node]
        steps = cascade.leaves[self._tree_leaf + node - _NODES]  # (faces, T, 10)
        flat = shapes.reshape(len(shapes), 1, 2 * _POINTS)
        moved: NDArray[np.float32] = np.concatenate([flat, steps], axis=1).sum(axis=1)
        return moved.reshape(shapes.shape)


def _complex(points: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Read the last axis (x, y) as x + iy: turning and scaling then are one multiplication."""
    return np.ascontiguousarray(points).view(np.complex64)[..., 0]


def _similarity(source: NDArray[np.complex64], targets: NDArray[np.complex64]) -> NDArray[np.complex128]:
    """Return the rotation and scale, as one complex number a face, that best maps `source` to each target.

    Least squares (Umeyama, 1991), without reflection.
    """
    source = source.astype(np.complex128) - source.mean(dtype=np.complex128)
    targets = targets - targets.mean(axis=-1, keepdims=True, dtype=np.complex128)
    return np.asarray(targets @ source.conj() / np.vdot(source, source).real, np.complex128)


def _round(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round halves up, as dlib's point does."""
    return np.floor(values + 0.5)
