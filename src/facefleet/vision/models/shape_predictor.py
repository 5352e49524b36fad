"""dlib's 5-point shape predictor as plain arrays (CC0).

Fifteen cascades of 500 regression trees of depth 4; a node compares two of 800 pixels, a leaf moves all five points.
Source: Kazemi and Sullivan, One Millisecond Face Alignment with an Ensemble of Regression Trees, 2014;
dlib/image_processing/shape_predictor.h. Reading takes a second in pure Python, which is why the arrays are cached.
"""

import io

import numpy as np

from facefleet.vision.models.dlib_format import DlibReader, Floats


def convert_shape_predictor(data: bytes) -> bytes:
    """Convert dlib's file.

    Returns:
        An .npz file with C cascades, T trees, N = 15 nodes and 16 leaves a tree, P pixels, 5 points:
        `initial` (5, 2) float32, `anchors` (C, P) int16, `deltas` (C, P, 2) float32,
        `first`, `second` (C, T, N) int16, `thresholds` (C, T, N) float32, `leaves` (C, T, 16, 10) float32.
    """
    reader = DlibReader(data)
    reader.integer()
    initial = reader.matrix().reshape(-1, 2)
    first: list[int] = []
    second: list[int] = []
    thresholds: list[float] = []
    leaves: list[Floats] = []
    cascades = reader.integer()
    trees = 0
    for _ in range(cascades):
        trees = reader.integer()
        for _ in range(trees):
            for _ in range(reader.integer()):
                first.append(reader.integer())
                second.append(reader.integer())
                thresholds.append(reader.real())
            leaves.extend(reader.matrix() for _ in range(reader.integer()))
    anchors = [reader.integers(reader.integer()) for _ in range(reader.integer())]
    deltas = [[reader.reals(2) for _ in range(reader.integer())] for _ in range(reader.integer())]
    reader.finish()
    buffer = io.BytesIO()
    np.savez(
        buffer,
        initial=initial,
        anchors=np.array(anchors, np.int16),
        deltas=np.array(deltas, np.float32),
        first=np.array(first, np.int16).reshape(cascades, trees, -1),
        second=np.array(second, np.int16).reshape(cascades, trees, -1),
        thresholds=np.array(thresholds, np.float32).reshape(cascades, trees, -1),
        leaves=np.array(leaves, np.float32).reshape(cascades, trees, -1, initial.size),
    )
    return buffer.getvalue()
