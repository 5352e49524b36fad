"""The faces of a collection: indexing, listing and deleting them."""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import Field

from facefleet.core.answers import EnrolAnswer, EnrolledFaceJson, ImageJson
from facefleet.core.jobs import Enrol
from facefleet.core.keys import Scope
from facefleet.usecases import galleries
from facefleet.web.rekognition.call import Call
from facefleet.web.rekognition.collections import PAGE
from facefleet.web.rekognition.images import photo
from facefleet.web.rekognition.members import (
    Attribute,
    CollectionId,
    ExternalImageId,
    FaceId,
    Filter,
    Image,
    Members,
    PageSize,
    UserId,
    quality_filter,
)
from facefleet.web.rekognition.paging import PageRequest
from facefleet.web.rekognition.shapes import MOST_FACES, Document, face_detail, indexed_face, rejected, stored_face

FaceIds = Annotated[list[FaceId], Field(min_length=1, max_length=4096)]


class IndexFaces(Members):
    """Add the faces of a photo."""

    collection_id: CollectionId
    image: Image
    external_image_id: ExternalImageId | None = None
    detection_attributes: list[Attribute] | None = None
    max_faces: Annotated[int, Field(ge=1)] = MOST_FACES
    quality_filter: Filter = "AUTO"


class ListFaces(PageRequest):
    """List faces: all, of one user, or of these ids."""

    collection_id: CollectionId
    max_results: PageSize = PAGE
    user_id: UserId | None = None
    face_ids: FaceIds | None = None


class DeleteFaces(Members):
    """Delete faces that belong to no user."""

    collection_id: CollectionId
    face_ids: FaceIds


async def index_faces(call: Call, request: IndexFaces) -> Document:
    """Add the faces that pass the filter, largest first; say of the others what speaks against them.

    Sending the same photo again, with the same ExternalImageId, adds nothing and returns the same ids.
    """
    call.check(Scope.ENROL, request.collection_id)
    await call.service.gallery.collection(request.collection_id)
    data = await photo(call, request.image)
    make_task = partial(
        Enrol,
        collection=request.collection_id,
        photo_sha256=hashlib.sha256(data).hexdigest(),
        external_image_id=request.external_image_id,
        one_face=False,
        max_faces=request.max_faces,
        quality=quality_filter(request.quality_filter),
    )
    photos = [data]
    del data
    answer = await call.ask(photos, lambda keys: make_task(image=keys[0]), EnrolAnswer.model_validate_json)
    return {
        "FaceRecords": [_record(face, answer.image) for face in answer.faces],
        "UnindexedFaces": [rejected(face, answer.image, detail="FaceDetail") for face in answer.rejected],
        "FaceModelVersion": answer.model_id,
    }


async def list_faces(call: Call, request: ListFaces) -> Document:
    """List faces by id."""
    call.check(Scope.READ, request.collection_id)
    gallery = call.service.gallery
    collection = await gallery.collection(request.collection_id)
    listing = f"faces/{request.collection_id}/{request.user_id or ''}/{','.join(request.face_ids or ())}"
    page = await gallery.faces(
        request.collection_id,
        limit=request.max_results or PAGE,
        after=call.tokens.read(listing, request.next_token),
        person=request.user_id,
        face_ids=None if request.face_ids is None else set(request.face_ids),
    )
    document: Document = {
        "Faces": [stored_face(face) for face in page.items],
        "FaceModelVersion": collection.model_id,
    }
    if page.next_after is not None:
        document["NextToken"] = call.tokens.make(listing, page.next_after)
    return document


async def delete_faces(call: Call, request: DeleteFaces) -> Document:
    """Delete faces and their crops; a face of a user must be disassociated first."""
    call.check(Scope.ENROL, request.collection_id)
    gallery, store = call.service.gallery, call.service.store
    asked = list(dict.fromkeys(request.face_ids))
    deleted = await galleries.delete_faces(gallery, store, request.collection_id, asked, named=False)
    gone = {face.face_id for face in deleted}
    left = [face_id for face_id in asked if face_id not in gone]
    page = await gallery.faces(request.collection_id, limit=len(asked), face_ids=set(left))
    owners = {face.face_id: face.person for face in page.items}
    return {
        "DeletedFaces": [face_id for face_id in asked if face_id in gone],
        "UnsuccessfulFaceDeletions": [_kept(face_id, owners) for face_id in left],
    }


def _record(face: EnrolledFaceJson, image: ImageJson) -> Document:
    return {"Face": indexed_face(face, image), "FaceDetail": face_detail(face, image)}


def _kept(face_id: str, owners: Mapping[str, str | None]) -> Document:
    if face_id not in owners:
        return {"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]}
    document: Document = {"FaceId": face_id, "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
    owner = owners[face_id]
    return document if owner is None else document | {"UserId": owner}  # None: disassociated since
