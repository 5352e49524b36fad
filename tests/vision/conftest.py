"""One engine for the run, dlib as the oracle, and the shared photos."""

from pathlib import Path
from types import SimpleNamespace

import dlib
import pytest
import skimage.data
from PIL import Image

from facefleet.vision.engine import Engine, Photo
from facefleet.vision.models.cache import Models, load_models
from facefleet.vision.models.weights import FIVE_POINTS, RESNET

MAX_PIXELS = 50_000_000


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory) -> Path:
    """A filled cache."""
    folder = tmp_path_factory.mktemp("models")
    load_models(folder)
    return folder


@pytest.fixture(scope="session")
def models(model_cache) -> Models:
    return load_models(model_cache)


@pytest.fixture(scope="session")
def engine(model_cache) -> Engine:
    return Engine(model_cache, max_pixels=MAX_PIXELS)


@pytest.fixture(scope="session")
def astronaut():
    """(512, 512, 3) RGB with one face, about 90 px wide, its eyes near (215, 110)."""
    return skimage.data.astronaut()


@pytest.fixture(scope="session")
def faces_folder() -> Path:
    """The shared photos of several people, beside the checkout."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "faces"
    if not folder.is_dir():
        pytest.skip("../shared/faces is missing: photos of several people are not part of the repository")
    return folder


@pytest.fixture(scope="session")
def oracle(tmp_path_factory) -> SimpleNamespace:
    """dlib itself on the same weights: detector, five-point predictor and face recognition network."""
    folder = tmp_path_factory.mktemp("dlib")
    for name, weights in {"points": FIVE_POINTS, "resnet": RESNET}.items():
        (folder / name).write_bytes(weights.read())
    return SimpleNamespace(
        detector=dlib.get_frontal_face_detector(),
        predictor=dlib.shape_predictor(str(folder / "points")),
        network=dlib.face_recognition_model_v1(str(folder / "resnet")),
    )


@pytest.fixture(scope="session")
def read_photo():
    """Read a file as a photo for the engine."""
    return lambda path: Photo(path.name, path.read_bytes())


@pytest.fixture(scope="session")
def write_photo(tmp_path_factory):
    """Encode RGB pixels as a photo for the engine, without loss."""
    folder = tmp_path_factory.mktemp("photos")

    def write(pixels, name="photo"):
        file = folder / f"{name}.png"
        Image.fromarray(pixels).save(file)
        return Photo(name, file.read_bytes())

    return write
