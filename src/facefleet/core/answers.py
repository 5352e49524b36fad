"""The JSON documents that workers write and clients read: the service's wire format, version 1.

Written once by the worker and passed on byte for byte by the web tier. Boxes and landmarks are in pixels of the
upright photo. Similarities are 0-100 on the calibrated scale (`core/calibration.py`).
"""

from pydantic import BaseModel, ConfigDict, Field

from facefleet.core.faces import Face, Pose, Quality, Recognition

LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class BoxJson(_Document):
    """Pixels; may reach over the photo's edge."""

    left: float
    top: float
    width: float
    height: float


class ImageJson(_Document):
    """Size of the upright photo in pixels."""

    width: int
    height: int


class QualityJson(_Document):
    """Brightness and sharpness, both 0-100."""

    brightness: float
    sharpness: float


class PoseJson(_Document):
    """Head rotation in degrees; 0 is frontal and upright."""

    roll: float
    yaw: float
    pitch: float


class TookJson(_Document):
    """Milliseconds by stage, measured where the work was done."""

    queue: float = 0.0
    decode: float = 0.0
    detect: float = 0.0
    embed: float = 0.0
    search: float = 0.0
    total: float = 0.0


class FaceJson(_Document):
    """A face in the photo that was sent."""

    box: BoxJson
    confidence: float = Field(ge=0, le=1)
    landmarks: dict[str, tuple[float, float]]
    quality: QualityJson | None = None
    pose: PoseJson | None = None


class CandidateJson(_Document):
    """An enrolled person, or unnamed face, and how alike they are; one entry a person, their best face."""

    person: str | None
    face_id: str
    external_image_id: str | None = None
    similarity: float = Field(ge=0, le=100)


class IdentifiedFaceJson(FaceJson):
    """A face with who it may be; `person` is the best named candidate that reaches the threshold.

    Candidates come best first. Whoever is named is among them, if need be instead of a better unnamed face.
    """

    person: str | None
    candidates: tuple[CandidateJson, ...]


class ComparedFaceJson(FaceJson):
    """A face of the target photo with its similarity to the source face."""

    similarity: float = Field(ge=0, le=100)


class EnrolledFaceJson(FaceJson):
    """A face that is now in the collection; `new` is false if this photo was enrolled before."""

    face_id: str
    image_id: str
    person: str | None
    external_image_id: str | None = None
    new: bool


class RejectedFaceJson(FaceJson):
    """A face that was not enrolled, and why."""

    reasons: tuple[str, ...]


class MatchedFaceJson(_Document):
    """An enrolled face that resembles the one searched for; its box is in ratios of its own photo's size."""

    similarity: float = Field(ge=0, le=100)
    face_id: str
    image_id: str
    external_image_id: str | None = None
    person: str | None
    box: BoxJson
    confidence: float


class MatchedPersonJson(_Document):
    """A person whose faces, on the mean, resemble the one searched for."""

    similarity: float = Field(ge=0, le=100)
    person: str


class _PhotoAnswer(_Document):
    job_id: str
    model_id: str
    took_ms: TookJson


class DetectAnswer(_PhotoAnswer):
    """Faces, largest first."""

    image: ImageJson
    faces: tuple[FaceJson, ...]


class IdentifyAnswer(_PhotoAnswer):
    """Faces, largest first, each with its candidates."""

    collection: str
    threshold: float
    image: ImageJson
    faces: tuple[IdentifiedFaceJson, ...]


class VerifyAnswer(_PhotoAnswer):
    """The largest face of the source against each face of the target; `similarity` is the best of them."""

    same: bool
    similarity: float
    threshold: float
    source_image: ImageJson
    source: FaceJson
    target_image: ImageJson
    target: tuple[ComparedFaceJson, ...]


class EnrolAnswer(_PhotoAnswer):
    """What was added to the collection."""

    collection: str
    image: ImageJson
    faces: tuple[EnrolledFaceJson, ...]
    rejected: tuple[RejectedFaceJson, ...] = ()


class SearchAnswer(_PhotoAnswer):
    """What resembles one face of a photo, best first; `searched` is null if no face could be searched for."""

    collection: str
    threshold: float
    image: ImageJson
    searched: FaceJson | None
    unsearched: tuple[RejectedFaceJson, ...] = ()
    faces: tuple[MatchedFaceJson, ...] = ()
    persons: tuple[MatchedPersonJson, ...] = ()


def face_json(face: Face) -> FaceJson:
    """Return a face without its pixels and template."""
    return FaceJson(
        box=BoxJson(
            left=round(face.box.left, 1),
            top=round(face.box.top, 1),
            width=round(face.box.width, 1),
            height=round(face.box.height, 1),
        ),
        confidence=round(min(1.0, max(0.0, face.confidence)), 4),
        landmarks={
            name: (round(float(x), 1), round(float(y), 1))
            for name, (x, y) in zip(LANDMARK_NAMES, face.landmarks, strict=True)
        },
        quality=_quality_json(face.quality) if face.quality else None,
        pose=_pose_json(face.pose) if face.pose else None,
    )


def _quality_json(quality: Quality) -> QualityJson:
    return QualityJson(brightness=round(quality.brightness, 1), sharpness=round(quality.sharpness, 1))


def _pose_json(pose: Pose) -> PoseJson:
    return PoseJson(roll=round(pose.roll, 1), yaw=round(pose.yaw, 1), pitch=round(pose.pitch, 1))


def image_json(recognition: Recognition) -> ImageJson:
    """Return the size of the upright photo."""
    return ImageJson(width=recognition.width, height=recognition.height)
