"""The four searches: for faces or for users, by what is enrolled already or by a photo."""

from facefleet.core.answers import SearchAnswer
from facefleet.core.centroid import centroid
from facefleet.core.faces import Template
from facefleet.core.jobs import Search
from facefleet.core.keys import Scope
from facefleet.errors import BrokenInvariant
from facefleet.web.rekognition.call import Call
from facefleet.web.rekognition.images import photo
from facefleet.web.rekognition.members import (
    CollectionId,
    FaceId,
    Filter,
    Image,
    MaxMatches,
    MaxUsers,
    Members,
    Percent,
    UserId,
    quality_filter,
)
from facefleet.web.rekognition.refusals import Refusal, invalid
from facefleet.web.rekognition.shapes import (
    Document,
    bounding_box,
    face_detail,
    face_match,
    percent,
    rejected,
    user_match,
)

# Matches returned where the request does not say (SearchFaces, API reference).
_MATCHES = 80


class SearchFaces(Members):
    """Search for what resembles an enrolled face."""

    collection_id: CollectionId
    face_id: FaceId
    max_faces: MaxMatches = _MATCHES
    face_match_threshold: Percent = 80.0


class SearchFacesByImage(Members):
    """Search for what resembles the largest face of a photo."""

    collection_id: CollectionId
    image: Image
    max_faces: MaxMatches = _MATCHES
    face_match_threshold: Percent = 80.0
    quality_filter: Filter = "NONE"


class SearchUsers(Members):
    """Search for users who resemble an enrolled face or another user."""

    collection_id: CollectionId
    user_id: UserId | None = None
    face_id: FaceId | None = None
    max_users: MaxUsers = _MATCHES
    user_match_threshold: Percent = 80.0


class SearchUsersByImage(Members):
    """Search for users who resemble the largest face of a photo."""

    collection_id: CollectionId
    image: Image
    max_users: MaxUsers = _MATCHES
    user_match_threshold: Percent = 80.0
    quality_filter: Filter = "NONE"


async def search_faces(call: Call, request: SearchFaces) -> Document:
    """Return the faces that resemble an enrolled one, but not itself."""
    call.check(Scope.READ, request.collection_id)
    probe = await _template(call, request.collection_id, request.face_id)
    matches = await call.searcher.faces(
        request.collection_id, probe, threshold=request.face_match_threshold, limit=request.max_faces + 1
    )
    others = [match for match in matches if match.face_id != request.face_id][: request.max_faces]
    return {
        "SearchedFaceId": request.face_id,
        "FaceMatches": [face_match(match) for match in others],
        "FaceModelVersion": probe.model_id,
    }


async def search_faces_by_image(call: Call, request: SearchFacesByImage) -> Document:
    """Return the faces that resemble the largest face of a photo."""
    answer = await _search(
        call, request, threshold=request.face_match_threshold, limit=request.max_faces, persons=False
    )
    if answer.searched is None:
        why = f" None passes the quality filter {request.quality_filter}." if answer.unsearched else ""
        raise invalid(f"There are no faces in the image. Should be at least 1.{why}")
    return {
        "SearchedFaceBoundingBox": bounding_box(answer.searched.box, answer.image),
        "SearchedFaceConfidence": percent(answer.searched.confidence),
        "FaceMatches": [face_match(match) for match in answer.faces],
        "FaceModelVersion": answer.model_id,
    }


async def search_users(call: Call, request: SearchUsers) -> Document:
    """Return the users who resemble a face, or another user."""
    call.check(Scope.READ, request.collection_id)
    document: Document
    if request.face_id is not None and request.user_id is None:
        probe = centroid([await _template(call, request.collection_id, request.face_id)])
        document = {"SearchedFace": {"FaceId": request.face_id}}
    elif request.user_id is not None and request.face_id is None:
        probe = centroid(await call.service.gallery.person_templates(request.collection_id, request.user_id))
        document = {"SearchedUser": {"UserId": request.user_id}}
    else:
        raise invalid("Exactly one of UserId and FaceId is needed.")
    if probe is None:
        raise Refusal("ResourceNotFoundException", f"User {request.user_id} has no faces to search with.")
    matches = await call.searcher.persons(
        request.collection_id,
        probe,
        threshold=request.user_match_threshold,
        limit=request.max_users,
        other_than=request.user_id,
    )
    return document | {"UserMatches": [user_match(match) for match in matches], "FaceModelVersion": probe.model_id}


async def search_users_by_image(call: Call, request: SearchUsersByImage) -> Document:
    """Return the users who resemble the largest face of a photo; none if there is no face."""
    answer = await _search(call, request, threshold=request.user_match_threshold, limit=request.max_users, persons=True)
    document: Document = {
        "UserMatches": [user_match(match) for match in answer.persons],
        "FaceModelVersion": answer.model_id,
        "UnsearchedFaces": [rejected(face, answer.image, detail="FaceDetails") for face in answer.unsearched],
    }
    if answer.searched is not None:
        document["SearchedFace"] = {"FaceDetail": face_detail(answer.searched, answer.image)}
    return document


async def _search(
    call: Call, request: SearchFacesByImage | SearchUsersByImage, *, threshold: float, limit: int, persons: bool
) -> SearchAnswer:
    call.check(Scope.READ, request.collection_id)
    photos = [await photo(call, request.image)]
    return await call.ask(
        photos,
        lambda keys: Search(
            image=keys[0],
            collection=request.collection_id,
            threshold=threshold,
            limit=limit,
            persons=persons,
            quality=quality_filter(request.quality_filter),
        ),
        SearchAnswer.model_validate_json,
    )


async def _template(call: Call, collection_id: str, face_id: str) -> Template:
    face = await call.service.gallery.face(collection_id, face_id)
    if face.template is None:
        raise BrokenInvariant("A face of the gallery came without its template.")
    return face.template
