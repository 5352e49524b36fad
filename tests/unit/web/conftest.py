"""Fixtures of the web room's tests; what they are made of is in `stand_in.py`."""

import pytest
import skimage.data
from PIL import Image
from stand_in import client_of, encoded, make_service, working

from facefleet import telemetry
from facefleet.usecases.service import Service


@pytest.fixture(scope="session", autouse=True)
def _log():
    telemetry.configure(level="info", json=True)


@pytest.fixture
def service() -> Service:
    return make_service()


@pytest.fixture
async def worker(service):
    async with working(service) as stand_in:
        yield stand_in


@pytest.fixture
async def client(service, worker):
    async with client_of(service) as client:
        yield client


@pytest.fixture(scope="session")
def photo() -> bytes:
    """512 x 512, about 75 kB."""
    return encoded(Image.fromarray(skimage.data.astronaut()), "JPEG", quality=92)
