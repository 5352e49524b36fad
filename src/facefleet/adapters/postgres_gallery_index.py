"""Indexes for large collections, one a collection, built while searches and enrolments go on.

One index for all collections would have to be read past the faces of others, and collections may differ in dimensions.
"""

import hashlib

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier, Literal

from facefleet.adapters.postgres import EF_SEARCH, Database
from facefleet.adapters.postgres_gallery_erasure import erase

INDEX_LIMIT = EF_SEARCH  # most candidates that a search by index returns

_MAINTAINING = 0x0FACEF3  # advisory lock: one process maintains
_PREFIX = "faces_near_"

_LARGE = """
    SELECT collection_id, vector_dims((SELECT template FROM faces WHERE faces.collection_id = c.collection_id LIMIT 1))
    FROM collections AS c
    WHERE NOT indexed AND (SELECT count(*) FROM faces WHERE faces.collection_id = c.collection_id) > %s
"""
_INDEXED = "SELECT collection_id FROM collections WHERE indexed"
_INDEXES = """
    SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = 'faces'::regclass AND starts_with(relname, %s)
"""


def indexed_template(dimensions: int) -> Composed:
    """Return the expression that is indexed."""
    return SQL("template::vector({})").format(Literal(dimensions))


async def maintain(database: Database, *, exact_up_to: int) -> None:
    """Make missing indexes, drop orphaned ones, and erase deleted faces."""
    async with database.connection() as connection:
        locked = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [_MAINTAINING])).fetchone()
        if locked != (True,):
            return
        await _drop_orphans(connection)
        for collection_id, dimensions in await _all(connection, _LARGE, [exact_up_to]):
            await _build(connection, collection_id, dimensions)
        await erase(connection)


async def _drop_orphans(connection: psycopg.AsyncConnection[TupleRow]) -> None:
    """Drop the indexes of collections that were deleted, and those whose making was interrupted."""
    wanted = {_name(collection_id) for (collection_id,) in await _all(connection, _INDEXED)}
    for (name,) in await _all(connection, _INDEXES, [_PREFIX]):
        if name not in wanted:
            await connection.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(name)))


async def _build(connection: psycopg.AsyncConnection[TupleRow], collection_id: str, dimensions: int) -> None:
    await connection.execute(
        SQL(
            "CREATE INDEX CONCURRENTLY {} ON faces USING hnsw (({}) vector_ip_ops)"
            " WITH (m = 16, ef_construction = 128) WHERE collection_id = {}"
        ).format(Identifier(_name(collection_id)), indexed_template(dimensions), Literal(collection_id))
    )
    await connection.execute("ANALYZE faces")  # a planner that believes the collection to be small takes no index
    await connection.execute("UPDATE collections SET indexed = true WHERE collection_id = %s", [collection_id])


def _name(collection_id: str) -> str:
    return _PREFIX + hashlib.sha256(collection_id.encode()).hexdigest()[:16]


async def _all(
    connection: psycopg.AsyncConnection[TupleRow], statement: str, parameters: list[object] | None = None
) -> list[TupleRow]:
    return await (await connection.execute(statement.encode(), parameters)).fetchall()
