"""Faces as Rekognition writes them: ratios of the photo's size, percent instead of fractions, its names for landmarks.

Attributes that need a model which is not there (age, emotions, glasses, …) are absent, never invented.
"""

from typing import Any

from facefleet.core.answers import (
    BoxJson,
    EnrolledFaceJson,
    FaceJson,
    ImageJson,
    MatchedFaceJson,
    MatchedPersonJson,
    RejectedFaceJson,
)
from facefleet.core.faces import EnrolledFace

Document = dict[str, Any]

# The 100 largest faces of a photo are told of, as in Rekognition.
MOST_FACES = 100

# Left and right as seen by the viewer, as in Rekognition's own examples.
_LANDMARKS = {
    "left_eye": "eyeLeft",
    "right_eye": "eyeRight",
    "mouth_left": "mouthLeft",
    "mouth_right": "mouthRight",
    "nose": "nose",
}
_DIGITS = 6


def bounding_box(box: BoxJson, image: ImageJson) -> Document:
    """Return a box as ratios of the photo's width and height; it may leave 0-1."""
    return _box(box.left / image.width, box.top / image.height, box.width / image.width, box.height / image.height)


def percent(fraction: float) -> float:
    """Return a confidence of 0-1 as 0-100."""
    return round(100 * min(1.0, max(0.0, fraction)), 4)


def face_detail(face: FaceJson, image: ImageJson) -> Document:
    """Return a `FaceDetail`, or `ComparedFace`, of a photo that was sent."""
    detail: Document = {
        "BoundingBox": bounding_box(face.box, image),
        "Confidence": percent(face.confidence),
        "Landmarks": [
            {"Type": _LANDMARKS[name], "X": round(x / image.width, _DIGITS), "Y": round(y / image.height, _DIGITS)}
            for name, (x, y) in face.landmarks.items()
        ],
    }
    if face.pose is not None:
        detail["Pose"] = {"Roll": face.pose.roll, "Yaw": face.pose.yaw, "Pitch": face.pose.pitch}
    if face.quality is not None:
        detail["Quality"] = {"Brightness": face.quality.brightness, "Sharpness": face.quality.sharpness}
    return detail


def rejected(face: RejectedFaceJson, image: ImageJson, *, detail: str) -> Document:
    """Return an `UnindexedFace` (`detail` is FaceDetail) or `UnsearchedFace` (FaceDetails)."""
    return {detail: face_detail(face, image), "Reasons": list(face.reasons)}


def indexed_face(face: EnrolledFaceJson, image: ImageJson) -> Document:
    """Return the `Face` that was just indexed."""
    return _face(
        face_id=face.face_id,
        image_id=face.image_id,
        external_image_id=face.external_image_id,
        user_id=face.person,
        box=bounding_box(face.box, image),
        confidence=face.confidence,
    )


def stored_face(face: EnrolledFace) -> Document:
    """Return a `Face` of a collection."""
    return _face(
        face_id=face.face_id,
        image_id=face.image_id,
        external_image_id=face.external_image_id,
        user_id=face.person,
        box=_box(face.box.left, face.box.top, face.box.width, face.box.height),
        confidence=face.confidence,
    )


def face_match(match: MatchedFaceJson) -> Document:
    """Return a `FaceMatch`."""
    face = _face(
        face_id=match.face_id,
        image_id=match.image_id,
        external_image_id=match.external_image_id,
        user_id=match.person,
        box=_box(match.box.left, match.box.top, match.box.width, match.box.height),
        confidence=match.confidence,
    )
    return {"Similarity": match.similarity, "Face": face}


def user_match(match: MatchedPersonJson) -> Document:
    """Return a `UserMatch`; only users with faces match, and these are active."""
    return {"Similarity": match.similarity, "User": {"UserId": match.person, "UserStatus": "ACTIVE"}}


def _face(
    *,
    face_id: str,
    image_id: str,
    external_image_id: str | None,
    user_id: str | None,
    box: Document,
    confidence: float,
) -> Document:
    face: Document = {
        "FaceId": face_id,
        "BoundingBox": box,
        "ImageId": image_id,
        "Confidence": percent(confidence),
    }
    if external_image_id is not None:
        face["ExternalImageId"] = external_image_id
    if user_id is not None:
        face["UserId"] = user_id
    return face


def _box(left: float, top: float, width: float, height: float) -> Document:
    return {
        "Left": round(left, _DIGITS),
        "Top": round(top, _DIGITS),
        "Width": round(width, _DIGITS),
        "Height": round(height, _DIGITS),
    }
