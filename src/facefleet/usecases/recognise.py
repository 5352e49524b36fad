"""The worker's half of a recognition: from what the engine found to the answer.

The engine runs elsewhere (one thread of the worker); here its findings meet the gallery.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TypeAlias

from facefleet.core import answers
from facefleet.core.calibration import Calibration
from facefleet.core.faces import Candidate, Face, Recognition, Template
from facefleet.core.jobs import Answer, Detect, Enrol, Identify, Lease, Search, Verify, of_which
from facefleet.core.matching import best_per_person, compare
from facefleet.errors import BrokenInvariant, FacefleetError, InvalidInput, NoFace
from facefleet.ports import Gallery
from facefleet.usecases.enrolment import Enrolment
from facefleet.usecases.search import Searcher

Finding: TypeAlias = Recognition | FacefleetError
_Document: TypeAlias = (
    answers.DetectAnswer | answers.IdentifyAnswer | answers.VerifyAnswer | answers.EnrolAnswer | answers.SearchAnswer
)

# Candidates are persons but the gallery returns faces: with this many faces a candidate asked for, a person with many
# photos does not crowd the others out of the list.
_FACES_PER_CANDIDATE = 10


class Recogniser:
    """Answers leased jobs.

    Args:
        threshold: similarity from which a face is named, where a task gives none.
    """

    def __init__(
        self, *, gallery: Gallery, enrolment: Enrolment, calibration: Calibration, model_id: str, threshold: float
    ) -> None:
        self._gallery = gallery
        self._enrolment = enrolment
        self._searcher = Searcher(gallery=gallery, calibration=calibration)
        self._calibration = calibration
        self._model_id = model_id
        self._threshold = threshold

    async def answer(self, lease: Lease, findings: Sequence[Finding], *, started_s: float) -> Answer:
        """Return what came of a job.

        Args:
            findings: for each photo of the task, in order, what the engine found or why it could not look.
            started_s: `perf_counter` when the job was leased.

        Raises:
            Unavailable: a port is away; the job should be given back and tried again.
        """
        job_id = lease.job.job_id
        try:
            photos = _readable(findings)
            document = await self._document(lease, photos, _Clock(lease, photos, started_s))
        except InvalidInput as error:
            return Answer(job_id=job_id, error=error.to_dict())
        return Answer(job_id=job_id, body=document.model_dump_json(exclude_none=False).encode())

    async def _document(self, lease: Lease, photos: Sequence[Recognition], clock: "_Clock") -> _Document:
        match lease.job.task:
            case Detect():
                return answers.DetectAnswer(
                    job_id=lease.job.job_id,
                    model_id=self._model_id,
                    image=answers.image_json(photos[0]),
                    faces=tuple(answers.face_json(face) for face in photos[0].faces),
                    took_ms=clock.read(),
                )
            case Identify() as task:
                return await self._identify(lease, task, photos[0], clock)
            case Verify() as task:
                return self._verify(lease, task, photos[0], photos[1], clock)
            case Enrol() as task:
                return await self._enrolment.enrol(lease.job.job_id, task, photos[0], clock.read)
            case Search() as task:
                return await self._searcher.photo(lease.job.job_id, self._model_id, task, photos[0], clock.read)

    async def _identify(
        self, lease: Lease, task: Identify, photo: Recognition, clock: "_Clock"
    ) -> answers.IdentifyAnswer:
        threshold = self._threshold if task.threshold is None else task.threshold
        faces = photo.faces[:1] if task.largest_only else photo.faces
        before_s = perf_counter()
        found = await self._candidates(task, [_template(face) for face in faces], threshold)
        clock.search_ms = (perf_counter() - before_s) * 1e3
        return answers.IdentifyAnswer(
            job_id=lease.job.job_id,
            model_id=self._model_id,
            collection=task.collection,
            threshold=threshold,
            image=answers.image_json(photo),
            faces=tuple(
                self._identified(face, best_per_person(candidates), threshold, task.max_candidates)
                for face, candidates in zip(faces, found, strict=True)
            ),
            took_ms=clock.read(),
        )

    async def _candidates(
        self, task: Identify, probes: Sequence[Template], threshold: float
    ) -> Sequence[Sequence[Candidate]]:
        """Return for each probe the nearest faces, and the nearest named one behind many unnamed ones."""
        limit = task.max_candidates * _FACES_PER_CANDIDATE
        found = [*await self._gallery.search(task.collection, probes, limit=limit)]
        # Only where faces that reach the threshold fill the page, and nobody's name is on it, is there more to find.
        crowded = [
            n
            for n, page in enumerate(found)
            if len(page) == limit
            and self._similarity(page[-1].score) >= threshold
            and all(one.face.person is None for one in page)
        ]
        if crowded:
            probes = [probes[n] for n in crowded]
            named = await self._gallery.search(task.collection, probes, limit=1, named_except=())
            for n, page in zip(crowded, named, strict=True):
                found[n] = [*found[n], *page]
        return found

    def _identified(
        self, face: Face, candidates: Sequence[Candidate], threshold: float, limit: int
    ) -> answers.IdentifiedFaceJson:
        """Name a face, and list its `limit` best candidates; whoever is named is among them."""
        named = next(
            (one for one in candidates if one.face.person is not None and self._similarity(one.score) >= threshold),
            None,
        )
        listed = [*candidates[:limit]]
        if named is not None and named not in listed:
            listed[-1] = named
        alike = tuple(
            answers.CandidateJson(
                person=candidate.face.person,
                face_id=candidate.face.face_id,
                external_image_id=candidate.face.external_image_id,
                similarity=self._similarity(candidate.score),
            )
            for candidate in listed
        )
        person = None if named is None else named.face.person
        return answers.IdentifiedFaceJson(**dict(answers.face_json(face)), person=person, candidates=alike)

    def _verify(
        self, lease: Lease, task: Verify, source: Recognition, target: Recognition, clock: "_Clock"
    ) -> answers.VerifyAnswer:
        for name, photo in (("source", source), ("target", target)):
            if not photo.faces:
                raise NoFace(f"No face was found in the {name} photo; send one that shows a face.")
        threshold = self._threshold if task.threshold is None else task.threshold
        probe = _template(source.faces[0])
        compared = tuple(
            answers.ComparedFaceJson(
                **dict(answers.face_json(face)), similarity=self._similarity(compare(probe, _template(face)))
            )
            for face in target.faces
        )
        best = max(face.similarity for face in compared)
        return answers.VerifyAnswer(
            job_id=lease.job.job_id,
            model_id=self._model_id,
            same=best >= threshold,
            similarity=best,
            threshold=threshold,
            source_image=answers.image_json(source),
            source=answers.face_json(source.faces[0]),
            target_image=answers.image_json(target),
            target=compared,
            took_ms=clock.read(),
        )

    def _similarity(self, score: float) -> float:
        return round(self._calibration.similarity(score), 2)


class _Clock:
    """Adds up `took_ms` for one job."""

    def __init__(self, lease: Lease, photos: Sequence[Recognition], started_s: float) -> None:
        self._queue_ms = lease.waited_ms
        self._stages = {
            stage: sum(photo.took_ms.get(stage, 0.0) for photo in photos) for stage in ("decode", "detect", "embed")
        }
        self._started_s = started_s
        self.search_ms = 0.0

    def read(self) -> answers.TookJson:
        total_ms = self._queue_ms + (perf_counter() - self._started_s) * 1e3
        return answers.TookJson(
            queue=round(self._queue_ms, 2),
            search=round(self.search_ms, 2),
            total=round(total_ms, 2),
            **{stage: round(took_ms, 2) for stage, took_ms in self._stages.items()},
        )


def _readable(findings: Sequence[Finding]) -> list[Recognition]:
    photos = []
    for place, finding in enumerate(findings):
        if isinstance(finding, InvalidInput):
            raise of_which(finding, place, len(findings))
        if isinstance(finding, FacefleetError):
            raise finding
        photos.append(finding)
    return photos


def _template(face: Face) -> Template:
    if face.template is None:
        raise BrokenInvariant("A face reached the gallery without a template.")
    return face.template
