"""A gallery in one process's memory; search is one product of matrices."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Collection as Items
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TypeVar

import numpy as np

from facefleet.core.centroid import Centroid, centroid
from facefleet.core.faces import Candidate, Collection, EnrolledFace, Page, Person, Template
from facefleet.core.galleries import check_limit, check_model, merge
from facefleet.errors import AlreadyExists, NotFound

T = TypeVar("T")


@dataclass(slots=True)
class _Shelf:
    """One collection: its head, when each person was made, and its faces, template included."""

    head: Collection
    persons: dict[str, float] = field(default_factory=dict)
    faces: dict[str, EnrolledFace] = field(default_factory=dict)

    def of(self, person: str) -> list[EnrolledFace]:
        """Return a person's faces."""
        return [face for face in self.faces.values() if face.person == person]

    def known(self, face_ids: Sequence[str]) -> list[str]:
        """Return those of the ids that are there, in order."""
        return sorted(set(face_ids) & self.faces.keys())

    def free(self, face_ids: Sequence[str]) -> list[str]:
        """Return those of the ids that are there and nobody's, in order."""
        return [face_id for face_id in self.known(face_ids) if self.faces[face_id].person is None]


class MemoryGallery:
    """See `ports.Gallery`."""

    def __init__(self, *, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._shelves: dict[str, _Shelf] = {}

    async def create_collection(self, collection_id: str, *, model_id: str, tags: Mapping[str, str]) -> Collection:
        """Create."""
        if collection_id in self._shelves:
            raise AlreadyExists(f"There is a collection {collection_id} already.")
        head = Collection(collection_id=collection_id, model_id=model_id, created_s=self._now_s(), tags=dict(tags))
        self._shelves[collection_id] = _Shelf(head)
        return head

    async def delete_collection(self, collection_id: str) -> Sequence[str]:
        """Delete with everything in it."""
        faces = self._shelf(collection_id).faces.values()
        del self._shelves[collection_id]
        return [face.crop_key for face in faces if face.crop_key is not None]

    async def collection(self, collection_id: str) -> Collection:
        """Return with counts."""
        shelf = self._shelf(collection_id)
        return replace(shelf.head, faces=len(shelf.faces), persons=len(shelf.persons))

    async def collections(self, *, limit: int, after: str | None = None) -> Page[Collection]:
        """List by name."""
        listed = [await self.collection(collection_id) for collection_id in self._shelves]
        return _page(listed, "collection_id", limit, after)

    async def add_tags(self, collection_id: str, tags: Mapping[str, str], *, most_tags: int) -> None:
        """Add tags."""
        shelf = self._shelf(collection_id)
        together = {**shelf.head.tags, **tags}
        check_limit(f"Collection {collection_id}", len(together), most_tags, "tags")
        shelf.head = replace(shelf.head, tags=together)

    async def remove_tags(self, collection_id: str, names: Items[str]) -> None:
        """Remove tags."""
        shelf = self._shelf(collection_id)
        left = {name: value for name, value in shelf.head.tags.items() if name not in names}
        shelf.head = replace(shelf.head, tags=left)

    async def enrol(self, faces: Sequence[EnrolledFace]) -> Sequence[EnrolledFace]:
        """Add those that are new; all or none."""
        if not faces:
            return []
        shelf = self._shelf(faces[0].collection_id)
        self._check(shelf, [face.template for face in faces])
        kept, new = merge(faces, shelf.faces.values())
        for person in {face.person for face in faces if face.person is not None}:
            shelf.persons.setdefault(person, self._now_s())
        shelf.faces |= {face.face_id: face for face in new}
        return kept

    async def face(self, collection_id: str, face_id: str) -> EnrolledFace:
        """Return one face, template included."""
        faces = self._shelf(collection_id).faces
        if face_id not in faces:
            raise NotFound(f"There is no face {face_id} in collection {collection_id}.")
        return faces[face_id]

    async def faces(
        self,
        collection_id: str,
        *,
        limit: int,
        after: str | None = None,
        person: str | None = None,
        face_ids: Items[str] | None = None,
    ) -> Page[EnrolledFace]:
        """List by id, without templates."""
        chosen = [
            _bare(face)
            for face in self._shelf(collection_id).faces.values()
            if (person is None or face.person == person) and (face_ids is None or face.face_id in face_ids)
        ]
        return _page(chosen, "face_id", limit, after)

    async def delete_faces(
        self, collection_id: str, face_ids: Sequence[str], *, named: bool = True
    ) -> Sequence[EnrolledFace]:
        """Delete those that are there."""
        shelf = self._shelf(collection_id)
        going = shelf.known(face_ids) if named else shelf.free(face_ids)
        return [_bare(shelf.faces.pop(face_id)) for face_id in going]

    async def search(
        self,
        collection_id: str,
        probes: Sequence[Template],
        *,
        limit: int,
        min_score: float = -1.0,
        named_except: Items[str] | None = None,
    ) -> Sequence[Sequence[Candidate]]:
        """Score every face against every probe."""
        shelf = self._shelf(collection_id)
        self._check(shelf, probes)
        faces = sorted(shelf.faces.values(), key=attrgetter("face_id"))
        if named_except is not None:
            faces = [face for face in faces if face.person is not None and face.person not in named_except]
        if not faces:
            return [[] for _ in probes]
        gallery = np.stack([face.template.vector for face in faces if face.template is not None])  # (N, D)
        found: list[list[Candidate]] = []
        for probe in probes:
            scores = gallery @ probe.vector
            best = np.argsort(-scores, kind="stable")[:limit]
            candidates = [Candidate(face=_bare(faces[i]), score=float(scores[i])) for i in best]
            found.append([candidate for candidate in candidates if candidate.score >= min_score])
        return found

    async def create_person(self, collection_id: str, person: str) -> Person:
        """Create a person without faces."""
        shelf = self._shelf(collection_id)
        if person in shelf.persons:
            raise AlreadyExists(f"There is a person {person} in collection {collection_id} already.")
        shelf.persons[person] = self._now_s()
        return self._person(shelf, person)

    async def delete_person(self, collection_id: str, person: str, *, faces: bool) -> Sequence[EnrolledFace]:
        """Delete a person; their faces go or become nobody's."""
        shelf = self._shelf(collection_id)
        _check_person(shelf, person)
        theirs = sorted(shelf.of(person), key=attrgetter("face_id"))
        for face in theirs:
            if faces:
                del shelf.faces[face.face_id]
            else:
                shelf.faces[face.face_id] = replace(face, person=None)
        del shelf.persons[person]
        return [_bare(face if faces else replace(face, person=None)) for face in theirs]

    async def persons(self, collection_id: str, *, limit: int, after: str | None = None) -> Page[Person]:
        """List by name."""
        shelf = self._shelf(collection_id)
        return _page([self._person(shelf, person) for person in shelf.persons], "person", limit, after)

    async def associate(
        self, collection_id: str, face_ids: Sequence[str], person: str, *, most_faces: int
    ) -> Sequence[EnrolledFace]:
        """Give a person what is nobody's."""
        shelf = self._shelf(collection_id)
        _check_person(shelf, person)
        free = shelf.free(face_ids)
        check_limit(f"Person {person}", len(shelf.of(person)) + len(free), most_faces, "faces")
        for face_id in free:
            shelf.faces[face_id] = replace(shelf.faces[face_id], person=person)
        return [_bare(shelf.faces[face_id]) for face_id in shelf.known(face_ids)]

    async def disassociate(self, collection_id: str, face_ids: Sequence[str], person: str) -> Sequence[EnrolledFace]:
        """Take from a person what is theirs."""
        shelf = self._shelf(collection_id)
        _check_person(shelf, person)
        theirs = [face_id for face_id in shelf.known(face_ids) if shelf.faces[face_id].person == person]
        for face_id in theirs:
            shelf.faces[face_id] = replace(shelf.faces[face_id], person=None)
        return [_bare(shelf.faces[face_id]) for face_id in theirs]

    async def person_templates(self, collection_id: str, person: str) -> Sequence[Template]:
        """Return a person's templates."""
        shelf = self._shelf(collection_id)
        _check_person(shelf, person)
        theirs = sorted(shelf.of(person), key=attrgetter("face_id"))
        return [face.template for face in theirs if face.template is not None]

    async def centroids(self, collection_id: str, persons: Items[str]) -> Mapping[str, Centroid]:
        """Average the templates of each."""
        shelf = self._shelf(collection_id)
        means = {
            person: centroid([face.template for face in shelf.of(person) if face.template is not None])
            for person in persons
        }
        return {person: mean for person, mean in means.items() if mean is not None}

    async def maintain(self) -> None:
        """Do nothing: there is no index and no space to win back."""

    def _shelf(self, collection_id: str) -> _Shelf:
        if collection_id not in self._shelves:
            raise NotFound(f"There is no collection {collection_id}.")
        return self._shelves[collection_id]

    def _check(self, shelf: _Shelf, templates: Iterable[Template | None]) -> None:
        check_model(shelf.head.collection_id, shelf.head.model_id, templates)

    def _person(self, shelf: _Shelf, person: str) -> Person:
        return Person(
            collection_id=shelf.head.collection_id,
            person=person,
            faces=len(shelf.of(person)),
            created_s=shelf.persons[person],
        )


def _check_person(shelf: _Shelf, person: str) -> None:
    if person not in shelf.persons:
        raise NotFound(f"There is no person {person} in collection {shelf.head.collection_id}.")


def _bare(face: EnrolledFace) -> EnrolledFace:
    return replace(face, template=None)


def _page(items: Iterable[T], key: str, limit: int, after: str | None) -> Page[T]:
    name = attrgetter(key)
    rest = sorted((item for item in items if after is None or name(item) > after), key=name)
    return Page(items=tuple(rest[:limit]), next_after=name(rest[limit - 1]) if len(rest) > limit else None)
