"""Move a collection from Amazon Rekognition to facefleet: index its photos anew, and name the same users.

    python examples/rekognition_migration.py BUCKET COLLECTION --to http://127.0.0.1:8000

Templates cannot be taken out of Rekognition, and would be of no use to another model: only photos can move. The photos
are read from the bucket they were indexed from (facefleet reads it itself: start it with FACEFLEET_S3_BUCKETS=BUCKET).
Which face is whose comes from the old collection: ExternalImageId and UserId of its faces.

It can be stopped and started again at any time: a photo that was indexed is indexed once. Credentials: the usual AWS
variables for the cloud, FACEFLEET_ACCESS_KEY_ID and FACEFLEET_SECRET_ACCESS_KEY (`facefleet keys create --scope admin`)
for facefleet.
"""

import argparse
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

Client = Any  # boto3's clients have no types of their own

# Photos indexed at a time; facefleet says so when it is too many, and boto3 waits and tries again.
AT_ONCE = 4
_REFUSALS = {"InvalidImageFormatException", "ImageTooLargeException", "InvalidParameterException"}


def external_image_id(key: str) -> str:
    """Return what the old collection knew a photo by. The one rule to adapt: here, the object's key without folders."""
    return re.sub(r"[^a-zA-Z0-9_.\-:]", "_", key.rsplit("/", 1)[-1])


def migrate(
    s3: Client, cloud: Client, here: Client, *, bucket: str, collection: str, say: Callable[[str], None]
) -> Counter[str]:
    """Index every photo of a bucket, then associate faces with the users they had; return what was counted.

    Args:
        s3, cloud: where the photos and the old collection are.
        here: facefleet, as boto3's client for Rekognition.
        say: shows progress.
    """
    if collection not in (name for page in _pages(here, "list_collections") for name in page["CollectionIds"]):
        here.create_collection(CollectionId=collection)
    keys = [found["Key"] for page in _pages(s3, "list_objects_v2", Bucket=bucket) for found in page.get("Contents", ())]
    counted: Counter[str] = Counter()
    indexed: dict[str, list[str]] = defaultdict(list)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for key, faces, refusal in pool.map(partial(_index, here, bucket, collection), keys):
            indexed[external_image_id(key)] += faces
            counted.update(photos=1, faces=len(faces), without=not faces and not refusal, refused=bool(refusal))
            if refusal:
                say(f"\n{key}: {refusal}\n")
            say(f"\r{counted['photos']:,} of {len(keys):,} photos, {counted['faces']:,} faces, "
                f"{counted['without']:,} without a face, {counted['refused']:,} refused")  # fmt: skip
    for user, photos in _users(cloud, collection).items():
        counted["users"] += 1
        counted["associated"] += _associate(
            here, collection, user, [face for photo in photos for face in indexed[photo]]
        )
    say(f"\n{counted['users']:,} users with {counted['associated']:,} faces\n")
    return counted


def _index(here: Client, bucket: str, collection: str, key: str) -> tuple[str, list[str], str]:
    """Return the key, the ids of its faces, and why it was refused."""
    image = {"S3Object": {"Bucket": bucket, "Name": key}}
    try:
        answer = here.index_faces(CollectionId=collection, Image=image, ExternalImageId=external_image_id(key))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _REFUSALS:
            raise
        return key, [], error.response["Error"]["Message"]
    return key, [record["Face"]["FaceId"] for record in answer["FaceRecords"]], ""


def _users(cloud: Client, collection: str) -> dict[str, set[str]]:
    """Return the photos of each user of the old collection."""
    users: dict[str, set[str]] = defaultdict(set)
    for page in _pages(cloud, "list_faces", CollectionId=collection):
        for face in page["Faces"]:
            if "UserId" in face and "ExternalImageId" in face:
                users[face["UserId"]].add(face["ExternalImageId"])
    return users


def _associate(here: Client, collection: str, user: str, faces: list[str]) -> int:
    """Make the user if need be and give them those of the faces that are alike; return how many these are."""
    with suppress(here.exceptions.ConflictException):  # a run before this one made it
        here.create_user(CollectionId=collection, UserId=user)
    if not faces:
        return 0
    answer = here.associate_faces(CollectionId=collection, UserId=user, FaceIds=faces[:100])
    return len(answer["AssociatedFaces"])


def _pages(client: Client, operation: str, **members: Any) -> Iterator[dict[str, Any]]:
    yield from client.get_paginator(operation).paginate(**members)


def main() -> None:
    """Read the command line and migrate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bucket")
    parser.add_argument("collection")
    parser.add_argument("--to", default="http://127.0.0.1:8000", help="facefleet's address")
    given = parser.parse_args()
    here = boto3.client(
        "rekognition",
        endpoint_url=given.to,
        region_name="us-east-1",
        aws_access_key_id=os.environ["FACEFLEET_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["FACEFLEET_SECRET_ACCESS_KEY"],
        config=Config(retries={"mode": "adaptive", "max_attempts": 20}),
    )
    say = partial(print, end="", file=sys.stderr, flush=True)
    migrate(
        boto3.client("s3"), boto3.client("rekognition"), here, bucket=given.bucket, collection=given.collection, say=say
    )


if __name__ == "__main__":
    main()
