"""dlib's serialisation, read without dlib: just what the ResNet and the shape predictor need.

Integers and floats have variable length; tensors are raw. A network is written inside out (each layer after the
sub-network it reads from), does not describe its own wiring, and so is read along a list of its layers.
Source: dlib/serialize.h, dlib/dnn/core.h, dlib/dnn/layers.h, dlib/image_processing/shape_predictor.h.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facefleet.core.faces import Matrix
from facefleet.vision.models.weights import WeightsError

Floats = NDArray[np.float32]

_NEGATIVE: Final = 0x80
_LENGTH: Final = 0x0F


class DlibReader:
    """A cursor over bytes in dlib's format."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def integer(self) -> int:
        """Read a control byte (sign and length), then little-endian bytes."""
        control = self._data[self._at]
        length = control & _LENGTH
        start = self._at + 1
        self._at = start + length
        magnitude = int.from_bytes(self._data[start : self._at], "little")
        return -magnitude if control & _NEGATIVE else magnitude

    def real(self) -> float:
        """Read mantissa and exponent."""
        mantissa, exponent = self.integer(), self.integer()
        return float(mantissa * 2.0**exponent)

    def boolean(self) -> bool:
        """Read an ASCII 0 or 1."""
        self._at += 1
        return self._data[self._at - 1 : self._at] == b"1"

    def string(self) -> str:
        """Read a length and as many bytes."""
        length = self.integer()
        self._at += length
        return self._data[self._at - length : self._at].decode("ascii", errors="replace")

    def integers(self, count: int) -> list[int]:
        """Read several integers."""
        return [self.integer() for _ in range(count)]

    def reals(self, count: int) -> list[float]:
        """Read several floats."""
        return [self.real() for _ in range(count)]

    def tensor(self) -> Floats:
        """Read a tensor as (samples, k, rows, columns) float32."""
        self._expect(self.integer(), 2, "tensor version")
        shape = self.integers(4)
        size = int(np.prod(shape))
        values = np.frombuffer(self._data, "<f4", size, self._at)
        self._at += 4 * size
        return values.reshape(shape).astype(np.float32)

    def alias(self) -> tuple[int, ...]:
        """Read the shape of a view into a parameter tensor."""
        self._expect(self.integer(), 1, "alias version")
        return tuple(self.integers(4))

    def matrix(self) -> Matrix:
        """Read a matrix of floats; negative dimensions mark the newer form."""
        rows, columns = self.integers(2)
        rows, columns = abs(rows), abs(columns)
        return np.array(self.reals(rows * columns), np.float32).reshape(rows, columns)

    def finish(self) -> None:
        """Check that nothing is left: the surest sign that everything was understood."""
        self._expect(self._at, len(self._data), "end of file")

    @staticmethod
    def _expect(found: object, wanted: object, what: str) -> None:
        if found != wanted:
            raise WeightsError(f"dlib file: {what} is {found!r}, expected {wanted!r}")


@dataclass(frozen=True, slots=True)
class Parameters:
    """A layer's learned arrays: a convolution's (filters, bias), an affine's (gamma, beta), a matrix alone."""

    kind: str
    arrays: tuple[Floats, ...]


def read_network(data: bytes, layers: Sequence[str]) -> list[Parameters]:
    """Read a loss_metric network over a mean-subtracting RGB input.

    Args:
        data: the file.
        layers: every layer from the output to the input, by dlib's name without version
            (`con`, `affine`, `fc`, `relu`, `max_pool`, `avg_pool`, `add_prev`, or `wire` for tags and skips).

    Returns:
        The layers with parameters, from the input to the output.

    Raises:
        WeightsError: the file is another network.
    """
    reader = DlibReader(data)
    reader.integer()
    _details(reader, "loss_metric")
    versions = [reader.integer() for _ in layers]
    parameters = []
    for depth, (kind, version) in enumerate(reversed(list(zip(layers, versions, strict=True)))):
        if kind == "wire":
            continue
        if depth == 0:
            _details(reader, "input_rgb_image_sized")
        arrays = _details(reader, kind)
        if arrays:
            parameters.append(Parameters(kind, arrays))
        _bookkeeping(reader, version, over_input=depth == 0)
    reader.finish()
    return parameters


def _bookkeeping(reader: DlibReader, version: int, *, over_input: bool) -> None:
    """Skip what training left behind in add_layer."""
    for _ in range(3):
        reader.boolean()
    reader.tensor()
    reader.tensor()
    if over_input:
        reader.tensor()
        if version >= 3:  # noqa: PLR2004 (dlib's version that added the sample expansion factor)
            reader.integer()
    elif version == 2:  # noqa: PLR2004 (dlib's version that added params_grad)
        reader.tensor()


def _details(reader: DlibReader, kind: str) -> tuple[Floats, ...]:
    """Read one layer's own record and return its arrays."""
    name = reader.string()
    if name.rstrip("0123456789").rstrip("_") != kind:
        raise WeightsError(f"dlib file: layer is {name}, expected {kind}")
    match kind:
        case "con":
            params = reader.tensor()
            reader.integers(7)
            arrays = _views(params, reader.alias(), reader.alias())
            reader.reals(4)
        case "fc":
            reader.integers(2)
            params = reader.tensor()
            arrays = _views(params, reader.alias(), reader.alias())
            reader.integer()
            reader.reals(4)
        case "affine":
            params = reader.tensor()
            arrays = _views(params, reader.alias(), reader.alias())
            reader.integer()
        case "max_pool" | "avg_pool":
            reader.integers(6)
            arrays = ()
        case "input_rgb_image_sized":
            reader.reals(3)
            reader.integers(2)
            arrays = ()
        case "loss_metric":
            reader.reals(2)
            arrays = ()
        case _:
            arrays = ()
    return arrays


def _views(params: Floats, *shapes: tuple[int, ...]) -> tuple[Floats, ...]:
    """Cut a flat parameter tensor into consecutive arrays; one without elements is left out."""
    flat = params.ravel()
    arrays = []
    for shape in shapes:
        size = int(np.prod(shape))
        if size and flat.size >= size:
            arrays.append(flat[:size].reshape(shape))
            flat = flat[size:]
    return tuple(arrays)
