"""Collections: making, listing and deleting them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from facefleet.core.faces import Collection
from facefleet.usecases import galleries
from facefleet.web.paging import Listing, PageQuery, listing
from facefleet.web.parameters import CollectionId, Printable, printable
from facefleet.web.room import RoomGiven

router = APIRouter(tags=["collections"])

_Tag = Annotated[str, AfterValidator(printable)]


class NewCollection(BaseModel):
    """A collection to be made."""

    model_config = ConfigDict(extra="forbid")

    collection_id: CollectionId
    tags: dict[_Tag, _Tag] = Field(default={}, max_length=200)


class CollectionJson(BaseModel):
    """A collection and what it holds."""

    model_config = ConfigDict(protected_namespaces=())

    collection_id: str
    model_id: str
    created: datetime
    faces: int
    persons: int
    tags: dict[str, str]


class CollectionsQuery(PageQuery):
    """Which collections to list."""

    after: Printable | None = Field(default=None, description="Name of the last collection seen.")


@router.post("/v1/collections", status_code=201)
async def create_collection(new: NewCollection, room: RoomGiven, response: Response) -> CollectionJson:
    """Make an empty collection."""
    service = room.service
    made = await service.gallery.create_collection(new.collection_id, model_id=service.model_id, tags=new.tags)
    response.headers["location"] = f"/v1/collections/{made.collection_id}"
    return _json(made)


@router.get("/v1/collections")
async def list_collections(room: RoomGiven, query: Annotated[CollectionsQuery, Query()]) -> Listing[CollectionJson]:
    """List collections by name."""
    return listing(await room.service.gallery.collections(limit=query.limit, after=query.after), _json)


@router.get("/v1/collections/{collection_id}")
async def get_collection(collection_id: CollectionId, room: RoomGiven) -> CollectionJson:
    """Return one collection with its counts."""
    return _json(await room.service.gallery.collection(collection_id))


@router.delete("/v1/collections/{collection_id}", status_code=204)
async def delete_collection(collection_id: CollectionId, room: RoomGiven) -> None:
    """Delete a collection with all its faces, persons and crops."""
    await galleries.delete_collection(room.service.gallery, room.service.store, collection_id)


def _json(collection: Collection) -> CollectionJson:
    return CollectionJson(
        collection_id=collection.collection_id,
        model_id=collection.model_id,
        created=datetime.fromtimestamp(collection.created_s, UTC),
        faces=collection.faces,
        persons=collection.persons,
        tags=collection.tags,
    )
