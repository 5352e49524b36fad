"""The gallery in PostgreSQL, searched by pgvector.

A search scores every face of its collection while these are few, and uses the collection's own HNSW index
(Malkov and Yashunin, arXiv:1603.09320) once `maintain` has made one. A search for named faces reads the index past the
others, up to 20,000 faces, unless the database estimates that scoring those with names is less work.

Deleting deletes rows. `maintain` takes them out of the server's files where the table is small, within minutes;
until then, in a large table until new faces take the room, and in the write-ahead log until that is removed, a deleted
template can be read by whoever reads these files.
"""

from collections.abc import Collection as Items
from collections.abc import Mapping, Sequence

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from facefleet.adapters import postgres_gallery_sql as sql
from facefleet.adapters.postgres import Database, Parameters, Statement
from facefleet.adapters.postgres_gallery_index import INDEX_LIMIT, maintain
from facefleet.adapters.postgres_gallery_locks import lock_collection, lock_free, lock_person, no_collection, no_person
from facefleet.adapters.postgres_gallery_rows import (
    centroids_of,
    collection_of,
    face_of,
    face_row,
    faces_of,
    page_of,
    template_of,
)
from facefleet.core.centroid import Centroid
from facefleet.core.faces import Candidate, Collection, EnrolledFace, Page, Person, Template
from facefleet.core.galleries import check_limit, check_model, merge
from facefleet.errors import AlreadyExists, NotFound

# One probe against this many 128-d templates took 29 ms, by index 5 ms with recall 1.000 (one core of a busy machine,
# benchmarks/postgres_gallery.py). Recognising the photo takes longer than either.
EXACT_UP_TO = 20_000


