"""Tags of collections."""

from typing import Annotated

from pydantic import Field

from facefleet.core.faces import Collection
from facefleet.core.keys import Scope
from facefleet.web.rekognition.call import Call
from facefleet.web.rekognition.members import Arn, Members, TagKey, Tags, is_collection_id
from facefleet.web.rekognition.refusals import Refusal, invalid
from facefleet.web.rekognition.shapes import Document

# A resource may have so many ("Tagging your Amazon Web Services resources").
MOST_TAGS = 50

_ARN_FIELDS = 6


class TagResource(Members):
    """Add or change tags."""

    resource_arn: Arn
    tags: Tags


class UntagResource(Members):
    """Remove tags."""

    resource_arn: Arn
    tag_keys: Annotated[list[TagKey], Field(max_length=200)]


class ListTagsForResource(Members):
    """Name a resource."""

    resource_arn: Arn


async def tag_resource(call: Call, request: TagResource) -> Document:
    """Add tags to a collection; those of the same key are replaced."""
    collection = await _collection(call, request.resource_arn, Scope.ADMIN)
    await call.service.gallery.add_tags(collection.collection_id, request.tags, most_tags=MOST_TAGS)
    return {}


async def untag_resource(call: Call, request: UntagResource) -> Document:
    """Remove tags from a collection; those it does not have are no error."""
    collection = await _collection(call, request.resource_arn, Scope.ADMIN)
    await call.service.gallery.remove_tags(collection.collection_id, request.tag_keys)
    return {}


async def list_tags_for_resource(call: Call, request: ListTagsForResource) -> Document:
    """Return a collection's tags."""
    return {"Tags": dict((await _collection(call, request.resource_arn, Scope.READ)).tags)}


async def _collection(call: Call, arn: str, scope: Scope) -> Collection:
    """Return the collection that an ARN names, whatever region and account it says."""
    fields = arn.split(":", _ARN_FIELDS - 1)
    kind, _, name = fields[-1].partition("/")
    if len(fields) != _ARN_FIELDS or fields[0] != "arn" or fields[2] != "rekognition":
        raise invalid(f"{arn[:80]} is no ARN of Rekognition.")
    if kind != "collection" or not is_collection_id(name):
        raise Refusal("ResourceNotFoundException", "Only collections can have tags here.")
    call.check(scope, name)
    return await call.service.gallery.collection(name)
