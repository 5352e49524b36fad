"""dlib's face recognition ResNet as ONNX: 150x150 RGB chips in, 128 numbers out, 0.542 GFLOP a chip.

Affine layers fold into the convolution before them, and so does the input's `(x - mean) / 256`, exactly, because the
first convolution has no padding. Source: dlib's examples/dnn_face_recognition_ex.cpp (layout), CC0 (weights).
"""

from typing import Final

import numpy as np

from facefleet.vision.models.dlib_format import Floats, Parameters, read_network
from facefleet.vision.models.graph import Graph

CHIP_SIDE_PX: Final = 150
TEMPLATE_SIZE: Final = 128
_MEAN_RGB: Final = (122.782, 117.001, 104.298)
_SCALE: Final = 256.0

_BLOCK: Final = ["affine", "con", "relu", "affine", "con"]
_SAME: Final = ["relu", "add_prev", *_BLOCK, "wire"]
_DOWN: Final = ["relu", "add_prev", "avg_pool", "wire", "wire", *_BLOCK, "wire"]
_LAYERS: Final = [
    *("fc", "avg_pool", *_DOWN),
    *(*_SAME, *_SAME, *_DOWN),
    *(*_SAME, *_SAME, *_DOWN),
    *(*_SAME, *_SAME, *_SAME, *_DOWN),
    *(*_SAME, *_SAME, *_SAME),
    *("max_pool", "relu", "affine", "con"),
]
_DOWN_BLOCKS: Final = {3, 7, 10, 13}  # which of the 14 residual blocks, from the input, halve the image
_BLOCKS: Final = 14


def convert_resnet(data: bytes) -> bytes:
    """Convert dlib's file.

    Returns:
        An ONNX model: `chips` (N, 150, 150, 3) uint8 RGB to `templates` (N, 128) float32, not normalised.
    """
    parameters = read_network(data, _LAYERS)
    convolutions = [_fold(*pair) for pair in zip(parameters[:-1:2], parameters[1:-1:2], strict=True)]
    graph = Graph("dlib_face_recognition_resnet_v1")

    filters, bias = _fold_mean(*convolutions[0])
    x = graph.node("Relu", graph.conv(graph.pixels_in("chips"), filters, bias, stride=2))
    x = graph.max_pool(x, side=3, stride=2)
    side_px = ((CHIP_SIDE_PX - 7) // 2 + 1 - 3) // 2 + 1
    for block in range(_BLOCKS):
        first, second = convolutions[1 + 2 * block : 3 + 2 * block]
        if block in _DOWN_BLOCKS:
            x = _halve(graph, x, first, second, side_px)
            side_px //= 2
        else:
            inner = graph.node("Relu", graph.conv(x, *first, pad=1))
            x = graph.node("Relu", graph.node("Add", graph.conv(inner, *second, pad=1), x))
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    (weights,) = parameters[-1].arrays
    x = graph.node("MatMul", x, graph.weight(weights.reshape(weights.shape[:2])))
    return graph.serialise(
        source=("chips", ("n", CHIP_SIDE_PX, CHIP_SIDE_PX, 3)), outputs={"templates": (x, ("n", TEMPLATE_SIZE))}
    )


def _halve(graph: Graph, x: str, first: tuple[Floats, Floats], second: tuple[Floats, Floats], side_px: int) -> str:
    """Add a residual block that halves rows and columns.

    The shortcut is a 2x2 average whose missing channels are zero. Written as a convolution with 1/4 on the diagonal it
    is the same sum, and keeps ONNX Runtime in its blocked memory layout. Where the two paths differ in size (4 into 1
    against 2), dlib adds zeros below and on the right.
    """
    outputs, inputs = first[0].shape[:2]
    average = np.zeros((outputs, inputs, 2, 2), np.float32)
    average[np.arange(inputs), np.arange(inputs)] = 0.25
    shortcut = graph.conv(x, average, np.zeros(outputs, np.float32), stride=2)
    inner = graph.node("Relu", graph.conv(x, *first, stride=2))
    inner = graph.conv(inner, *second, pad=1)
    missing = side_px // 2 - ((side_px - 3) // 2 + 1)
    if missing:
        pads = np.array([0, 0, 0, 0, 0, 0, missing, missing], np.int64)
        inner = graph.node("Pad", inner, graph.weight(pads))
    return graph.node("Relu", graph.node("Add", inner, shortcut))


def _fold(convolution: Parameters, affine: Parameters) -> tuple[Floats, Floats]:
    """Multiply an affine layer into the filters and bias before it."""
    filters, bias = convolution.arrays
    gamma, beta = (array.ravel() for array in affine.arrays)
    return filters * gamma[:, None, None, None], bias.ravel() * gamma + beta


def _fold_mean(filters: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Let the first convolution read 0-255 pixels instead of `(x - mean) / 256`."""
    scaled = filters.astype(np.float64) / _SCALE
    shift = np.einsum("oirc,i->o", scaled, np.array(_MEAN_RGB))
    return scaled.astype(np.float32), (bias - shift).astype(np.float32)
