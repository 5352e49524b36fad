"""A studio for all tests, and boto3 clients of it: their own validation and retries on, every answer checked."""

import contextlib
import uuid

import boto3
import pytest
from botocore.config import Config
from shapes import watch
from studio import Studio

from facefleet import telemetry
from facefleet.core.keys import Scope


@pytest.fixture(scope="session", autouse=True)
def _log():
    telemetry.configure(level="info", json=True)


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    with Studio(tmp_path_factory.mktemp("studio")).open() as studio:
        yield studio


@pytest.fixture(scope="session")
def client_of(studio):
    """Makes a client for an access key, a new one with all rights if none is given."""

    def make(key=None, studio=studio, **config):
        name, secret = key or studio.add_key(Scope.ADMIN)
        client = boto3.client(
            "rekognition",
            endpoint_url=studio.address,
            region_name="eu-central-1",
            aws_access_key_id=name,
            aws_secret_access_key=secret,
            config=Config(**{"retries": {"mode": "standard", "total_max_attempts": 2}} | config),
        )
        watch(client)
        return client

    return make


@pytest.fixture(scope="session")
def rekognition(client_of):
    """A client that may do everything."""
    return client_of()


@pytest.fixture
def collection(rekognition):
    """An empty collection."""
    name = f"test-{uuid.uuid4()}"
    rekognition.create_collection(CollectionId=name)
    yield name
    with contextlib.suppress(rekognition.exceptions.ResourceNotFoundException):  # the test did it
        rekognition.delete_collection(CollectionId=name)


@pytest.fixture
def index(rekognition, collection):
    """Indexes a photo and returns the ids of its faces, largest first."""

    def index(photo, **members):
        answer = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo}, **members)
        return [record["Face"]["FaceId"] for record in answer["FaceRecords"]]

    return index


@pytest.fixture
def refused(rekognition):
    """Calls an operation with members that no SDK would send, and returns the code of the error."""

    def refused(operation, client=rekognition, **members):
        with pytest.raises(client.exceptions.ClientError) as caught:
            getattr(client, operation)(**members)
        return caught.value.response["Error"]["Code"]

    return refused
