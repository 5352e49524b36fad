"""Erasing deleted faces from the database's files.

A vacuum makes room of what was deleted, but overwrites nothing: until new faces take the room, the old templates can be
read in the file. So a table that is small and has no index is written anew, which takes a moment.
"""

import psycopg
from psycopg.rows import TupleRow

_SMALL_BYTES = 64 << 20  # some 80,000 faces, half a second
_EVERY = "10 min"  # others wait meanwhile, and on a server of one's own all of the table goes to its log
_PATIENCE = "200ms"  # for searches under way; all others wait for as long

# The server forgets its counts when it crashes, so its start belongs to them.
_MARK = """
    SELECT pg_postmaster_start_time()::text || ' ' || n_tup_del FROM pg_stat_user_tables WHERE relid = 'faces'::regclass
"""
_DUE = """
    SELECT pg_table_size('faces') <= %(small_bytes)s AND NOT EXISTS (SELECT FROM collections WHERE indexed)
        AND NOT EXISTS (SELECT FROM erased WHERE mark = %(mark)s OR at > clock_timestamp() - %(every)s::interval)
"""
_NOTE = "WITH before AS (DELETE FROM erased) INSERT INTO erased VALUES (%s, clock_timestamp())"
_DEAD_ROWS = "SELECT n_dead_tup > 0 FROM pg_stat_user_tables WHERE relid = 'faces'::regclass"


async def erase(connection: psycopg.AsyncConnection[TupleRow]) -> None:
    """Take deleted faces out of the files, or at least make room of them."""
    mark = await _one(connection, _MARK)
    if await _one(connection, _DUE, {"small_bytes": _SMALL_BYTES, "every": _EVERY, "mark": mark}):
        if await _write_anew(connection):
            await connection.execute("VACUUM faces")  # what it counts as dead some older transaction still sees
            await connection.execute(_NOTE, ["" if await _one(connection, _DEAD_ROWS) else mark])
    elif await _one(connection, _DEAD_ROWS):
        await connection.execute("VACUUM faces")


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


async def _one(
    connection: psycopg.AsyncConnection[TupleRow], statement: str, parameters: dict[str, object] | None = None
) -> object:
    row = await (await connection.execute(statement.encode(), parameters)).fetchone()
    assert row is not None
    return row[0]
