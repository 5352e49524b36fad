"""Waiting for as long as the client does."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def while_connected(receive: Receive, work: Awaitable[T]) -> T:
    """Await the work, cancelling it when the client hangs up. The request's body must have been read.

    Raises:
        ClientDisconnect: nobody is there to be answered.
    """
    try:
        # A timeout that never comes by itself: bringing it forward is the way to cancel this block and no other.
        async with asyncio.timeout(None) as patience:
            watch = asyncio.create_task(_watch(receive, patience), name="client watch")
            try:
                return await work
            finally:
                watch.cancel()
    except TimeoutError as error:
        if not patience.expired():
            raise
        raise ClientDisconnect from error


async def _watch(receive: Receive, patience: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    patience.reschedule(asyncio.get_running_loop().time())
