"""Fetching the photos of a job that was leased.

A photo that the store does not give though it is there comes again when the lease runs out, and its job is given up in
the end. Were that so while the whole store is away, a minute or two of it would make all that waits dead letters.
"""

import asyncio
import random
from collections.abc import Container

import structlog

from facefleet.core.jobs import Lease, input_keys
from facefleet.core.retry import backoff_s
from facefleet.errors import NotFound, Unavailable
from facefleet.ports import ObjectStore, Queue
from facefleet.vision.engine import Photo

log = structlog.get_logger()

_NO_PHOTO = "inputs/none"


class Photos:
    """Fetches for one worker.

    Args:
        held: the tokens of the leases that the worker still has.
    """

    def __init__(self, *, worker_id: str, queue: Queue, store: ObjectStore, held: Container[str]) -> None:
        self._worker_id = worker_id
        self._queue = queue
        self._store = store
        self._held = held

    async def of(self, lease: Lease, stop: asyncio.Event) -> tuple[Photo, ...] | None:
        """Return the photos as soon as the store is there; None if the job cannot be worked on here.

        Raises:
            NotFound: one is gone.
        """
        attempt, keys = 0, input_keys(lease.job.task)
        while lease.token in self._held:
            try:
                data = [await self._store.get(keys[0]), *await asyncio.gather(*map(self._store.get, keys[1:]))]
            except Unavailable as error:
                log.warning("photo not read", worker=self._worker_id, job=lease.job.job_id, error=error.detail)
                if not await self._store_is_away():
                    return None
                if stop.is_set():
                    await self._give_back(lease)
                    return None
                await asyncio.sleep(backoff_s(attempt, random=random.random()))  # noqa: S311
                attempt += 1
            else:
                return tuple(Photo(image_id=lease.job.job_id, data=one) for one in data)
        return None

    async def _store_is_away(self) -> bool:
        try:
            await self._store.get(_NO_PHOTO)
        except NotFound:
            return False
        except Unavailable:
            return True
        return False

    async def _give_back(self, lease: Lease) -> None:
        try:
            await self._queue.release(lease)
        except Unavailable as error:
            log.warning("job not given back", worker=self._worker_id, job=lease.job.job_id, error=error.detail)
