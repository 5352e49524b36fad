"""Once a minute: what is past retention goes, large collections get their index."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from facefleet.errors import Unavailable

log = structlog.get_logger()

PERIOD_S = 60.0


async def keep_house(chores: Callable[[], Awaitable[int]], stop: asyncio.Event) -> None:
    """Do the chores until `stop` is set; `chores` returns how many objects it deleted."""
    while not stop.is_set():
        try:
            gone = await chores()
            if gone:
                log.info("expired", objects=gone)
        except Unavailable as error:
            log.warning("chores put off", error=error.detail)
        try:
            async with asyncio.timeout(PERIOD_S):
                await stop.wait()
        except TimeoutError:
            continue
