"""Collections: making, describing, listing and deleting them."""

from pydantic import Field

from facefleet.core.galleries import check_limit
from facefleet.core.keys import Scope
from facefleet.usecases import galleries
from facefleet.web.rekognition.call import Call
from facefleet.web.rekognition.members import CollectionId, Members, NewCollectionId, PageSize, Tags
from facefleet.web.rekognition.paging import PageRequest
from facefleet.web.rekognition.shapes import Document
from facefleet.web.rekognition.tags import MOST_TAGS

# What a page holds where MaxResults is left out or 0.
PAGE = 1000


class CreateCollection(Members):
    """Make an empty collection."""

    collection_id: NewCollectionId
    tags: Tags = Field(default_factory=dict)


class OneCollection(Members):
    """Name a collection."""

    collection_id: CollectionId


class ListCollections(PageRequest):
    """List collections by name."""

    max_results: PageSize = PAGE


async def create_collection(call: Call, request: CreateCollection) -> Document:
    """Make a collection for templates of the service's model."""
    call.check(Scope.ADMIN, request.collection_id)
    check_limit(f"Collection {request.collection_id}", len(request.tags), MOST_TAGS, "tags")
    made = await call.service.gallery.create_collection(
        request.collection_id, model_id=call.service.model_id, tags=request.tags
    )
    return {"StatusCode": 200, "CollectionArn": call.arn(made.collection_id), "FaceModelVersion": made.model_id}


async def delete_collection(call: Call, request: OneCollection) -> Document:
    """Delete a collection with its faces, users and crops."""
    call.check(Scope.ADMIN, request.collection_id)
    await galleries.delete_collection(call.service.gallery, call.service.store, request.collection_id)
    return {"StatusCode": 200}


async def describe_collection(call: Call, request: OneCollection) -> Document:
    """Return a collection with its counts."""
    call.check(Scope.READ, request.collection_id)
    found = await call.service.gallery.collection(request.collection_id)
    return {
        "FaceCount": found.faces,
        "UserCount": found.persons,
        "FaceModelVersion": found.model_id,
        "CollectionARN": call.arn(found.collection_id),
        "CreationTimestamp": round(found.created_s, 3),
    }


async def list_collections(call: Call, request: ListCollections) -> Document:
    """List the collections that the caller may know of; a page may be short on their account."""
    call.check(Scope.READ)
    listing = "collections"
    page = await call.service.gallery.collections(
        limit=request.max_results or PAGE, after=call.tokens.read(listing, request.next_token)
    )
    seen = [one for one in page.items if call.grant.reaches(one.collection_id)]
    document: Document = {
        "CollectionIds": [one.collection_id for one in seen],
        "FaceModelVersions": [one.model_id for one in seen],
    }
    if page.next_after is not None:
        document["NextToken"] = call.tokens.make(listing, page.next_after)
    return document
