"""Photos, and one running program that the tests of a module share."""

import tempfile
from pathlib import Path

import pytest
from program import Program, jpeg

SHARED = Path(__file__).parents[3] / "shared" / "faces"


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """Return Eileen Collins, 512 x 512, the one photo of a face that every clone has."""
    from skimage import data

    return jpeg(data.astronaut())


@pytest.fixture(scope="session")
def astronaut_again() -> bytes:
    """Return the same person, mirrored, darker and smaller: another photo, the same face."""
    from skimage import data

    return jpeg((data.astronaut()[:400, ::-1] * 0.8).astype("uint8"))


@pytest.fixture(scope="session")
def crowd() -> bytes:
    """Return a photo of nine faces: work for several times as long."""
    import numpy as np
    from skimage import data

    return jpeg(np.tile(data.astronaut()[::2, ::2], (3, 3, 1)))


@pytest.fixture(scope="session")
def nobody() -> bytes:
    """Return a photo without a face."""
    from skimage import data

    return jpeg(data.coffee())


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"needs photos of several people in {SHARED.name}/ beside the checkout")
    return SHARED


@pytest.fixture
def home():
    """Return a folder outside pytest's own, which pytest closes to all but its user; the database has another."""
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def program():
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder, Program(Path(folder) / "data") as program:
        yield program
