"""Requests that nobody would think of: whatever is sent, the answer is one that the model knows, and never a 500."""

import base64
import http.client
import json
import random

import boto3
import pytest
from botocore.model import ListShape, MapShape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapes import deviations
from studio import Sitter, Studio, photo

from facefleet.web.rekognition.operations import OPERATIONS

# The protocol's own, which no operation lists.
PROTOCOL_ERRORS = {"SerializationException"}
FACE_IDS = ["00000000-0000-0000-0000-000000000000"]
PHOTOS = [
    base64.b64encode(data).decode()
    for data in (photo(Sitter("Ada")), photo(Sitter("Bob"), Sitter("Ada", side=60), kind="PNG"), photo(), b"no photo")
]
KNOWN = {
    "CollectionId": st.sampled_from(["here", "empty", "nowhere"]),
    "FaceId": st.deferred(lambda: st.sampled_from(FACE_IDS)),
    "UserId": st.sampled_from(["ada", "nobody"]),
    "ResourceArn": st.sampled_from(["arn:aws:rekognition:us-east-1:000000000000:collection/here", "arn:" + "x" * 30]),
    "ImageBlob": st.sampled_from(PHOTOS),
    "S3Bucket": st.just("bucket"),
    "Attribute": st.sampled_from(["ALL", "DEFAULT"]),
    "QualityFilter": st.sampled_from(["NONE", "AUTO", "HIGH"]),
    "ClientRequestToken": st.sampled_from(["one", "two"]),
}
WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def values(shape):
    """Return mostly sensible values of a shape, some at the edge and some absurd."""
    if shape.name == "Image":
        sensible = mostly(st.fixed_dictionaries({"Bytes": values(shape.members["Bytes"])}), structures(shape))
    elif isinstance(shape, StructureShape):
        sensible = structures(shape)
    elif isinstance(shape, ListShape):
        sensible = st.lists(values(shape.member), max_size=4)
    elif isinstance(shape, MapShape):
        sensible = st.dictionaries(st.text(min_size=1, max_size=10), values(shape.value), max_size=4)
    elif shape.name in KNOWN:
        sensible = KNOWN[shape.name]
    elif shape.type_name in ("integer", "long"):
        sensible = st.sampled_from([0, 1, 2, 500, 501, 4096, 4097, -1, 2**63, 10**30])
    elif shape.type_name == "float":
        sensible = st.floats(0, 100) | st.floats() | st.sampled_from([-0.0, 100, 1e308])
    elif shape.name in ("TagKey", "TagValue"):
        sensible = st.text("aZ0 .:/=+-@ü", max_size=10)
    else:
        sensible = st.text("ab.", min_size=1, max_size=3) | st.text(max_size=300)
    return mostly(sensible, WILD)


def structures(shape):
    required = {name: values(shape.members[name]) for name in shape.required_members}
    optional = {name: values(member) for name, member in shape.members.items() if name not in required}
    whole = st.fixed_dictionaries(required, optional=optional)
    torn = st.fixed_dictionaries({}, optional=required | optional)
    return mostly(whole, torn)


def mostly(usual, odd):
    """Draw one in twenty from the odd; `one_of` alone would count each of its many kinds."""
    return st.integers(0, 19).flatmap(lambda n: odd if n == 19 else usual)


@pytest.fixture(scope="module")
def model():
    client = boto3.client("rekognition", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    return client.meta.service_model


@pytest.fixture(scope="module")
def send(tmp_path_factory):
    """Sends one JSON document to a service that asks for no signature; returns status and answer."""
    with Studio(tmp_path_factory.mktemp("generated"), anonymous=True).open() as studio:
        connection = http.client.HTTPConnection(studio.address.removeprefix("http://"), timeout=90)

        def send(operation, document):
            headers = {
                "X-Amz-Target": f"RekognitionService.{operation}",
                "Content-Type": "application/x-amz-json-1.1",
            }
            connection.request("POST", "/", json.dumps(document).encode(errors="surrogatepass"), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

        for name in ("here", "empty"):
            send("CreateCollection", {"CollectionId": name})
        _, answer = send("IndexFaces", {"CollectionId": "here", "Image": {"Bytes": PHOTOS[1]}})
        FACE_IDS.extend(record["Face"]["FaceId"] for record in answer["FaceRecords"])
        send("CreateUser", {"CollectionId": "here", "UserId": "ada"})
        send("AssociateFaces", {"CollectionId": "here", "UserId": "ada", "FaceIds": FACE_IDS[1:2]})
        yield send
        connection.close()


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_answer_is_one_that_the_model_knows(send, model, operation, data):
    """200 with a document of the output shape, or 400 with an error that the operation lists."""
    known = model.operation_model(operation)
    document = data.draw(structures(known.input_shape))
    status, answer = send(operation, document)
    if status == 200:
        assert not list(deviations(answer, known.output_shape, operation))
    else:
        assert status == 400
        assert answer["__type"] in {shape.name for shape in known.error_shapes} | PROTOCOL_ERRORS
    if operation == "DeleteCollection":
        send("CreateCollection", {"CollectionId": random.choice(["here", "empty"])})


def test_the_operations_are_those_of_the_model(model):
    """No name is misspelt, and the lists of required members agree."""
    for name, operation in OPERATIONS.items():
        shape = model.operation_model(name).input_shape
        ours = {field.alias or one for one, field in operation.shape.model_fields.items()}
        assert ours == set(shape.members), name
        required = {field.alias or one for one, field in operation.shape.model_fields.items() if field.is_required()}
        assert required == set(shape.required_members), name
