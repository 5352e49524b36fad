"""Which operations there are, and which of Rekognition's there are not."""

from dataclasses import dataclass

from facefleet.web.rekognition import collections, detection, faces, searches, tags, users
from facefleet.web.rekognition.call import Function
from facefleet.web.rekognition.members import Members
from facefleet.web.rekognition.refusals import Refusal

TARGET = "RekognitionService."


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: the shape of its request and what answers it."""

    shape: type[Members]
    function: Function


OPERATIONS = {
    "DetectFaces": Operation(detection.DetectFaces, detection.detect_faces),
    "CompareFaces": Operation(detection.CompareFaces, detection.compare_faces),
    "CreateCollection": Operation(collections.CreateCollection, collections.create_collection),
    "DeleteCollection": Operation(collections.OneCollection, collections.delete_collection),
    "DescribeCollection": Operation(collections.OneCollection, collections.describe_collection),
    "ListCollections": Operation(collections.ListCollections, collections.list_collections),
    "IndexFaces": Operation(faces.IndexFaces, faces.index_faces),
    "ListFaces": Operation(faces.ListFaces, faces.list_faces),
    "DeleteFaces": Operation(faces.DeleteFaces, faces.delete_faces),
    "SearchFaces": Operation(searches.SearchFaces, searches.search_faces),
    "SearchFacesByImage": Operation(searches.SearchFacesByImage, searches.search_faces_by_image),
    "SearchUsers": Operation(searches.SearchUsers, searches.search_users),
    "SearchUsersByImage": Operation(searches.SearchUsersByImage, searches.search_users_by_image),
    "CreateUser": Operation(users.CreateUser, users.create_user),
    "DeleteUser": Operation(users.OneUser, users.delete_user),
    "ListUsers": Operation(users.ListUsers, users.list_users),
    "AssociateFaces": Operation(users.AssociateFaces, users.associate_faces),
    "DisassociateFaces": Operation(users.DisassociateFaces, users.disassociate_faces),
    "TagResource": Operation(tags.TagResource, tags.tag_resource),
    "UntagResource": Operation(tags.UntagResource, tags.untag_resource),
    "ListTagsForResource": Operation(tags.ListTagsForResource, tags.list_tags_for_resource),
}


def operation(target: str) -> tuple[str, Operation]:
    """Return the operation that the header `X-Amz-Target` names.

    Raises:
        Refusal: there is none of that name here.
    """
    name = target.removeprefix(TARGET)
    found = OPERATIONS.get(name) if target.startswith(TARGET) else None
    if found is None:
        raise Refusal(
            "UnknownOperationException",
            f"facefleet has no operation {name[:80]!r}: it serves Rekognition's face operations, and no labels, text, "
            f"moderation, celebrities, liveness or video. It has {', '.join(OPERATIONS)}.",
        )
    return name, found
