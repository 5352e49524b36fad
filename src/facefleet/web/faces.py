"""The faces and persons of a collection: enrolling, listing and deleting them."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from facefleet.core.answers import BoxJson, EnrolAnswer, PoseJson, QualityJson
from facefleet.core.faces import Box, EnrolledFace, Person, Pose, Quality
from facefleet.errors import NotFound
from facefleet.usecases import galleries
from facefleet.web.paging import Deleted, Listing, PageQuery, listing
from facefleet.web.parameters import CollectionId, EnrolQuery, PersonName, PersonQuery, Printable
from facefleet.web.photos import form_schema
from facefleet.web.recognition import recognise
from facefleet.web.room import RoomGiven

router = APIRouter(tags=["collections"])


class FaceRecord(BaseModel):
    """An enrolled face. The box is in ratios of the photo's size, since the photo itself is not kept."""

    face_id: str
    collection_id: str
    person: str | None
    image_id: str
    external_image_id: str | None
    photo_sha256: str
    box: BoxJson
    confidence: float
    quality: QualityJson | None
    pose: PoseJson | None
    crop: str | None = Field(description="Where the aligned crop can be had.")
    created: datetime


class PersonRecord(BaseModel):
    """A person and how many of their faces are enrolled."""

    person: str
    faces: int
    created: datetime


class FacesQuery(PageQuery):
    """Which faces to list."""

    after: UUID | None = Field(default=None, description="Id of the last face seen.")
    person: Printable | None = Field(default=None, description="Only this person's.")


class PersonsQuery(PageQuery):
    """Which persons to list."""

    after: Printable | None = Field(default=None, description="Name of the last person seen.")


@router.post(
    "/v1/collections/{collection_id}/faces",
    status_code=201,
    response_model=EnrolAnswer,
    responses={200: {"model": EnrolAnswer, "description": "This photo was enrolled for this person before"}},
    openapi_extra=form_schema("image"),
)
async def enrol(
    collection_id: CollectionId, request: Request, room: RoomGiven, query: Annotated[PersonQuery, Query()]
) -> Response:
    """Enrol a person's face from a photo that shows only them."""
    body = await recognise(request, room, EnrolQuery(**dict(query), collection=collection_id))
    is_new = any(face["new"] for face in json.loads(body)["faces"])
    return Response(body, 201 if is_new else 200, media_type="application/json")


@router.get("/v1/collections/{collection_id}/faces")
async def list_faces(
    collection_id: CollectionId, room: RoomGiven, query: Annotated[FacesQuery, Query()]
) -> Listing[FaceRecord]:
    """List faces, by id."""
    after = None if query.after is None else str(query.after)
    page = await room.service.gallery.faces(collection_id, limit=query.limit, after=after, person=query.person)
    return listing(page, _face_json)


@router.get("/v1/collections/{collection_id}/faces/{face_id}")
async def get_face(collection_id: CollectionId, face_id: UUID, room: RoomGiven) -> FaceRecord:
    """Return one face."""
    return _face_json(await room.service.gallery.face(collection_id, str(face_id)))


@router.get(
    "/v1/collections/{collection_id}/faces/{face_id}/crop",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def get_crop(collection_id: CollectionId, face_id: UUID, room: RoomGiven) -> Response:
    """Return the aligned crop that a face's template was computed from."""
    service = room.service
    crop = await galleries.crop(service.gallery, service.store, collection_id, str(face_id))
    return Response(crop, media_type="image/png")


@router.delete("/v1/collections/{collection_id}/faces/{face_id}", status_code=204)
async def delete_face(collection_id: CollectionId, face_id: UUID, room: RoomGiven) -> None:
    """Delete one face and its crop; its person stays."""
    service = room.service
    if not await galleries.delete_faces(service.gallery, service.store, collection_id, [str(face_id)]):
        raise NotFound(f"Collection {collection_id!r} has no face {face_id}.")


@router.get("/v1/collections/{collection_id}/persons")
async def list_persons(
    collection_id: CollectionId, room: RoomGiven, query: Annotated[PersonsQuery, Query()]
) -> Listing[PersonRecord]:
    """List persons by name."""
    return listing(
        await room.service.gallery.persons(collection_id, limit=query.limit, after=query.after), _person_json
    )


@router.delete("/v1/collections/{collection_id}/persons/{person:path}")
async def delete_person(collection_id: CollectionId, person: PersonName, room: RoomGiven) -> Deleted:
    """Delete a person with all their faces and crops; returns how many faces that were."""
    service = room.service
    return Deleted(deleted=await galleries.delete_person(service.gallery, service.store, collection_id, person))


def _face_json(face: EnrolledFace) -> FaceRecord:
    path = f"/v1/collections/{face.collection_id}/faces/{face.face_id}"
    return FaceRecord(
        face_id=face.face_id,
        collection_id=face.collection_id,
        person=face.person,
        image_id=face.image_id,
        external_image_id=face.external_image_id,
        photo_sha256=face.photo_sha256,
        box=BoxJson(**_rounded(face.box, 4)),
        confidence=round(face.confidence, 4),
        quality=QualityJson(**_rounded(face.quality, 1)) if face.quality else None,
        pose=PoseJson(**_rounded(face.pose, 1)) if face.pose else None,
        crop=None if face.crop_key is None else f"{path}/crop",
        created=datetime.fromtimestamp(face.created_s, UTC),
    )


def _rounded(numbers: Box | Quality | Pose, digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in asdict(numbers).items()}


def _person_json(person: Person) -> PersonRecord:
    return PersonRecord(person=person.person, faces=person.faces, created=datetime.fromtimestamp(person.created_s, UTC))
