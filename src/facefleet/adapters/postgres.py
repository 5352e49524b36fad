"""What the PostgreSQL adapters share: a pool of connections, translated errors, migrations.

Statements run in autocommit, one round trip each; what must happen together is one statement or a `transaction`.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import resources
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
from pgvector.psycopg.vector import register_vector_info
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.sql import Composed
from psycopg.types import TypeInfo
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from facefleet.errors import BrokenInvariant, Unavailable, WrongSettings

Statement = LiteralString | Composed | bytes
Parameters = Sequence[Any] | Mapping[str, Any] | None

EF_SEARCH = 400
_PGVECTOR = (0, 8)  # reads an index on past faces that are not wanted
# What a standby says: that it takes no writes, or of an unlogged table that it cannot be read there.
ON_STANDBY = (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.FeatureNotSupported)
_MIGRATIONS = "facefleet.adapters.migrations"
_MIGRATING = 0x0FACEF1  # advisory lock: one process migrates
# A server that vanished without a word (power, network) is noticed in about half a minute, also with a statement under
# way, for which Linux alone would wait a quarter of an hour.
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    "connect_timeout": 5,
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the driver into ours.

    Only the first line of the server's message is kept: its details may quote a row, and a row may be a template.
    """
    try:
        yield
    except (psycopg.OperationalError, PoolTimeout, PoolClosed) as exc:
        why = exc.diag.message_primary if isinstance(exc, psycopg.Error) else None
        told = f"The database cannot do this now: {why}." if why else "The database does not answer."
        raise Unavailable(told) from exc
    except ON_STANDBY as exc:
        raise Unavailable("The database takes no writes: it is a standby by now, or set to be read only.") from exc
    except psycopg.Error as exc:
        raise BrokenInvariant(f"The database refused a statement: {exc.diag.message_primary}") from exc


class Database:
    """A pool of connections to one database, shared by the adapters of a process.

    Connections that broke while idle are found out without a round trip and replaced, so after a restart of the server
    only statements that were under way fail. One to a server that takes no writes any more is closed: after a failover
    the next leads to another.
    """

    def __init__(self, url: str, *, max_connections: int = 8, patience_s: float = 5.0) -> None:
        """Set up without connecting.

        Args:
            url: `postgresql://…`
            max_connections: most connections in the pool.
            patience_s: how long a statement waits for a connection before `Unavailable`.
        """
        self._url = url
        self._at_hand: psycopg.AsyncConnection[TupleRow] | None = None
        self._waiting = 0  # statements that wait for the pool
        self._pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=max_connections,
            timeout=patience_s,
            # Give up early: the pool waits ever longer between attempts, but starts anew for the next statement.
            reconnect_timeout=patience_s,
            kwargs={"autocommit": True, "prepare_threshold": 0, **_KEEPALIVE},
            configure=_configure,
            check=_check,
            open=False,
            name="postgres",
        )

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Begin to connect; a server that is not there yet is waited for by the statements."""
        await self._pool.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
        connection, self._at_hand = self._at_hand, None
        if connection is not None:
            await self._pool.putconn(connection)  # of a closed pool: closes it

    async def run(self, statement: Statement, parameters: Parameters = None) -> list[TupleRow]:
        """Run one statement in a transaction of its own and return its rows.

        Raises:
            Unavailable: the server is away; whether the statement took effect is unknown.
        """
        with translated():
            connection = await self._take()
            try:
                cursor = await connection.execute(statement, parameters, binary=True)
                return await cursor.fetchall() if cursor.description else []
            except ON_STANDBY:
                await connection.close()
                raise
            finally:
                await self._give_back(connection)

    async def _take(self) -> psycopg.AsyncConnection[TupleRow]:
        """Take the connection at hand, else one from the pool.

        A pool's own work is a third of the time of a statement between two photos, when all code has left the caches.
        """
        connection, self._at_hand = self._at_hand, None
        if connection is not None and not _has_news(connection):
            return connection
        if connection is not None:
            await self._pool.putconn(connection)
        self._waiting += 1
        try:
            return await self._pool.getconn()
        finally:
            self._waiting -= 1

    async def _give_back(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if idle and self._at_hand is None and not self._waiting and not self._pool.closed:
            self._at_hand = connection
        else:
            await self._pool.putconn(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """Give a connection within a transaction."""
        with translated():
            connection = await self._take()
            try:
                async with connection.transaction():
                    yield connection
            except ON_STANDBY:
                await connection.close()
                raise
            finally:
                await self._give_back(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """Give a connection of its own, outside the pool, for what lives as long as its session."""
        with translated():
            async with await self.connect() as connection:
                yield connection

    async def connect(self) -> psycopg.AsyncConnection[TupleRow]:
        """Open a connection outside the pool; errors are the driver's."""
        connecting = asyncio.create_task(
            psycopg.AsyncConnection.connect(self._url, autocommit=True, **_KEEPALIVE), name="connect"
        )
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # psycopg leaves a half-made connection open when cancelled, and the server waits a minute for the rest.
            with suppress(psycopg.Error):
                await (await connecting).close()
            raise


