"""Adding the faces of a photo to a collection.

Effects are exactly-once though delivery is at-least-once: a face's id is derived from its job's id, so a job that is
delivered again writes the same rows and the same crops. Faces of nobody in particular are derived from their photo
instead, so that sending it again adds nothing; a person's photo is known by person and digest (`Gallery.enrol`).
"""

import uuid
from collections.abc import Callable, Sequence

from facefleet.core import answers
from facefleet.core.crops import crop_place
from facefleet.core.faces import Box, EnrolledFace, Face, Recognition
from facefleet.core.jobs import Enrol
from facefleet.core.shortcomings import EXCEEDS_MAX_FACES, shortcomings
from facefleet.errors import BrokenInvariant, FacefleetError, FaceTooSmall, NoFace, SeveralFaces, Unavailable
from facefleet.ports import Gallery, ObjectStore
from facefleet.usecases.crops import delete_orphans
from facefleet.vision.encode import png

# Enrolled from 28 px on, a face is recognised as often as a large one (90 % at similarity 70); from 24 px 81 %, from
# 16 px 58 % (benchmarks/small_faces.py). A bad template in a gallery does harm for as long as it is there.
MIN_FACE_PX = 24

# Of a crowd, only so many of the largest are looked at.
MOST_FACES = 100

_PHOTOS = uuid.UUID("5f9b1d8e-5b0e-4f0a-9c67-0d5a3c1f7e42")  # namespace of photos, drawn at random


class Enrolment:
    """Enrols; `now_s` is Unix time."""

    def __init__(self, *, gallery: Gallery, store: ObjectStore, model_id: str, now_s: Callable[[], float]) -> None:
        self._gallery = gallery
        self._store = store
        self._model_id = model_id
        self._now_s = now_s

    async def enrol(
        self, job_id: str, task: Enrol, photo: Recognition, took: Callable[[], answers.TookJson]
    ) -> answers.EnrolAnswer:
        """Add faces, their crops first: a crop without a face is rubbish, a face without its crop would be a loss.

        Raises:
            NoFace, SeveralFaces, FaceTooSmall: the photo does not show the one usable face that was asked for.
            NotFound: no such collection.
        """
        numbered, rejected = ([(0, _only_face(photo))], ()) if task.one_face else _choose(task, photo)
        chosen = [face for _, face in numbered]
        if not chosen:
            await self._gallery.collection(task.collection)  # a wrong name is wrong whatever the photo shows
        faces = [self._enrolled(job_id, task, photo, face, n) for n, face in numbered]
        for face, enrolled in zip(chosen, faces, strict=True):
            if face.chip is not None and enrolled.crop_key is not None:
                await self._store.put(enrolled.crop_key, png(face.chip), durable=True)
        try:
            kept = await self._gallery.enrol(faces)
        except Unavailable:
            raise  # they may be enrolled all the same; the next try writes the same crops
        except FacefleetError:
            await self._forget_crops(faces)
            raise
        await self._forget_crops([mine for mine, now in zip(faces, kept, strict=True) if mine.crop_key != now.crop_key])
        return answers.EnrolAnswer(
            job_id=job_id,
            model_id=self._model_id,
            collection=task.collection,
            image=answers.image_json(photo),
            faces=tuple(_enrolled_json(*three) for three in zip(chosen, faces, kept, strict=True)),
            rejected=rejected,
            took_ms=took(),
        )

    async def _forget_crops(self, faces: Sequence[EnrolledFace]) -> None:
        """Delete the crops of faces that are not in the gallery, not by another delivery of the job either."""
        crops = [face.crop_key for face in faces if face.crop_key is not None]
        await delete_orphans(self._gallery, self._store, crops)

    def _enrolled(self, job_id: str, task: Enrol, photo: Recognition, face: Face, n: int) -> EnrolledFace:
        if face.template is None:
            raise BrokenInvariant("A face was to be enrolled without a template.")
        image_id = _image_id(job_id, task)
        face_id = str(uuid.uuid5(uuid.UUID(image_id), str(n)))
        return EnrolledFace(
            face_id=face_id,
            collection_id=task.collection,
            image_id=image_id,
            person=task.person,
            external_image_id=task.external_image_id,
            photo_sha256=task.photo_sha256,
            box=Box(
                left=face.box.left / photo.width,
                top=face.box.top / photo.height,
                width=face.box.width / photo.width,
                height=face.box.height / photo.height,
            ),
            landmarks=tuple((x / photo.width, y / photo.height) for x, y in face.landmarks),
            confidence=face.confidence,
            quality=face.quality,
            pose=face.pose,
            crop_key=crop_place(task.collection, face_id, job_id),
            created_s=self._now_s(),
            template=face.template,
        )


def _image_id(job_id: str, task: Enrol) -> str:
    if task.person is not None:
        return job_id
    return str(uuid.uuid5(_PHOTOS, f"{task.collection}/{task.photo_sha256}/{task.external_image_id or ''}"))


def _only_face(photo: Recognition) -> Face:
    if not photo.faces:
        raise NoFace("No face was found in the photo; send one that shows a face.")
    if len(photo.faces) > 1:
        raise SeveralFaces(
            f"{len(photo.faces)} faces were found in the photo; to enrol a person send one that shows only them."
        )
    box = photo.faces[0].box
    if min(box.width, box.height) < MIN_FACE_PX:
        raise FaceTooSmall(
            f"The face is {box.width:.0f} x {box.height:.0f} pixels; at least {MIN_FACE_PX} x {MIN_FACE_PX} are needed."
        )
    return photo.faces[0]


def _choose(task: Enrol, photo: Recognition) -> tuple[list[tuple[int, Face]], tuple[answers.RejectedFaceJson, ...]]:
    """Return the faces to enrol, each with its place in the photo, and the others with what speaks against them."""
    chosen: list[tuple[int, Face]] = []
    rejected = []
    for n, face in enumerate(photo.faces[:MOST_FACES]):
        found = answers.face_json(face)
        reasons = shortcomings(found, task.quality)
        if not reasons and len(chosen) == task.max_faces:
            reasons = (EXCEEDS_MAX_FACES,)
        if reasons:
            rejected.append(answers.RejectedFaceJson(**dict(found), reasons=reasons))
        else:
            chosen.append((n, face))
    return chosen, tuple(rejected)


def _enrolled_json(face: Face, mine: EnrolledFace, kept: EnrolledFace) -> answers.EnrolledFaceJson:
    return answers.EnrolledFaceJson(
        **dict(answers.face_json(face)),
        face_id=kept.face_id,
        image_id=kept.image_id,
        person=kept.person,
        external_image_id=kept.external_image_id,
        new=kept.face_id == mine.face_id,
    )
