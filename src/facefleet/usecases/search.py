"""Searching a collection for single faces, or for persons as the mean of their faces.

A worker searches with a photo, the web tier with a face or person that is enrolled already: one code, one scale.
"""

from collections.abc import Callable
from collections.abc import Collection as Items

from facefleet.core import answers
from facefleet.core.calibration import Calibration
from facefleet.core.centroid import Centroid, centroid, likeness
from facefleet.core.faces import Candidate, Face, Recognition, Template
from facefleet.core.jobs import Search
from facefleet.core.shortcomings import shortcomings
from facefleet.errors import BrokenInvariant
from facefleet.ports import Gallery

# Persons are found by their faces. Likeness to a mean m is at most the best cosine of its faces over sqrt(|m|), and |m|
# is sqrt(c + (1-c)/n) for n templates of mutual cosine c: at least 0.89 with c >= 0.8, which photos of one person have.
# A person whose faces all score below this share of what is asked for cannot reach it.
_LEAST_SHARE = 0.89**0.5
_FACES_PER_PERSON = 10
_MOST_FACES = 4096


class Searcher:
    """Searches."""

    def __init__(self, *, gallery: Gallery, calibration: Calibration) -> None:
        self._gallery = gallery
        self._calibration = calibration

    async def photo(
        self, job_id: str, model_id: str, task: Search, photo: Recognition, took: Callable[[], answers.TookJson]
    ) -> answers.SearchAnswer:
        """Search for the largest face of a photo that passes the task's quality filter."""
        probe: Face | None = None
        unsearched = []
        for face in photo.faces:
            found = answers.face_json(face)
            reasons = ("FACE_NOT_LARGEST",) if probe is not None else shortcomings(found, task.quality)
            if reasons:
                unsearched.append(answers.RejectedFaceJson(**dict(found), reasons=reasons))
            else:
                probe = face
        faces: tuple[answers.MatchedFaceJson, ...] = ()
        persons: tuple[answers.MatchedPersonJson, ...] = ()
        if probe is None:
            await self._gallery.collection(task.collection)
        elif task.persons:
            persons = await self.persons(task.collection, _alone(probe), threshold=task.threshold, limit=task.limit)
        else:
            faces = await self.faces(task.collection, _template(probe), threshold=task.threshold, limit=task.limit)
        return answers.SearchAnswer(
            job_id=job_id,
            model_id=model_id,
            collection=task.collection,
            threshold=task.threshold,
            image=answers.image_json(photo),
            searched=None if probe is None else answers.face_json(probe),
            unsearched=tuple(unsearched),
            faces=faces,
            persons=persons,
            took_ms=took(),
        )

    async def faces(
        self, collection_id: str, probe: Template, *, threshold: float, limit: int
    ) -> tuple[answers.MatchedFaceJson, ...]:
        """Return the enrolled faces that resemble a probe at least so much, best first.

        Args:
            threshold: similarity, 0-100.

        Raises:
            NotFound: no such collection.
            IncompatibleTemplates: the probe is of another model.
        """
        (candidates,) = await self._gallery.search(
            collection_id, [probe], limit=limit, min_score=self._score(threshold)
        )
        matches = (self._match(candidate) for candidate in candidates)
        return tuple(match for match in matches if match.similarity >= threshold)

    async def persons(
        self, collection_id: str, probe: Centroid, *, threshold: float, limit: int, other_than: str | None = None
    ) -> tuple[answers.MatchedPersonJson, ...]:
        """Return the persons who resemble a probe at least so much, best first.

        Whoever is deleted meanwhile is left out.

        Args:
            threshold: similarity, 0-100.
            other_than: a person who is not looked for.

        Raises:
            NotFound: no such collection.
            IncompatibleTemplates: the probe is of another model.
        """
        matches: list[answers.MatchedPersonJson] = []
        seen = set() if other_than is None else {other_than}
        faces = min(limit * _FACES_PER_PERSON, _MOST_FACES)
        while len(matches) < limit:
            (page,) = await self._gallery.search(
                collection_id,
                [probe.template],
                limit=faces,
                min_score=self._score(threshold) * _LEAST_SHARE if threshold > 0 else -1.0,
                named_except=seen,
            )
            near = {one.face.person for one in page if one.face.person is not None}
            matches += await self._alike(collection_id, probe, near, threshold)
            if len(page) < faces:
                break
            # A few persons' faces, or strangers', may fill a page: the next is without those who were on it.
            seen |= near
            faces = min(2 * faces, _MOST_FACES)
        return tuple(sorted(matches, key=lambda match: (-match.similarity, match.person))[:limit])

    async def _alike(
        self, collection_id: str, probe: Centroid, persons: Items[str], threshold: float
    ) -> list[answers.MatchedPersonJson]:
        means = await self._gallery.centroids(collection_id, persons) if persons else {}
        matches = (
            answers.MatchedPersonJson(similarity=self.similarity(likeness(probe, mean)), person=person)
            for person, mean in means.items()
        )
        return [match for match in matches if match.similarity >= threshold]

    def _match(self, candidate: Candidate) -> answers.MatchedFaceJson:
        face = candidate.face
        return answers.MatchedFaceJson(
            similarity=self.similarity(candidate.score),
            face_id=face.face_id,
            image_id=face.image_id,
            external_image_id=face.external_image_id,
            person=face.person,
            box=answers.BoxJson(left=face.box.left, top=face.box.top, width=face.box.width, height=face.box.height),
            confidence=face.confidence,
        )

    def similarity(self, score: float) -> float:
        """Return a cosine score on the calibrated scale, 0-100, as it is compared with thresholds."""
        return round(self._calibration.similarity(score), 2)

    def _score(self, threshold: float) -> float:
        # Similarities are rounded before they are compared: look a little further and let that decide.
        return self._calibration.score(max(0.0, threshold - 0.01))


def _template(face: Face) -> Template:
    if face.template is None:
        raise BrokenInvariant("A face was to be searched for without a template.")
    return face.template


def _alone(face: Face) -> Centroid:
    """Return a face as a person of whom there is one photo."""
    found = centroid([_template(face)])
    if found is None:
        raise BrokenInvariant("A template has no length.")
    return found
