"""Users: persons of a collection, and which faces are theirs."""

from typing import Annotated

from pydantic import Field

from facefleet.core.centroid import Centroid, centroid, likeness
from facefleet.core.faces import EnrolledFace, Person
from facefleet.core.keys import Scope
from facefleet.errors import AlreadyExists, NotFound
from facefleet.web.rekognition.call import Call
from facefleet.web.rekognition.members import (
    ClientRequestToken,
    CollectionId,
    FaceId,
    MaxUsers,
    Members,
    NewUserId,
    Percent,
    UserId,
)
from facefleet.web.rekognition.paging import PageRequest
from facefleet.web.rekognition.refusals import Refusal
from facefleet.web.rekognition.shapes import Document

MOST_FACES_A_USER = 100

_PAGE = 100


class OneUser(Members):
    """Name a user."""

    collection_id: CollectionId
    user_id: UserId
    client_request_token: ClientRequestToken | None = None


class CreateUser(OneUser):
    """Make a user without faces."""

    user_id: NewUserId


class ListUsers(PageRequest):
    """List users by name."""

    collection_id: CollectionId
    max_results: MaxUsers = _PAGE


class DisassociateFaces(OneUser):
    """Say that faces are not this user's."""

    face_ids: Annotated[list[FaceId], Field(min_length=1, max_length=100)]


class AssociateFaces(DisassociateFaces):
    """Say that faces are this user's."""

    user_match_threshold: Percent = 75.0


async def create_user(call: Call, request: CreateUser) -> Document:
    """Make a user without faces."""
    call.check(Scope.ENROL, request.collection_id)
    try:
        await call.service.gallery.create_person(request.collection_id, request.user_id)
    except AlreadyExists as error:
        raise Refusal("ConflictException", error.detail) from error
    return {}


async def delete_user(call: Call, request: OneUser) -> Document:
    """Delete a user; their faces stay and are nobody's."""
    call.check(Scope.ENROL, request.collection_id)
    await call.service.gallery.delete_person(request.collection_id, request.user_id, faces=False)
    return {}


async def list_users(call: Call, request: ListUsers) -> Document:
    """List users by name."""
    call.check(Scope.READ, request.collection_id)
    listing = f"users/{request.collection_id}"
    page = await call.service.gallery.persons(
        request.collection_id, limit=request.max_results, after=call.tokens.read(listing, request.next_token)
    )
    document: Document = {"Users": [_user(person) for person in page.items]}
    if page.next_after is not None:
        document["NextToken"] = call.tokens.make(listing, page.next_after)
    return document


async def associate_faces(call: Call, request: AssociateFaces) -> Document:
    """Give faces to a user, but none of another's and none that does not resemble the faces they have."""
    call.check(Scope.ENROL, request.collection_id)
    gallery = call.service.gallery
    owned = await gallery.person_templates(request.collection_id, request.user_id)
    mean = centroid(owned)
    accepted, refused = [], []
    for face_id in dict.fromkeys(request.face_ids):
        face = await _face(call, request.collection_id, face_id)
        refusal = _refusal(call, face_id, face, request, mean)
        if refusal is not None:
            refused.append(refusal)
        else:
            accepted.append(face_id)
    # What was looked at may have changed since, so the gallery looks again as it writes.
    faces = await gallery.associate(request.collection_id, accepted, request.user_id, most_faces=MOST_FACES_A_USER)
    owners = {face.face_id: face.person for face in faces}
    theirs = [face_id for face_id in accepted if owners.get(face_id) == request.user_id]
    lost = [_not_theirs(face_id, owners.get(face_id)) for face_id in accepted if face_id not in theirs]
    return {
        "AssociatedFaces": [{"FaceId": face_id} for face_id in theirs],
        "UnsuccessfulFaceAssociations": refused + lost,
        "UserStatus": "ACTIVE" if owned or theirs else "CREATED",
    }


async def disassociate_faces(call: Call, request: DisassociateFaces) -> Document:
    """Take faces from a user; they stay in the collection and are nobody's."""
    call.check(Scope.ENROL, request.collection_id)
    gallery = call.service.gallery
    asked = list(dict.fromkeys(request.face_ids))
    taken = {face.face_id for face in await gallery.disassociate(request.collection_id, asked, request.user_id)}
    others = [face_id for face_id in asked if face_id not in taken]
    page = await gallery.faces(request.collection_id, limit=len(asked), face_ids=set(others))
    owners = {face.face_id: face.person for face in page.items}
    left = await gallery.faces(request.collection_id, limit=1, person=request.user_id)
    return {
        "DisassociatedFaces": [{"FaceId": face_id} for face_id in asked if face_id in taken],
        "UnsuccessfulFaceDisassociations": [_not_theirs(face_id, owners.get(face_id)) for face_id in others],
        "UserStatus": "ACTIVE" if left.items else "CREATED",
    }


async def _face(call: Call, collection_id: str, face_id: str) -> EnrolledFace | None:
    try:
        return await call.service.gallery.face(collection_id, face_id)
    except NotFound:
        return None


def _refusal(
    call: Call, face_id: str, face: EnrolledFace | None, request: AssociateFaces, mean: Centroid | None
) -> Document | None:
    """Return why a face is not given to the user; None if it is."""
    if face is None or face.template is None:
        return {"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]}
    if face.person == request.user_id:
        return None
    if face.person is not None:
        return _not_theirs(face_id, face.person)
    alone = centroid([face.template])
    similarity = 100.0 if mean is None or alone is None else call.searcher.similarity(likeness(alone, mean))
    if similarity < request.user_match_threshold:
        return {"FaceId": face_id, "Confidence": similarity, "Reasons": ["LOW_MATCH_CONFIDENCE"]}
    return None


def _not_theirs(face_id: str, owner: str | None) -> Document:
    if owner is None:
        return {"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]}
    return {"FaceId": face_id, "UserId": owner, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}


def _user(person: Person) -> Document:
    return {"UserId": person.person, "UserStatus": "ACTIVE" if person.faces else "CREATED"}