class PostgresGallery:
    """See `ports.Gallery`."""

    def __init__(self, database: Database, *, exact_up_to: int = EXACT_UP_TO) -> None:
        """Set up.

        Args:
            database: where the tables are.
            exact_up_to: most faces of a collection that is searched without an index.
        """
        self._database = database
        self._exact_up_to = exact_up_to
        self._indexed: set[str] = set()  # as of the last search; a wrong guess costs time, nothing else

    async def create_collection(self, collection_id: str, *, model_id: str, tags: Mapping[str, str]) -> Collection:
        """Create."""
        rows = await self._database.run(sql.CREATE_COLLECTION, [collection_id, model_id, Jsonb(dict(tags))])
        if not rows:
            raise AlreadyExists(f"There is a collection {collection_id} already.")
        return Collection(collection_id=collection_id, model_id=model_id, created_s=rows[0][0], tags=dict(tags))

    async def delete_collection(self, collection_id: str) -> Sequence[str]:
        """Delete with everything in it; its index goes with the next `maintain`."""
        async with self._database.transaction() as connection:
            await lock_collection(connection, sql.LOCK_COLLECTION, collection_id)
            crops = await (await connection.execute(sql.DELETE_CROPS, [collection_id])).fetchall()
            await connection.execute(sql.DELETE_COLLECTION, [collection_id])
        return [crop_key for (crop_key,) in crops if crop_key is not None]

    async def collection(self, collection_id: str) -> Collection:
        """Return with counts, counted now."""
        rows = await self._database.run(sql.COLLECTION, [collection_id])
        if not rows:
            raise no_collection(collection_id)
        return collection_of(rows[0])

    async def collections(self, *, limit: int, after: str | None = None) -> Page[Collection]:
        """List by name."""
        rows = await self._database.run(sql.COLLECTIONS, [after or "", limit + 1])
        return page_of([collection_of(row) for row in rows], limit, lambda collection: collection.collection_id)

    async def add_tags(self, collection_id: str, tags: Mapping[str, str], *, most_tags: int) -> None:
        """Add tags; too many are undone."""
        async with self._database.transaction() as connection:
            row = await (await connection.execute(sql.ADD_TAGS, [Jsonb(dict(tags)), collection_id])).fetchone()
            if row is None:
                raise no_collection(collection_id)
            check_limit(f"Collection {collection_id}", row[0], most_tags, "tags")

    async def remove_tags(self, collection_id: str, names: Items[str]) -> None:
        """Remove tags."""
        if not await self._database.run(sql.REMOVE_TAGS, [list(names), collection_id]):
            raise no_collection(collection_id)

    async def enrol(self, faces: Sequence[EnrolledFace]) -> Sequence[EnrolledFace]:
        """Add those that are new, in one transaction."""
        if not faces:
            return []
        collection_id = faces[0].collection_id
        persons = sorted({face.person for face in faces if face.person is not None})
        async with self._database.transaction() as connection:
            model_id = await lock_collection(connection, sql.KEEP_COLLECTION, collection_id)
            check_model(collection_id, model_id, [face.template for face in faces])
            if persons:
                await connection.execute(sql.ADD_PERSONS, [collection_id, persons])
            while True:
                kept, new = merge(faces, await _enrolled(connection, model_id, faces))
                if not new or await _added(connection, new):
                    return kept

    async def face(self, collection_id: str, face_id: str) -> EnrolledFace:
        """Return one face, template included."""
        rows = await self._database.run(sql.FACE_BY_ID, [face_id, collection_id])
        if not rows:
            raise no_collection(collection_id)
        model_id, *row = rows[0]
        if row[0] is None:
            raise NotFound(f"There is no face {face_id} in collection {collection_id}.")
        return face_of(row, model_id=model_id)

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
        parameters = {"collection_id": collection_id, "after": after or "", "limit": limit + 1, "person": person}
        statement = sql.FACES + (sql.OF_PERSON if person is not None else "")
        if face_ids is not None:
            statement, parameters["face_ids"] = statement + sql.WITH_IDS, list(face_ids)
        rows = await self._rows(collection_id, statement + sql.BY_ID, parameters)
        return page_of([face_of(row) for row in rows], limit, lambda face: face.face_id)

    async def delete_faces(
        self, collection_id: str, face_ids: Sequence[str], *, named: bool = True
    ) -> Sequence[EnrolledFace]:
        """Delete those that are there."""
        if named:
            return faces_of(await self._rows(collection_id, sql.DELETE_FACES, [collection_id, list(face_ids)]))
        async with self._database.transaction() as connection:
            await lock_collection(connection, sql.KEEP_COLLECTION, collection_id)
            free = await lock_free(connection, collection_id, face_ids)
            rows = await (await connection.execute(sql.DELETE_FACES, [collection_id, free])).fetchall()
        return faces_of(rows)

    async def search(
        self,
        collection_id: str,
        probes: Sequence[Template],
        *,
        limit: int,
        min_score: float = -1.0,
        named_except: Items[str] | None = None,
    ) -> Sequence[Sequence[Candidate]]:
        """Search for all probes in one round trip."""
        if not probes:
            await self.collection(collection_id)
            return []
        model_ids = {probe.model_id for probe in probes}
        use_index = collection_id in self._indexed and limit <= INDEX_LIMIT
        statement = sql.search(
            collection_id, len(probes), len(probes[0].vector) if use_index else None, named=named_except is not None
        )
        parameters = {f"probe{n}": probe.vector for n, probe in enumerate(probes)}
        bounds = {"limit": limit, "min_score": min_score, "named_except": list(named_except or ())}
        rows = await self._database.run(statement, parameters | bounds | {"model_id": min(model_ids)})
        if not rows:
            raise no_collection(collection_id)
        model_id, indexed = rows[0][:2]
        check_model(collection_id, model_id, probes)
        (self._indexed.add if indexed else self._indexed.discard)(collection_id)
        found: list[list[Candidate]] = [[] for _ in probes]
        for _, _, n, *face, score in rows:
            if n is not None:
                found[n].append(Candidate(face=face_of(face), score=score))
        return found

    async def create_person(self, collection_id: str, person: str) -> Person:
        """Create a person without faces."""
        rows = await self._database.run(sql.CREATE_PERSON, [person, collection_id])
        if not rows:
            await self.collection(collection_id)
            raise AlreadyExists(f"There is a person {person} in collection {collection_id} already.")
        return Person(collection_id=collection_id, person=person, faces=0, created_s=rows[0][0])

    async def delete_person(self, collection_id: str, person: str, *, faces: bool) -> Sequence[EnrolledFace]:
        """Delete a person; their faces go or become nobody's."""
        which = [collection_id, person]
        async with self._database.transaction() as connection:
            await lock_person(connection, collection_id, person)
            statement = sql.DELETE_THEIR_FACES if faces else sql.LEAVE_THEIR_FACES
            rows = await (await connection.execute(statement, which)).fetchall()
            await connection.execute(sql.DELETE_PERSON, which)
        return faces_of(rows)

    async def persons(self, collection_id: str, *, limit: int, after: str | None = None) -> Page[Person]:
        """List by name."""
        rows = await self._rows(collection_id, sql.PERSONS, [collection_id, after or "", limit + 1])
        persons = [
            Person(collection_id=collection_id, person=person, faces=faces, created_s=created_s)
            for person, faces, created_s in rows
        ]
        return page_of(persons, limit, lambda person: person.person)

    async def associate(
        self, collection_id: str, face_ids: Sequence[str], person: str, *, most_faces: int
    ) -> Sequence[EnrolledFace]:
        """Give a person, who is locked and so keeps their faces, what is nobody's."""
        asked = {"collection_id": collection_id, "after": "", "limit": len(face_ids), "face_ids": list(face_ids)}
        async with self._database.transaction() as connection:
            await lock_person(connection, collection_id, person)
            free = await lock_free(connection, collection_id, face_ids)
            await connection.execute(sql.ASSOCIATE, [person, collection_id, free])
            counted = await connection.execute(sql.COUNT_THEIR_FACES, [collection_id, person])
            for (count,) in await counted.fetchall():
                check_limit(f"Person {person}", count, most_faces, "faces")
            rows = await (await connection.execute(sql.FACES + sql.WITH_IDS + sql.BY_ID, asked)).fetchall()
        return faces_of(rows)

    async def disassociate(self, collection_id: str, face_ids: Sequence[str], person: str) -> Sequence[EnrolledFace]:
        """Take from a person what is theirs."""
        async with self._database.transaction() as connection:
            await lock_person(connection, collection_id, person)
            cursor = await connection.execute(sql.DISASSOCIATE, [collection_id, person, list(face_ids)])
            return faces_of(await cursor.fetchall())

    async def person_templates(self, collection_id: str, person: str) -> Sequence[Template]:
        """Return a person's templates."""
        rows = await self._rows(collection_id, sql.PERSON_TEMPLATES, [collection_id, person])
        if not rows:
            raise no_person(collection_id, person)
        return [template_of(vector, model_id) for model_id, vector in rows if vector is not None]

    async def centroids(self, collection_id: str, persons: Items[str]) -> Mapping[str, Centroid]:
        """Let the database average the templates of each."""
        return centroids_of(await self._rows(collection_id, sql.CENTROIDS, [collection_id, list(persons)]))

    async def maintain(self) -> None:
        """Index collections that have grown large, drop indexes of those that have gone, erase deleted rows."""
        await maintain(self._database, exact_up_to=self._exact_up_to)

    async def _rows(self, collection_id: str, statement: Statement, parameters: Parameters) -> list[TupleRow]:
        """Run a statement on one collection; that it yields nothing may mean that the collection does not exist."""
        rows = await self._database.run(statement, parameters)
        if not rows:
            await self.collection(collection_id)
        return rows


async def _added(connection: psycopg.AsyncConnection[TupleRow], faces: Sequence[EnrolledFace]) -> bool:
    """Add faces; return whether none of them came from another enrolment meanwhile."""
    async with connection.cursor() as cursor:
        await cursor.executemany(sql.ENROL, [face_row(face) for face in faces])
        return cursor.rowcount == len(faces)


async def _enrolled(
    connection: psycopg.AsyncConnection[TupleRow], model_id: str, faces: Sequence[EnrolledFace]
) -> list[EnrolledFace]:
    """Return the faces that are there already, by id or by photo, the earliest first."""
    parameters = {
        "collection_id": faces[0].collection_id,
        "face_ids": [face.face_id for face in faces],
        "photos": [face.photo_sha256 for face in faces],
    }
    rows = await (await connection.execute(sql.ENROLLED, parameters, binary=True)).fetchall()
    return [face_of(row, model_id=model_id) for row in rows]
