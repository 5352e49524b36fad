"""The migration that docs/rekognition.md describes, from a service that plays the cloud, with photos in S3."""

import importlib.util
from pathlib import Path

import pytest
from studio import Sitter, Studio, photo

from emulated_aws import EmulatedAws

SCRIPT = Path(__file__).parents[3] / "examples" / "rekognition_migration.py"
BUCKET, COLLECTION = "photos", "staff"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("rekognition_migration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def s3():
    with EmulatedAws() as aws:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        photos = {
            "2024/ada one.jpg": photo(Sitter("Ada")),
            "2025/ada-two.jpg": photo(Sitter("Ada", likeness=0.9)),
            "2025/bob.jpg": photo(Sitter("Bob")),
            "2025/nobody.jpg": photo(),
            "2025/notes.txt": b"no photo",
        }
        for key, data in photos.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        yield s3


def test_a_collection_moves_with_its_users(script, s3, tmp_path, client_of):
    """Photos are indexed once, users keep their faces, what cannot be read is told; a second run changes nothing."""
    folders = [tmp_path / name for name in ("cloud", "here")]
    for folder in folders:
        folder.mkdir()
    with Studio(folders[0], s3_buckets=BUCKET).open() as old, Studio(folders[1], s3_buckets=BUCKET).open() as new:
        cloud, here = (client_of(one.add_key(), studio=one) for one in (old, new))
        script.migrate(s3, cloud_without_users(cloud), cloud, bucket=BUCKET, collection=COLLECTION, say=lambda _: None)
        faces = {face["ExternalImageId"]: face["FaceId"] for face in listed(cloud)}
        cloud.create_user(CollectionId=COLLECTION, UserId="ada")
        ada = [faces["ada_one.jpg"], faces["ada-two.jpg"]]
        cloud.associate_faces(CollectionId=COLLECTION, UserId="ada", FaceIds=ada)

        said = []
        counted = script.migrate(s3, cloud, here, bucket=BUCKET, collection=COLLECTION, say=said.append)
        assert counted == {"photos": 5, "faces": 3, "without": 1, "refused": 1, "users": 1, "associated": 2}
        owners = {face["ExternalImageId"]: face.get("UserId") for face in listed(here)}
        assert owners == {"ada_one.jpg": "ada", "ada-two.jpg": "ada", "bob.jpg": None}
        assert any("notes.txt" in line for line in said)
        assert said[-2].endswith("5 of 5 photos, 3 faces, 1 without a face, 1 refused")

        again = script.migrate(s3, cloud, here, bucket=BUCKET, collection=COLLECTION, say=said.append)
        assert again == counted
        assert {face["ExternalImageId"]: face.get("UserId") for face in listed(here)} == owners


def cloud_without_users(client):
    """The collection exists and is empty: there is nothing to learn from it yet."""
    client.create_collection(CollectionId=COLLECTION)
    return client


def listed(client):
    return client.list_faces(CollectionId=COLLECTION)["Faces"]
