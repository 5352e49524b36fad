"""MTCNN's three networks as ONNX, from the Keras weight lists of the `mtcnn` package (MIT).

Each reads (N, H, W, 3) uint8 RGB; `(x - 127.5) / 128` is folded into the first convolution, exactly, since no
convolution here is padded. PReLU is written `a * x + (1 - a) * relu(x)`: the same to 1e-6 and twice as fast as ONNX
Runtime's own PRelu, because these nodes stay in the blocked layout of the convolutions around them.
Source: Zhang et al., Joint Face Detection and Alignment using Multi-task Cascaded CNNs, 2016.
"""

import io
from collections.abc import Iterator
from typing import Final

import joblib
import numpy as np

from facefleet.vision.models.dlib_format import Floats
from facefleet.vision.models.graph import Graph

PROPOSAL_CELL_PX: Final = 12
REFINE_SIDE_PX: Final = 24
OUTPUT_SIDE_PX: Final = 48
_MEAN: Final = 127.5
_SCALE: Final = 128.0


def convert_proposal(data: bytes) -> bytes:
    """Convert PNet: `image` (N, H, W, 3), H and W even, to `boxes` (N, 4, h, w) and `scores` (N, 1, h, w)."""
    weights = _arrays(data)
    graph = Graph("mtcnn_proposal")
    x = _first(graph, weights)
    x = graph.max_pool(x, side=2, stride=2)
    x = _convolve(graph, x, weights)
    x = _convolve(graph, x, weights)
    boxes = graph.conv(x, _oihw(next(weights)), next(weights))
    scores = _face_score(graph, graph.conv(x, *_margin(_oihw(next(weights)), next(weights))))
    return graph.serialise(
        source=("image", ("n", "h", "w", 3)),
        outputs={"boxes": (boxes, ("n", 4, "rows", "columns")), "scores": (scores, ("n", 1, "rows", "columns"))},
    )


def convert_refine(data: bytes) -> bytes:
    """Convert RNet: `crops` (N, 24, 24, 3) to `boxes` (N, 4) and `scores` (N, 1)."""
    weights = _arrays(data)
    graph = Graph("mtcnn_refine")
    x = _first(graph, weights)
    x = graph.max_pool(x, side=3, stride=2, pad_end=1)
    x = _convolve(graph, x, weights)
    x = graph.max_pool(x, side=3, stride=2)
    x = _convolve(graph, x, weights)
    x = _dense_prelu(graph, x, weights)
    boxes = _dense(graph, x, next(weights), next(weights))
    scores = _face_score(graph, _dense(graph, x, *_margin(next(weights), next(weights))))
    return graph.serialise(
        source=("crops", ("n", REFINE_SIDE_PX, REFINE_SIDE_PX, 3)),
        outputs={"boxes": (boxes, ("n", 4)), "scores": (scores, ("n", 1))},
    )


def convert_output(data: bytes) -> bytes:
    """Convert ONet: `crops` (N, 48, 48, 3) to `boxes` (N, 4), `points` (N, 10: x1..x5, y1..y5) and `scores` (N, 1)."""
    weights = _arrays(data)
    graph = Graph("mtcnn_output")
    x = _first(graph, weights)
    x = graph.max_pool(x, side=3, stride=2, pad_end=1)
    x = _convolve(graph, x, weights)
    x = graph.max_pool(x, side=3, stride=2)
    x = _convolve(graph, x, weights)
    x = graph.max_pool(x, side=2, stride=2)
    x = _convolve(graph, x, weights)
    x = _dense_prelu(graph, x, weights)
    boxes = _dense(graph, x, next(weights), next(weights))
    points = _dense(graph, x, next(weights), next(weights))
    scores = _face_score(graph, _dense(graph, x, *_margin(next(weights), next(weights))))
    return graph.serialise(
        source=("crops", ("n", OUTPUT_SIDE_PX, OUTPUT_SIDE_PX, 3)),
        outputs={"boxes": (boxes, ("n", 4)), "points": (points, ("n", 10)), "scores": (scores, ("n", 1))},
    )


def _arrays(data: bytes) -> Iterator[Floats]:
    """Yield the Keras weight list; some arrays are stored with strides that are not contiguous."""
    return (np.ascontiguousarray(array, np.float32) for array in joblib.load(io.BytesIO(data)))


def _oihw(filters: Floats) -> Floats:
    return filters.transpose(3, 2, 0, 1)


def _first(graph: Graph, weights: Iterator[Floats]) -> str:
    filters = _oihw(next(weights)).astype(np.float64) / _SCALE
    bias = next(weights) - _MEAN * filters.sum((1, 2, 3))
    source = "image" if filters.shape[0] == _PROPOSAL_FILTERS else "crops"
    x = graph.conv(graph.pixels_in(source), filters.astype(np.float32), bias.astype(np.float32))
    return _prelu(graph, x, next(weights).reshape(1, -1, 1, 1))


_PROPOSAL_FILTERS: Final = 10


def _convolve(graph: Graph, x: str, weights: Iterator[Floats]) -> str:
    x = graph.conv(x, _oihw(next(weights)), next(weights))
    return _prelu(graph, x, next(weights).reshape(1, -1, 1, 1))


def _prelu(graph: Graph, x: str, slope: Floats) -> str:
    positive = graph.node("Mul", graph.node("Relu", x), graph.weight(1 - slope))
    return graph.node("Add", graph.node("Mul", x, graph.weight(slope)), positive)


def _dense(graph: Graph, x: str, matrix: Floats, bias: Floats) -> str:
    return graph.node("Gemm", x, graph.weight(matrix), graph.weight(bias))


def _dense_prelu(graph: Graph, x: str, weights: Iterator[Floats]) -> str:
    """Flatten and multiply; the Keras model flattens (W, H, C), ours (C, H, W), so the rows are put in our order."""
    matrix, bias, slope = next(weights), next(weights), next(weights)
    side = 3
    ours = matrix.reshape(side, side, -1, matrix.shape[1]).transpose(2, 1, 0, 3).reshape(matrix.shape)
    return _prelu(graph, _dense(graph, graph.node("Flatten", x), ours, bias), slope.reshape(1, -1))


def _margin(weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Turn the two logits (no face, face) into their difference: a softmax of two is the sigmoid of that."""
    axis = 0 if weights.ndim == 4 else 1  # noqa: PLR2004 (filters have four axes, a matrix two)
    no_face, face = np.split(weights, 2, axis)
    return face - no_face, np.array([bias[1] - bias[0]], np.float32)


def _face_score(graph: Graph, margin: str) -> str:
    return graph.node("Sigmoid", margin)
