"""Collections and faces as rows of tables, and back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from pgvector import Vector

from facefleet.core.centroid import Centroid, centroid_at
from facefleet.core.faces import Box, Collection, EnrolledFace, Page, Pose, Quality, Template

T = TypeVar("T")


def collection_of(row: Sequence[Any]) -> Collection:
    """Return the collection of a row of the statement COLLECTION."""
    collection_id, model_id, created_s, faces, persons, tags = row
    return Collection(
        collection_id=collection_id,
        model_id=model_id,
        created_s=created_s,
        faces=faces,
        persons=persons,
        tags=tags,
    )


def face_row(face: EnrolledFace) -> Sequence[Any]:
    """Return the columns FACE and template."""
    assert face.template is not None
    box, quality, pose = face.box, face.quality, face.pose
    return (
        face.face_id,
        face.collection_id,
        face.image_id,
        face.person,
        face.external_image_id,
        face.photo_sha256,
        [box.left, box.top, box.width, box.height],
        [number for point in face.landmarks for number in point],
        face.confidence,
        None if quality is None else [quality.brightness, quality.sharpness],
        None if pose is None else [pose.roll, pose.yaw, pose.pitch],
        face.crop_key,
        face.created_s,
        face.template.vector,
    )


def face_of(row: Sequence[Any], *, model_id: str | None = None) -> EnrolledFace:
    """Return the face of the columns FACE, and of the template if the model is given."""
    face_id, collection_id, image_id, person, external_image_id, photo_sha256 = row[:6]
    box, landmarks, confidence, quality, pose, crop_key, created_s, *vector = row[6:]
    left, top, width, height = box
    return EnrolledFace(
        face_id=face_id,
        collection_id=collection_id,
        image_id=image_id,
        person=person,
        external_image_id=external_image_id,
        photo_sha256=photo_sha256,
        box=Box(left=left, top=top, width=width, height=height),
        landmarks=tuple(zip(landmarks[::2], landmarks[1::2], strict=True)),
        confidence=confidence,
        quality=None if quality is None else Quality(brightness=quality[0], sharpness=quality[1]),
        pose=None if pose is None else Pose(roll=pose[0], yaw=pose[1], pitch=pose[2]),
        crop_key=crop_key,
        created_s=created_s,
        template=None if model_id is None else template_of(vector[0], model_id),
    )


def faces_of(rows: Sequence[Sequence[Any]]) -> Sequence[EnrolledFace]:
    """Return the faces of rows without templates, by id."""
    return sorted((face_of(row) for row in rows), key=lambda face: face.face_id)


def template_of(vector: Vector, model_id: str) -> Template:
    """Return a template; its vector is (D,) float32."""
    return Template(model_id=model_id, vector=np.array(vector.to_numpy(), dtype=np.float32))


def centroids_of(rows: Sequence[Sequence[Any]]) -> Mapping[str, Centroid]:
    """Return the means by person; templates that cancel out have none."""
    means = {person: centroid_at(np.array(mean.to_numpy(), np.float32), model_id) for person, model_id, mean in rows}
    return {person: mean for person, mean in means.items() if mean is not None}


def page_of(items: Sequence[T], limit: int, name: Callable[[T], str]) -> Page[T]:
    """Return a page of `limit` items, given one more than that if there is one."""
    return Page(items=tuple(items[:limit]), next_after=name(items[limit - 1]) if len(items) > limit else None)
