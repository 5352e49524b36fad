"""Requests that meet: what each client is told is true of what is there afterwards.

In memory nothing comes between a look and what is done about it, so the gallery here is PostgreSQL's.
"""

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from shapes import watch
from studio import Sitter, Studio, photo

from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_gallery import PostgresGallery

ROUNDS = 12
NO_FACE = "FACE_NOT_FOUND"
GONE = "ResourceNotFoundException"


@pytest.fixture
def rekognition(tmp_path, postgres_url):
    """A client of a service on PostgreSQL that tries once."""
    database = Database(postgres_url)
    with Studio(tmp_path, anonymous=True, gallery=PostgresGallery(database)).open() as studio:
        studio.run(database.open())
        client = boto3.client(
            "rekognition",
            endpoint_url=studio.address,
            region_name="eu-central-1",
            config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
        )
        watch(client)
        client.create_collection(CollectionId="staff")
        yield client
        studio.run(database.close())


@pytest.fixture
def together():
    """Calls functions at once; returns for each its answer, or the code of its error."""
    with ThreadPoolExecutor(4) as threads:

        def outcome(call):
            try:
                return call()
            except ClientError as error:
                return error.response["Error"]["Code"]

        yield lambda *calls: list(threads.map(outcome, calls))


def index(rekognition, *sitters):
    answer = rekognition.index_faces(CollectionId="staff", Image={"Bytes": photo(*sitters)})
    return [record["Face"]["FaceId"] for record in answer["FaceRecords"]]


def associate(rekognition, user, faces):
    return lambda: rekognition.associate_faces(CollectionId="staff", UserId=user, FaceIds=faces)


def test_a_face_that_two_users_are_given_at_once_is_one_users(rekognition, together):
    """The other is told whose it is."""
    (face,) = index(rekognition, Sitter("Ada"))
    for user in ("ada", "bob"):
        rekognition.create_user(CollectionId="staff", UserId=user)
    for _ in range(ROUNDS):
        told = together(*(associate(rekognition, user, [face]) for user in ("ada", "bob")))
        winners = [user for user, one in zip(("ada", "bob"), told, strict=True) if one["AssociatedFaces"]]
        (winner,) = winners
        (refused,) = (one["UnsuccessfulFaceAssociations"] for one in told if not one["AssociatedFaces"])
        assert refused == [{"FaceId": face, "UserId": winner, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}]
        rekognition.disassociate_faces(CollectionId="staff", UserId=winner, FaceIds=[face])


def test_a_user_who_is_deleted_while_given_faces_stays_deleted(rekognition, together):
    """The faces were given before, or there is nobody to be given them."""
    faces = index(rekognition, Sitter("Ada"), Sitter("Ada", left=400))
    for _ in range(ROUNDS):
        rekognition.create_user(CollectionId="staff", UserId="ada")
        given, deleted = together(
            associate(rekognition, "ada", faces),
            lambda: rekognition.delete_user(CollectionId="staff", UserId="ada"),
        )
        assert given == GONE or len(given["AssociatedFaces"]) == 2
        assert deleted != GONE
        assert rekognition.list_users(CollectionId="staff")["Users"] == []


def test_a_face_is_associated_or_deleted(rekognition, together):
    """Never both; who came too late is told so."""
    rekognition.create_user(CollectionId="staff", UserId="ada")
    for _ in range(ROUNDS):
        (face,) = index(rekognition, Sitter("Ada"))
        given, deleted = together(
            associate(rekognition, "ada", [face]),
            lambda face=face: rekognition.delete_faces(CollectionId="staff", FaceIds=[face]),
        )
        if given["AssociatedFaces"]:
            kept = {"FaceId": face, "UserId": "ada", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
            assert deleted["UnsuccessfulFaceDeletions"] == [kept]
            rekognition.disassociate_faces(CollectionId="staff", UserId="ada", FaceIds=[face])
        else:
            assert deleted["DeletedFaces"] == [face]
            assert given["UnsuccessfulFaceAssociations"] == [{"FaceId": face, "Reasons": [NO_FACE]}]


def test_tags_that_are_added_at_once_are_all_there(rekognition, together):
    """None is lost to another's."""
    arn = rekognition.describe_collection(CollectionId="staff")["CollectionARN"]
    for n in range(ROUNDS):
        names = [f"{n} {who}" for who in "abc"]
        together(*(lambda name=name: rekognition.tag_resource(ResourceArn=arn, Tags={name: ""}) for name in names))
        assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"].keys() >= set(names)


def test_faces_that_are_associated_at_once_are_counted_together(rekognition, together):
    """60 and 60 are more than a user may have."""
    halves = [index(rekognition, *(Sitter("Ada", left=n, top=top) for n in range(60))) for top in (100, 200)]
    rekognition.create_user(CollectionId="staff", UserId="ada")
    told = together(*(associate(rekognition, "ada", half) for half in halves))
    assert told.count("ServiceQuotaExceededException") == 1
    assert len(rekognition.list_faces(CollectionId="staff", UserId="ada")["Faces"]) == 60
