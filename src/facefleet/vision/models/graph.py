"""A small writer of ONNX graphs: layers in, a serialised model out."""

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int | str, ...]  # a string names a dimension that is free

_OPSET: Final = 18
_IR_VERSION: Final = 9  # what ONNX Runtime 1.22, the oldest allowed, surely reads


class Graph:
    """Nodes and weights in the order they were added; every method returns the name of its result."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def weight(self, values: NDArray[Any]) -> str:
        """Store a constant."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        name = f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def conv(
        self, x: str, filters: NDArray[np.float32], bias: NDArray[np.float32], *, stride: int = 1, pad: int = 0
    ) -> str:
        """Convolve; filters are (out, in, rows, columns)."""
        return self.node(
            "Conv",
            x,
            self.weight(filters.astype(np.float32)),
            self.weight(bias.astype(np.float32)),
            kernel_shape=list(filters.shape[2:]),
            strides=[stride, stride],
            pads=[pad] * 4,
        )

    def max_pool(self, x: str, *, side: int, stride: int, pad_end: int = 0) -> str:
        """Take maxima; `pad_end` rows and columns that never win are added below and on the right."""
        return self.node(
            "MaxPool", x, kernel_shape=[side, side], strides=[stride, stride], pads=[0, 0, pad_end, pad_end]
        )

    def pixels_in(self, x: str) -> str:
        """Turn (N, H, W, 3) uint8 into (N, 3, H, W) float32, still 0-255."""
        return self.node("Transpose", self.node("Cast", x, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])

    def serialise(self, *, source: tuple[str, Shape], outputs: dict[str, tuple[str, Shape]]) -> bytes:
        """Return the model's bytes.

        Args:
            source: name and shape of the uint8 input.
            outputs: by public name, the node result it shows and its shape.
        """
        renamed = [helper.make_node("Identity", [result], [name]) for name, (result, _) in outputs.items()]
        graph = helper.make_graph(
            [*self._nodes, *renamed],
            self._name,
            [helper.make_tensor_value_info(source[0], TensorProto.UINT8, source[1])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in outputs.items()],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
