"""Tells the admission how long the queue is, once a second."""

import asyncio

import structlog

from facefleet.errors import Unavailable
from facefleet.ports import Queue
from facefleet.usecases.admission import Admission

log = structlog.get_logger()

_PERIOD_S = 1.0


async def watch_backlog(queue: Queue, admission: Admission) -> None:
    """Read the queue until cancelled; a reading that fails leaves the last one standing."""
    while True:
        try:
            admission.observe(await queue.counts())
        except Unavailable as error:
            log.warning("backlog unknown", error=error.detail)
        await asyncio.sleep(_PERIOD_S)
