"""Converted models on disk: made once by whichever process comes first, shared by all.

A folder is complete or absent, since it is written under another name and renamed; whoever converts holds a file
lock, so that workers starting together do not all do the same work. The folder's name has the converter's version.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from facefleet.errors import Unavailable
from facefleet.vision.models import weights
from facefleet.vision.models.mtcnn import convert_output, convert_proposal, convert_refine
from facefleet.vision.models.resnet import convert_resnet
from facefleet.vision.models.shape_predictor import convert_shape_predictor

CONVERTER_VERSION: Final = 1  # raise it whenever a converter writes other bytes

_CONVERTERS: Final = {
    "proposal": (convert_proposal, weights.PNET),
    "refine": (convert_refine, weights.RNET),
    "output": (convert_output, weights.ONET),
    "shape_predictor": (convert_shape_predictor, weights.FIVE_POINTS),
    "resnet": (convert_resnet, weights.RESNET),
}
_DIGESTS: Final = "sha256.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Models:
    """The converted models' bytes: ONNX, but for the shape predictor, which is an .npz."""

    proposal: bytes = field(repr=False)
    refine: bytes = field(repr=False)
    output: bytes = field(repr=False)
    shape_predictor: bytes = field(repr=False)
    resnet: bytes = field(repr=False)


def load_models(cache: Path) -> Models:
    """Return the models, converting them first where `cache` does not hold them yet or holds damaged ones.

    Args:
        cache: a folder, made if missing; it may be read-only once it is filled.

    Raises:
        WeightsError: a weight file is missing or damaged.
        Unavailable: the folder holds no models and cannot be written.
    """
    folder = cache / f"models-v{CONVERTER_VERSION}"
    models = _read(folder)
    if models is not None:
        return models
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{folder.name}.lock"):
            models = _read(folder)  # another process may have been first
            if models is None:
                models = Models(**{name: convert(file.read()) for name, (convert, file) in _CONVERTERS.items()})
                _write(folder, models)
    except OSError as error:
        raise Unavailable(
            f"{cache}, the folder of the converted models, cannot be written: {error.strerror}. "
            "Choose another with FACEFLEET_CACHE."
        ) from error
    return models


def _read(folder: Path) -> Models | None:
    """Return what the folder holds, or None where a file is missing or is not what was written."""
    try:
        digests = json.loads((folder / _DIGESTS).read_bytes())
        contents = {name: (folder / name).read_bytes() for name in _CONVERTERS}
    except (OSError, ValueError):
        return None
    whole = all(_digest(content) == digests.get(name) for name, content in contents.items())
    return Models(**contents) if whole else None


def _write(folder: Path, models: Models) -> None:
    """Put the models in place in one step; a damaged folder goes first."""
    contents = {name: getattr(models, name) for name in _CONVERTERS}
    contents[_DIGESTS] = json.dumps({name: _digest(content) for name, content in contents.items()}).encode()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        whole = Path(made) / "whole"
        whole.mkdir()
        for name, content in contents.items():
            with (whole / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        whole.rename(folder)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system releases even if this process is killed."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
