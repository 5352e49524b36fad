"""Leading by a lease in the store: who writes it leads, and writing is conditional (S3: `If-None-Match`, `If-Match`).

For controllers that share no session with a database, where an advisory lock means nothing (behind a connection
pooler). No clocks are compared: a contender takes over once it has seen the lease unchanged for a whole term.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from facefleet.adapters.objects import Objects
from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_roster import PostgresRoster
from facefleet.errors import Unavailable

log = structlog.get_logger()

_KEY = "leader"
_FREE = b""
_PATIENCE_S = 5.0  # how long a renewal that is under way is waited for when the leader ends


class StoreLease:
    """A lease that one of many holds.

    Args:
        holder: this contender's id, in a dozen letters.
        term_s: after this long without a sign from the holder, another takes over.
        now_s: monotonic seconds.
    """

    def __init__(self, store: Objects, *, holder: str, term_s: float = 15.0, now_s: Callable[[], float]) -> None:
        self._store = store
        self._holder = holder
        self._term_s = term_s
        self._now_s = now_s
        self._seen = ""
        self._seen_s = 0.0

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[bool]:
        """Try to lead; yields whether it worked, and holds until the block ends.

        Raises:
            Unavailable: the lease could not be renewed, so the block was ended.
        """
        version = await self._take()
        if version is None:
            yield False
            return
        held, ended = _Held(version), asyncio.Event()
        task = asyncio.current_task()
        assert task is not None
        renewing = asyncio.create_task(self._renew(held, task, ended), name="renew leadership")
        try:
            yield True
        except asyncio.CancelledError:
            if held.version is not None:
                raise
            task.uncancel()
            raise Unavailable("Another controller leads now.") from None
        finally:
            ended.set()  # cancelled in the middle of a write it could not tell which version to give back
            await asyncio.wait([renewing], timeout=_PATIENCE_S)
            renewing.cancel()  # the store hangs: then the lease runs out by itself
            await asyncio.wait([renewing])
            if held.version is not None:
                await self._store.replace(_KEY, _FREE, version=held.version)

    async def _take(self) -> str | None:
        """Return the version of the lease if it is ours now."""
        mark = self._holder.encode()
        if await self._store.create(_KEY, mark):
            return await self._store.version(_KEY)
        version = await self._store.version(_KEY)
        if version is None:
            return None
        if version != self._seen:
            self._seen, self._seen_s = version, self._now_s()
            if await self._store.get(_KEY) != _FREE:
                return None
        elif self._now_s() - self._seen_s < self._term_s:
            return None
        return await self._store.replace(_KEY, mark, version=version)

    async def _renew(self, held: "_Held", task: asyncio.Task[object], ended: asyncio.Event) -> None:
        """Write the lease anew three times a term; if it is lost, or cannot be written for long, end the block."""
        renewed_s, turn = self._now_s(), 0
        while not await _set_within(ended, self._term_s / 3):
            turn += 1
            try:
                assert held.version is not None
                held.version = await self._store.replace(_KEY, f"{self._holder} {turn}".encode(), version=held.version)
                renewed_s = self._now_s()
            except Unavailable as error:
                log.warning("leadership not renewed", error=error.detail)
                if self._now_s() - renewed_s > self._term_s * 2 / 3:
                    held.version = None
            if held.version is None:
                if not ended.is_set():
                    task.cancel()
                return


async def _set_within(event: asyncio.Event, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            return await event.wait()
    except TimeoutError:
        return False


class _Held:
    """The version of the lease while it is held; None once it is lost."""

    def __init__(self, version: str) -> None:
        self.version: str | None = version


class StoreLedRoster(PostgresRoster):
    """A roster in the database, whose leader is found by a lease in the store."""

    def __init__(self, database: Database, lease: StoreLease) -> None:
        super().__init__(database)
        self._lease = lease

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[bool]:
        """Try to hold the lease."""
        async with self._lease.lead() as leading:
            yield leading