async def migrate(url: str) -> None:
    """Bring the database up to date, see `apply_migrations`."""
    await asyncio.to_thread(apply_migrations, url)


def apply_migrations(url: str) -> None:
    """Apply the numbered SQL files that the database has not seen, each in a transaction.

    Safe from several processes at once; a newer database than this program knows is left alone.

    Raises:
        Unavailable: the server is away.
        WrongSettings: its pgvector is too old.
    """
    with translated(), _connected(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_MIGRATING])  # let go when the connection closes
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = {row[0] for row in connection.execute("SELECT number FROM migrations")}
        for number, name, sql in _migrations():
            if number not in applied:
                with connection.transaction():
                    connection.execute(sql)
                    connection.execute("INSERT INTO migrations VALUES (%s, %s)", [number, name])
        _check_pgvector(connection)


def _check_pgvector(connection: psycopg.Connection[TupleRow]) -> None:
    ((version,),) = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchall()
    if tuple(int(part) for part in version.split(".")[:2]) < _PGVECTOR:
        raise WrongSettings(
            f"The database has pgvector {version}, and {'.'.join(map(str, _PGVECTOR))} or later is needed: "
            "install it there, then ALTER EXTENSION vector UPDATE."
        )


def _connected(url: str) -> psycopg.Connection[TupleRow]:
    """Connect; who cannot is told where to and why, for this is the first time."""
    try:
        return psycopg.connect(url, autocommit=True, **_KEEPALIVE)
    except psycopg.OperationalError as exc:
        raise Unavailable(f"The database does not answer: {str(exc).splitlines()[0].rstrip('.')}.") from exc


def _migrations() -> Iterator[tuple[int, str, bytes]]:
    files = (file for file in resources.files(_MIGRATIONS).iterdir() if file.name.endswith(".sql"))
    for file in sorted(files, key=lambda file: file.name):
        yield int(file.name.split("_", 1)[0]), file.name, file.read_bytes()


async def _configure(connection: psycopg.AsyncConnection[TupleRow]) -> None:
    # Every table here is read by index. A plan that was kept from when a table was nearly empty would otherwise read
    # it from end to end once it has grown, until the next ANALYZE.
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SET random_page_cost = 1.1")  # what is searched is in memory, or on a disk without heads
    vector = await TypeInfo.fetch(connection, "vector")
    register_vector_info(connection, vector)
    # How many nearest an index search looks at, hence the most it returns (see postgres_gallery_index).
    await connection.execute(f"SET hnsw.ef_search = {EF_SEARCH}".encode())
    # It goes on (for `hnsw.max_scan_tuples`, 20,000 of them) while faces that are not wanted, or no longer there, leave
    # it short. Not in strict order, which leaves out what comes late: a search sorts what it gets.
    await connection.execute("SET hnsw.iterative_scan = relaxed_order")


async def _check(connection: psycopg.AsyncConnection[TupleRow]) -> None:
    """Find out whether an idle connection broke."""
    if _has_news(connection):
        await AsyncConnectionPool.check_connection(connection)


def _has_news(connection: psycopg.AsyncConnection[TupleRow]) -> bool:
    """Return whether there is something to read from an idle connection, as there is from one that broke."""
    poll = select.poll()  # select() takes no descriptor beyond 1,023
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))
