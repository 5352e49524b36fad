"""Notifications: a connection that listens for as long as it is open, and an announcer that batches what it sends.

A notification may get lost (the server restarted, the connection broke), so it only ever means "look now": whoever
listens is also told when something may have been missed, and looks again from time to time anyway.
"""

import asyncio
import random
from collections.abc import Callable

from psycopg.sql import SQL, Identifier

from facefleet.adapters.postgres import Database
from facefleet.errors import Unavailable

_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 2.0


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
                    await connection.execute(SQL("LISTEN {}").format(Identifier(self._channel)))
                    retry_s = _FIRST_RETRY_S
                    self._heard(None)
                    async for notification in connection.notifies():
                        self._heard(notification.payload)
            except Unavailable:
                # Spread out, so that a restarted server is not met by all listeners in one instant.
                await asyncio.sleep(retry_s * random.uniform(0.5, 1))  # noqa: S311
                retry_s = min(2 * retry_s, _LAST_RETRY_S)


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
