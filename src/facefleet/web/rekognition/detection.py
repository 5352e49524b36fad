"""DetectFaces and CompareFaces: photos alone, no collection."""

from facefleet.core.answers import ComparedFaceJson, DetectAnswer, VerifyAnswer
from facefleet.core.jobs import Detect, Verify
from facefleet.core.keys import Scope
from facefleet.core.shortcomings import shortcomings
from facefleet.web.rekognition.call import Call
from facefleet.web.rekognition.images import photo
from facefleet.web.rekognition.members import Attribute, Filter, Image, Members, Percent, quality_filter
from facefleet.web.rekognition.refusals import invalid
from facefleet.web.rekognition.shapes import MOST_FACES, Document, bounding_box, face_detail, percent


class DetectFaces(Members):
    """Find the faces of a photo."""

    image: Image
    attributes: list[Attribute] | None = None


class CompareFaces(Members):
    """Compare the largest face of one photo with the faces of another."""

    source_image: Image
    target_image: Image
    similarity_threshold: Percent = 80.0
    quality_filter: Filter = "NONE"


async def detect_faces(call: Call, request: DetectFaces) -> Document:
    """Return the 100 largest faces. All attributes there are come always; asking for others adds nothing."""
    call.check(Scope.READ)
    photos = [await photo(call, request.image)]
    answer = await call.ask(photos, lambda keys: Detect(image=keys[0]), DetectAnswer.model_validate_json)
    return {"FaceDetails": [face_detail(face, answer.image) for face in answer.faces[:MOST_FACES]]}


async def compare_faces(call: Call, request: CompareFaces) -> Document:
    """Return which faces of the target are the source's, and which are not."""
    call.check(Scope.READ)
    photos = [
        await photo(call, request.source_image, member="sourceImage"),
        await photo(call, request.target_image, member="targetImage"),
    ]
    answer = await call.ask(
        photos,
        lambda keys: Verify(source=keys[0], target=keys[1], threshold=request.similarity_threshold),
        VerifyAnswer.model_validate_json,
    )
    demanded = quality_filter(request.quality_filter)
    faults = shortcomings(answer.source, demanded)
    if faults:
        raise invalid(f"The largest face of the source image does not pass the quality filter: {', '.join(faults)}.")
    faces = [face for face in answer.target[:MOST_FACES] if not shortcomings(face, demanded)]
    faces.sort(key=lambda face: -face.similarity)
    return {
        "SourceImageFace": {
            "BoundingBox": bounding_box(answer.source.box, answer.source_image),
            "Confidence": percent(answer.source.confidence),
        },
        "FaceMatches": [
            {"Similarity": face.similarity, "Face": _compared(face, answer)}
            for face in faces
            if face.similarity >= request.similarity_threshold
        ],
        "UnmatchedFaces": [_compared(face, answer) for face in faces if face.similarity < request.similarity_threshold],
    }


def _compared(face: ComparedFaceJson, answer: VerifyAnswer) -> Document:
    return face_detail(face, answer.target_image)
