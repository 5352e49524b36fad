"""The real program through the AWS CLI and boto3: real signatures, real faces, nothing changed but the endpoint."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import boto3
import pytest

pytestmark = pytest.mark.timeout(300)

AWS = Path(sys.executable).parent / "aws"
PEOPLE = 6


def keys(program, *options):
    """Run `facefleet keys` beside the program and return what it prints."""
    command = [sys.executable, "-m", "facefleet", "keys", *options, "--data", str(program.data)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=180)
    return done.stdout


def created(program, *options):
    return json.loads(keys(program, "create", "--json", *options))


def client_for(program, key):
    return boto3.client(
        "rekognition",
        endpoint_url=program.url,
        region_name="us-east-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


@pytest.fixture(scope="module")
def admin(program):
    return created(program, "--scope", "admin")


@pytest.fixture(scope="module")
def rekognition(program, admin):
    return client_for(program, admin)


@pytest.fixture(scope="module")
def aws(program, admin, tmp_path_factory):
    """Runs `aws rekognition …` and returns its JSON, or the code of its error."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL_REKOGNITION": program.url,
        "AWS_ACCESS_KEY_ID": admin["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": admin["secret_access_key"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path_factory.mktemp("aws") / "none"),
    }

    def aws(operation, *options):
        command = [AWS, "rekognition", operation, *options, "--output", "json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180, env=environment)
        if done.returncode:
            return done.stderr.split("(", 1)[1].split(")", 1)[0]
        return json.loads(done.stdout or "{}")

    return aws


@pytest.fixture(scope="module")
def photos(astronaut, astronaut_again, nobody, tmp_path_factory):
    """The photos as files, for the CLI."""
    folder = tmp_path_factory.mktemp("photos")
    for name, data in {"one": astronaut, "again": astronaut_again, "nobody": nobody}.items():
        (folder / name).write_bytes(data)
    return {path.name: f"fileb://{path}" for path in folder.iterdir()}


def test_the_aws_cli_lives_a_whole_life(aws, photos):
    """Every operation, each once with success, in the order in which somebody would come to need them."""
    made = aws("create-collection", "--collection-id", "cli", "--tags", "purpose=test")
    assert made["StatusCode"] == 200
    assert aws("list-collections")["CollectionIds"] == ["cli", "default"]
    arn = ("--resource-arn", made["CollectionArn"])
    aws("tag-resource", *arn, "--tags", "owner=us")
    aws("untag-resource", *arn, "--tag-keys", "purpose")
    assert aws("list-tags-for-resource", *arn)["Tags"] == {"owner": "us"}

    (found,) = aws("detect-faces", "--image-bytes", photos["one"])["FaceDetails"]
    assert found["Confidence"] > 90
    assert found["Pose"].keys() == {"Roll", "Yaw", "Pitch"}
    compared = aws("compare-faces", "--source-image-bytes", photos["one"], "--target-image-bytes", photos["again"])
    assert [match["Similarity"] > 80 for match in compared["FaceMatches"]] == [True]

    cli = ("--collection-id", "cli")
    (record,) = aws("index-faces", *cli, "--image-bytes", photos["one"], "--external-image-id", "a")["FaceRecords"]
    (again,) = aws("index-faces", *cli, "--image-bytes", photos["again"])["FaceRecords"]
    face, other = record["Face"]["FaceId"], again["Face"]["FaceId"]
    assert aws("describe-collection", *cli)["FaceCount"] == 2
    (listed,) = aws("list-faces", *cli, "--max-items", "1")["Faces"]
    assert listed["FaceId"] == min(face, other)
    (match,) = aws("search-faces", *cli, "--face-id", face)["FaceMatches"]
    assert match["Face"]["FaceId"] == other
    by_image = aws("search-faces-by-image", *cli, "--image-bytes", photos["again"])
    assert {match["Face"]["FaceId"] for match in by_image["FaceMatches"]} == {face, other}

    ada = (*cli, "--user-id", "ada")
    aws("create-user", *ada)
    assert aws("associate-faces", *ada, "--face-ids", face, other)["UserStatus"] == "ACTIVE"
    assert aws("list-users", *cli)["Users"] == [{"UserId": "ada", "UserStatus": "ACTIVE"}]
    (match,) = aws("search-users", *cli, "--face-id", face)["UserMatches"]
    assert match["User"]["UserId"] == "ada"
    (match,) = aws("search-users-by-image", *cli, "--image-bytes", photos["again"])["UserMatches"]
    assert match["User"]["UserId"] == "ada"
    assert aws("disassociate-faces", *ada, "--face-ids", other)["DisassociatedFaces"] == [{"FaceId": other}]
    aws("delete-user", *ada)
    assert sorted(aws("delete-faces", *cli, "--face-ids", face, other)["DeletedFaces"]) == sorted([face, other])
    assert aws("delete-collection", *cli)["StatusCode"] == 200


def test_the_aws_cli_shows_errors_by_their_names(aws, photos):
    """One of each kind: not found, wrong parameter, not a photo, no such operation."""
    assert aws("describe-collection", "--collection-id", "nowhere") == "ResourceNotFoundException"
    assert aws("create-collection", "--collection-id", "with space") == "InvalidParameterException"
    assert aws("create-collection", "--collection-id", "default") == "ResourceAlreadyExistsException"
    assert aws("detect-faces", "--image-bytes", f"fileb://{__file__}") == "InvalidImageFormatException"
    assert aws("detect-labels", "--image-bytes", photos["one"]) == "UnknownOperationException"


def test_a_revoked_key_opens_nothing(program):
    """`facefleet keys revoke` holds from the next request on; listing never shows a secret."""
    key = created(program, "--scope", "read", "--collection", "default")
    client = client_for(program, key)
    assert client.list_collections()["CollectionIds"] == ["default"]
    listed = keys(program, "list")
    assert key["access_key_id"] in listed
    assert key["secret_access_key"] not in listed
    keys(program, "revoke", key["access_key_id"])
    with pytest.raises(client.exceptions.ClientError, match="UnrecognizedClientException"):
        client.list_collections()


def test_secrets_are_nowhere_in_the_clear(program, admin):
    """Neither in the database's files nor in the key file, which only its owner can read."""
    secret = admin["secret_access_key"].encode()
    files = [path for path in program.data.rglob("*") if path.is_file()]
    assert program.data / "access.key" in files
    for path in files:
        with suppress(FileNotFoundError):  # the database at work makes files and deletes them
            assert secret not in path.read_bytes(), path
    assert (program.data / "access.key").stat().st_mode & 0o777 == 0o600
    assert secret.decode() not in program.log


def test_version_1_knows_who_was_indexed_here(program, rekognition, astronaut, astronaut_again):
    """One gallery: a user made here is named by `/v1/identify`, and a person enrolled there is a user here."""
    rekognition.create_collection(CollectionId="both")
    (record,) = rekognition.index_faces(CollectionId="both", Image={"Bytes": astronaut})["FaceRecords"]
    rekognition.create_user(CollectionId="both", UserId="eileen")
    rekognition.associate_faces(CollectionId="both", UserId="eileen", FaceIds=[record["Face"]["FaceId"]])
    with program.client() as v1:
        answer = v1.post("/v1/identify", params={"collection": "both"}, files={"image": astronaut_again}).json()
        assert [face["person"] for face in answer["faces"]] == ["eileen"]
        similarity = answer["faces"][0]["candidates"][0]["similarity"]
        v1.post("/v1/collections/both/faces", params={"person": "Eileen Collins"}, files={"image": astronaut_again})
    (match,) = rekognition.search_faces_by_image(CollectionId="both", Image={"Bytes": astronaut_again}, MaxFaces=2)[
        "FaceMatches"
    ][1:]
    assert match["Similarity"] == similarity
    assert {user["UserId"] for user in rekognition.list_users(CollectionId="both")["Users"]} == {
        "eileen",
        "Eileen Collins",
    }


def test_people_are_told_apart_at_the_default_threshold(rekognition, shared):
    """Indexed by one photo, found by another, and nobody else is returned."""
    people = [folder for folder in sorted((shared / "lfw_dev").glob("*/")) if len(list(folder.iterdir())) >= 4][:PEOPLE]
    rekognition.create_collection(CollectionId="people")
    probes = {}
    for person in people:
        first, second, *_ = sorted(person.iterdir())
        rekognition.index_faces(
            CollectionId="people", Image={"Bytes": first.read_bytes()}, ExternalImageId=person.name, MaxFaces=1
        )
        probes[person.name] = second.read_bytes()
    for name, probe in probes.items():
        answer = rekognition.search_faces_by_image(CollectionId="people", Image={"Bytes": probe})
        found = {match["Face"]["ExternalImageId"] for match in answer["FaceMatches"]}
        assert found <= {name}, (name, answer["FaceMatches"])
    found = [
        rekognition.search_faces_by_image(CollectionId="people", Image={"Bytes": probe})["FaceMatches"]
        for probe in probes.values()
    ]
    assert sum(bool(matches) for matches in found) >= PEOPLE - 1
