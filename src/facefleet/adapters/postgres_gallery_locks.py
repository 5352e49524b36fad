"""What a transaction of the gallery keeps others from changing, and what it says of what is not there."""

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from facefleet.adapters import postgres_gallery_sql as sql
from facefleet.errors import NotFound


async def lock_collection(
    connection: psycopg.AsyncConnection[TupleRow], statement: LiteralString, collection_id: str
) -> str:
    """Lock the collection as the statement says, and return its model."""
    row = await (await connection.execute(statement, [collection_id])).fetchone()
    if row is None:
        raise no_collection(collection_id)
    return str(row[0])


async def lock_person(connection: psycopg.AsyncConnection[TupleRow], collection_id: str, person: str) -> None:
    """Keep others from giving or taking this person's faces until the transaction ends."""
    await lock_collection(connection, sql.KEEP_COLLECTION, collection_id)
    if await (await connection.execute(sql.LOCK_PERSON, [collection_id, person])).fetchone() is None:
        raise no_person(collection_id, person)


async def lock_free(
    connection: psycopg.AsyncConnection[TupleRow], collection_id: str, face_ids: Sequence[str]
) -> list[str]:
    """Lock those of the faces that are nobody's, and return their ids."""
    rows = await (await connection.execute(sql.LOCK_FREE_FACES, [collection_id, list(face_ids)])).fetchall()
    return [face_id for (face_id,) in rows]


def no_collection(collection_id: str) -> NotFound:
    """Return the error."""
    return NotFound(f"There is no collection {collection_id}.")


def no_person(collection_id: str, person: str) -> NotFound:
    """Return the error."""
    return NotFound(f"There is no person {person} in collection {collection_id}.")
