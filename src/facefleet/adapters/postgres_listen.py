"""Notifications: who listens when, and an announcer that batches what it sends.

A notification may get lost (the server restarted, the connection broke), so it only ever means "look now": whoever
listens is also told when something may have been missed, and looks again from time to time anyway.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg.sql import SQL, Identifier

from facefleet.adapters.postgres import Database, translated
from facefleet.errors import Unavailable

_WATCHING = 0x0FACEF4  # advisory lock: one idle worker listens
_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 2.0
_GAP_S = 0.002  # the first of a burst is announced at once, the rest of it that much later and together


class Listener:
    """One connection on one channel, opened when it is first wanted and reopened whenever it breaks."""

    def __init__(self, database: Database, channel: str, heard: Callable[[str | None], None]) -> None:
        """Set up without connecting; `heard` gets each payload, and None when something may have been missed."""
        self._database = database
        self._channel = channel
        self._heard = heard
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen from now on; returns before the connection stands."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name=f"listen-{self._channel}")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen(self) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                async with self._database.connection() as connection:
                    connection.add_notify_handler(lambda notification: self._heard(notification.payload))
                    await connection.execute(SQL("LISTEN {}").format(Identifier(self._channel)))
                    retry_s = _FIRST_RETRY_S
                    self._heard(None)
                    await _hear(connection, self._take)
            except Unavailable:
                # Spread out, so that a restarted server is not met by all listeners in one instant.
                await asyncio.sleep(retry_s * random.uniform(0.5, 1))  # noqa: S311
                retry_s = min(2 * retry_s, _LAST_RETRY_S)

    def _take(self, payload: str) -> bool:
        self._heard(payload)
        return False


class Watch:
    """Lets idle workers take turns: one listens for arrivals, the others sleep in line for a lock.

    If all of them listened, each job would wake each of them and cost as many claims, all but one in vain. Whoever gets
    a job ends its turn, and the next in line looks at once, so a burst of jobs wakes as many workers as it has jobs for
    (the leader/followers pattern: Schmidt et al., Pattern-Oriented Software Architecture 2). The lock is the session's,
    so a worker that dies drops it.
    """

    def __init__(self, database: Database, channel: str) -> None:
        """Set up without connecting."""
        self._database = database
        self._begin = f"SELECT pg_advisory_lock({_WATCHING}); LISTEN {channel}".encode()
        self._one_at_a_time = asyncio.Lock()
        self._connection: psycopg.AsyncConnection | None = None
        self._ending: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def turn(self, *, wait_s: float) -> AsyncIterator[bool]:
        """Wait for the turn and say whether it came in time; it lasts until the block ends.

        Raises:
            Unavailable: the connection broke.
        """
        with translated():
            try:
                async with asyncio.timeout(wait_s):
                    await self._one_at_a_time.acquire()
            except TimeoutError:
                yield False
                return
            try:
                yield await self._wait_in_line(wait_s)
            finally:
                self._ending = asyncio.create_task(self._end(), name="end of turn")

    async def arrival(self, *, wait_s: float) -> None:
        """Wait for the next notification within one's turn, or for so long."""
        assert self._connection is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await _hear(self._connection, lambda _: True)

    async def close(self) -> None:
        """End the turn and close the connection."""
        if self._ending is not None:
            await asyncio.wait([self._ending])
        if self._connection is not None:
            await self._connection.close()

    async def _wait_in_line(self, wait_s: float) -> bool:
        if self._connection is None:
            self._connection = await self._database.connect()
            self._connection.add_notify_handler(lambda _: None)  # or psycopg would collect what comes between turns
        try:
            async with asyncio.timeout(wait_s):
                await self._connection.execute(self._begin, prepare=False)
        except TimeoutError:
            return False
        except psycopg.Error:  # it broke, or a standby lets nobody listen: the next connection leads elsewhere
            await self._connection.close()
            self._connection = None
            raise
        return True

    async def _end(self) -> None:
        """Let the next one have its turn; in the background, since what was won waits to be worked on."""
        try:
            await asyncio.sleep(0)  # what was won is read first
            if self._connection is not None:
                # All: a wait that was cancelled may have got the lock in that very moment.
                await self._connection.execute(b"UNLISTEN *; SELECT pg_advisory_unlock_all()", prepare=False)
        except psycopg.Error:
            if self._connection is not None:
                await self._connection.close()
            self._connection = None
        finally:
            self._one_at_a_time.release()


class Announcer:
    """Sends notifications apart from the transaction they are about, all that gathered in one statement.

    PostgreSQL lets only one transaction with a notification commit at a time. A durable commit that notified would hold
    up all others while it waits for the disk.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news: dict[tuple[str, str], None] = {}
        self._task: asyncio.Task[None] | None = None

    def announce(self, channel: str, payload: str = "") -> None:
        """Send soon; returns at once. If the server is away nothing is sent: see the module's first lines."""
        self._news[channel, payload] = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send(), name="announce")

    async def close(self) -> None:
        """Send what is left."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _send(self) -> None:
        while self._news:
            channels, payloads = zip(*self._news, strict=True)
            self._news = {}
            try:
                await self._database.run(
                    "SELECT pg_notify(channel, payload) FROM unnest(%s::text[], %s::text[]) AS news (channel, payload)",
                    [list(channels), list(payloads)],
                )
            except Unavailable:
                return
            await asyncio.sleep(_GAP_S)


async def _hear(connection: psycopg.AsyncConnection, enough: Callable[[str], bool]) -> None:
    """Hand over the payload of each notification until that was enough; raise what breaks the connection.

    Reads as soon as there is something; psycopg's own `notifies()` besides looks at the clock ten times a second.
    """
    loop, link = asyncio.get_running_loop(), connection.pgconn
    end: asyncio.Future[None] = loop.create_future()

    def read() -> None:
        try:
            link.consume_input()
            while not end.done() and (notification := link.notifies()) is not None:
                if enough(notification.extra.decode()):
                    end.set_result(None)
        except psycopg.Error as error:
            if not end.done():
                end.set_exception(error)

    socket = link.socket
    loop.add_reader(socket, read)
    try:
        await end
    finally:
        loop.remove_reader(socket)
