"""One ONNX Runtime session a network, set up for workers that share a machine."""

from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_WARNINGS_AND_ABOVE: Final = 3  # ONNX Runtime's scale: errors only


class Network:
    """A network with one uint8 input; threads may share it."""

    def __init__(self, model: bytes, *, threads: int) -> None:
        """Parse and optimise the model for `threads` threads."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _WARNINGS_AND_ABOVE
        # A waiting thread that spins takes the core from the next worker.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: NDArray[np.uint8]) -> list[Any]:
        """Return the outputs, float32, for a batch (N, H, W, 3)."""
        return self._session.run(None, {self._input: batch})  # type: ignore[no-any-return]
