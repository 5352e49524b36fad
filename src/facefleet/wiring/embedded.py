"""The embedded database: who runs it, who finds it, and whether it is open to other machines."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress

import structlog
from pydantic import SecretStr

from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.config import Settings
from facefleet.core.retry import backoff_s
from facefleet.errors import Unavailable

log = structlog.get_logger()

_WATCH_S = 1.0
_MOST_BACKOFF_S = 15.0


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Settings]:
    """Yield the settings with a database URL: the given one, or that of the embedded server, which runs meanwhile."""
    if settings.database_url is not None:
        yield settings
        return
    server = EmbeddedPostgres(settings.data / "postgres")
    try:
        url = await asyncio.to_thread(server.start)
        watching = asyncio.create_task(_revive(server), name="embedded database")
        try:
            async with _open_to_fleet(settings, server):
                yield _with_database(settings, url)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
    finally:
        await asyncio.to_thread(server.stop)


def running_database(settings: Settings) -> Settings:
    """Return the settings with the URL of a database that somebody else runs.

    Raises:
        Unavailable: none was named and the embedded one is not running.
    """
    if settings.database_url is not None:
        return settings
    try:
        return _with_database(settings, EmbeddedPostgres(settings.data / "postgres").url())
    except Unavailable as error:
        raise Unavailable(
            f"{error.detail} Start it with `facefleet web --data {settings.data}` (or `up`), or give --database-url."
        ) from error


def _open_to_fleet(settings: Settings, server: EmbeddedPostgres) -> AbstractAsyncContextManager[None]:
    if settings.database_address is None:
        return nullcontext()
    from facefleet.adapters.embedded_way_in import opened_to_fleet

    return opened_to_fleet(
        server, settings.database_address, clients=settings.database_networks, data=settings.data, now_s=time.time
    )


def _with_database(settings: Settings, url: str) -> Settings:
    # The way in is this process's affair, not that of the workers it starts with these settings.
    given = {"database_url": SecretStr(url), "database_listen": None, "database_clients": ""}
    return settings.model_copy(update=given)


async def _revive(server: EmbeddedPostgres) -> None:
    """Start the embedded server again whenever it has died, less and less often while that fails."""
    pause_s, failures = _WATCH_S, 0
    while True:
        await asyncio.sleep(pause_s)
        pause_s = _WATCH_S
        try:
            server.url()
        except Unavailable as gone:
            log.error("database is away", error=gone.detail)  # noqa: TRY400 the sentence says it all
            try:
                await asyncio.to_thread(server.start)
            except Exception as error:  # noqa: BLE001 (whatever it is, nobody else would try again)
                log.error("database not started yet", error=str(error) or repr(error))  # noqa: TRY400
                failures += 1
                pause_s = backoff_s(failures, first_s=_WATCH_S, most_s=_MOST_BACKOFF_S, random=1.0)
            else:
                failures = 0
