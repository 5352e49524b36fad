"""Faces and templates as values: what the engine finds, what a gallery holds, what a search returns.

A face carries the `image_id` it came from and a template the `model_id` that made it, so that neither can end up
beside the wrong photo or be compared with the wrong kind. Vectors and pixels stay out of `repr`: they are biometric.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]  # (D,)
Matrix = NDArray[np.float32]  # (N, D)
Pixels = NDArray[np.uint8]  # (H, W, 3), RGB

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A face's bounding box in pixels of the upright photo; it may reach over the photo's edge."""

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A face as a point on the unit sphere of one model's space."""

    model_id: str
    vector: Vector = field(repr=False)  # (D,) float32, unit length


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """How usable a face is.

    Attributes:
        brightness: 0-100, mean luma of the aligned face.
        sharpness: 0-100, from the variance of the Laplacian of the aligned face.
    """

    brightness: float
    sharpness: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """Head rotation in degrees, estimated from the five landmarks; 0 is frontal and upright."""

    roll: float
    yaw: float
    pitch: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """One face found in one photo.

    Attributes:
        landmarks: five (x, y) points in pixels: left eye, right eye, nose, left and right corner of the mouth,
            left and right as seen by the viewer.
        chip: aligned crop, (150, 150, 3) uint8 RGB, what the template was computed from; None if not asked for.
        template: None if only detection was asked for.
    """

    image_id: str
    box: Box
    confidence: float
    landmarks: tuple[tuple[float, float], ...]
    quality: Quality | None = None
    pose: Pose | None = None
    chip: Pixels | None = field(default=None, repr=False)
    template: Template | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognition:
    """What the engine found in one photo, largest face first.

    Attributes:
        width, height: pixels of the upright photo (EXIF orientation applied); boxes are in this frame.
        took_ms: milliseconds by stage: decode, detect, embed.
    """

    image_id: str
    width: int
    height: int
    faces: tuple[Face, ...]
    took_ms: dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """A named gallery; all its templates come from one model."""

    collection_id: str
    model_id: str
    created_s: float
    faces: int = 0
    persons: int = 0
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnrolledFace:
    """A face in a collection.

    Attributes:
        person: the person (user) this face belongs to, or None for a face that nobody has named yet.
        photo_sha256: hex digest of the photo's bytes; the same photo is enrolled for the same person once.
        crop_key: where the store keeps the aligned crop.
    """

    face_id: str
    collection_id: str
    image_id: str
    person: str | None
    external_image_id: str | None
    photo_sha256: str
    box: Box  # ratios of the photo's width and height, since the photo itself is not kept
    landmarks: tuple[tuple[float, float], ...]  # ratios, likewise
    confidence: float
    quality: Quality | None
    pose: Pose | None
    crop_key: str | None
    created_s: float
    template: Template | None = field(default=None, repr=False)  # left out of listings


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One enrolled face that resembles a probe.

    Attributes:
        score: cosine in [-1, 1]; higher is more alike. Calibration to 0-100 is the model's affair.
    """

    face: EnrolledFace
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A person (Rekognition: a user) of a collection and how many faces they have there."""

    collection_id: str
    person: str
    faces: int
    created_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; `next_after` continues it, None at the end."""

    items: tuple[T, ...]
    next_after: str | None
