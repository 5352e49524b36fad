"""What the gallery needs now and then: indexes for large collections, and deleted faces erased from the files.

There is an index a collection, built while searches and enrolments go on. One for all collections would have to be read
past the faces of others, and collections may differ in dimensions.

A vacuum makes room of what was deleted, but overwrites nothing: until new faces take the room, the old templates can be
read in the file. So a table that is small and has no index is written anew, which takes a moment.
"""

import hashlib

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier, Literal

from facefleet.adapters.postgres import EF_SEARCH, Database

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
_REWRITTEN_BYTES = 64 << 20  # at most: some 80,000 faces, half a second
_PATIENCE = "200ms"  # for searches under way; all others wait for as long
_DELETED = "SELECT n_tup_del FROM pg_stat_user_tables WHERE relid = 'faces'::regclass"
_SOON_WRITTEN = "SELECT pg_table_size('faces') <= %s AND NOT EXISTS (SELECT FROM collections WHERE indexed)"
_DEAD_ROWS = "SELECT n_dead_tup > 0 FROM pg_stat_user_tables WHERE relid = 'faces'::regclass"


def indexed_template(dimensions: int) -> Composed:
    """Return the expression that is indexed."""
    return SQL("template::vector({})").format(Literal(dimensions))


async def maintain(database: Database, *, exact_up_to: int, erased: int) -> int:
    """Make missing indexes, drop orphaned ones, and erase deleted faces; return how many were erased so far.

    Args:
        database: where the tables are.
        exact_up_to: most faces of a collection without an index.
        erased: what the last call returned; 0 at first.
    """
    async with database.connection() as connection:
        locked = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [_MAINTAINING])).fetchone()
        if locked != (True,):
            return erased
        await _drop_orphans(connection)
        for collection_id, dimensions in await _all(connection, _LARGE, [exact_up_to]):
            await _build(connection, collection_id, dimensions)
        ((deleted,),) = await _all(connection, _DELETED)
        if deleted != erased and await _all(connection, _SOON_WRITTEN, [_REWRITTEN_BYTES]) == [(True,)]:
            erased = deleted if await _write_anew(connection) else erased
        if await _all(connection, _DEAD_ROWS) == [(True,)]:
            await connection.execute("VACUUM faces")
        return erased


async def _write_anew(connection: psycopg.AsyncConnection[TupleRow]) -> bool:
    """Write the table without what was deleted; return whether nobody was in the way, such as a dump."""
    await connection.execute(f"SET lock_timeout = '{_PATIENCE}'".encode())
    try:
        await connection.execute("VACUUM FULL faces")
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        await connection.execute("RESET lock_timeout")
    return True


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
