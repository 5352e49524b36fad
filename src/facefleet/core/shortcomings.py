"""What a face lacks to be compared well: the quality filter of enrolment and search.

Levels and reasons are Rekognition's; its thresholds are not published. Ours are on the scales of `vision/quality.py`
and rise from `LOW`, which refuses what is nearly useless, to `HIGH`, which wants a passport photo.
`docs/rekognition.md` says how many faces each refuses.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from facefleet.core.answers import FaceJson


class QualityFilter(StrEnum):
    """How much is asked of a face."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    AUTO = "auto"


EXCEEDS_MAX_FACES: Final = "EXCEEDS_MAX_FACES"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Demand:
    """The least that passes.

    Attributes:
        confidence: 0-1.
        side_px: shorter side of the box.
        brightness, sharpness: 0-100.
        yaw, pitch: largest angle in degrees, either way.
    """

    confidence: float
    side_px: float
    brightness: float
    sharpness: float
    yaw: float
    pitch: float


_DEMANDS: Final = {
    QualityFilter.LOW: _Demand(confidence=0.8, side_px=24, brightness=8, sharpness=10, yaw=75, pitch=60),
    QualityFilter.MEDIUM: _Demand(confidence=0.9, side_px=40, brightness=15, sharpness=25, yaw=50, pitch=40),
    QualityFilter.HIGH: _Demand(confidence=0.98, side_px=80, brightness=25, sharpness=50, yaw=25, pitch=25),
}
_DEMANDS[QualityFilter.AUTO] = _DEMANDS[QualityFilter.LOW]


def shortcomings(face: FaceJson, demanded: QualityFilter) -> tuple[str, ...]:
    """Return why a face does not pass, in Rekognition's words; nothing if it does.

    What was not measured is not held against a face.
    """
    demand = _DEMANDS.get(demanded)
    if demand is None:
        return ()
    pose, quality = face.pose, face.quality
    faults = {
        "SMALL_BOUNDING_BOX": min(face.box.width, face.box.height) < demand.side_px,
        "LOW_CONFIDENCE": face.confidence < demand.confidence,
        "EXTREME_POSE": pose is not None and (abs(pose.yaw) > demand.yaw or abs(pose.pitch) > demand.pitch),
        "LOW_BRIGHTNESS": quality is not None and quality.brightness < demand.brightness,
        "LOW_SHARPNESS": quality is not None and quality.sharpness < demand.sharpness,
    }
    return tuple(reason for reason, holds in faults.items() if holds)
