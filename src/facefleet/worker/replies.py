"""From what the engine found in a job's photos to an answer that is where it belongs.

It is computed once: to enrol again after the client has its answer would bring back a face that was deleted meanwhile.
What then has to be done with it is tried until the ports are there for it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Container, Sequence
from functools import partial

import structlog

from facefleet.core.jobs import Answer, Lease, input_keys, output_place
from facefleet.core.retry import backoff_s
from facefleet.errors import BrokenInvariant, FacefleetError, LeaseLost, Unavailable
from facefleet.ports import ObjectStore, Queue
from facefleet.usecases.recognise import Finding, Recogniser

log = structlog.get_logger()

_PATIENCE_S = 60.0  # how long the store is waited for after the client has its answer


class Replies:
    """Answers the jobs of one worker.

    Args:
        keep: whether photos and answers outlive the answer.
        store_first: whether an answer is in the store before its client gets it. Where the queue keeps answers too it
            may come there at the same time, which is half a millisecond faster.
        held: the tokens of the leases that the worker still has.
    """

    def __init__(
        self,
        *,
        worker_id: str,
        queue: Queue,
        store: ObjectStore,
        recogniser: Recogniser,
        keep: bool,
        store_first: bool,
        held: Container[str],
    ) -> None:
        self._worker_id = worker_id
        self._queue = queue
        self._store = store
        self._recogniser = recogniser
        self._keep = keep
        self._store_first = store_first
        self._held = held

    async def reply(self, lease: Lease, found: Sequence[Finding], *, started_s: float, busy_ms: float) -> bool:
        """Answer a job; return whether that was done, which it is not once the lease is lost.

        Args:
            found: for each photo of the job, what the engine found.
            started_s: `perf_counter` when the job was leased.
            busy_ms: how long the worker could do nothing else.
        """
        answers: list[Answer] = []

        async def compute() -> None:
            answers.append(await self._answer(lease, found, started_s))

        if not await self._while_held(lease, compute):
            return False
        (answer,) = answers
        store = partial(self._store.put, output_place(answer.job_id), answer.body)
        kept = self._keep and answer.error is None
        if kept and self._store_first and not await self._while_held(lease, store):
            return False
        beside = asyncio.create_task(self._at_length(answer.job_id, store)) if kept and not self._store_first else None
        try:
            finished = await self._while_held(lease, partial(self._queue.finish, lease, answer, busy_ms=busy_ms))
            if finished and beside is not None:
                await beside
        finally:
            if beside is not None:
                beside.cancel()
        if finished and not self._keep:
            await self._at_length(answer.job_id, partial(self._store.delete, input_keys(lease.job.task)))
        return finished

    async def _answer(self, lease: Lease, found: Sequence[Finding], started_s: float) -> Answer:
        job_id = lease.job.job_id
        try:
            return await self._recogniser.answer(lease, found, started_s=started_s)
        except Unavailable:
            raise
        except (FacefleetError, ValueError, ArithmeticError, LookupError, TypeError):
            log.exception("a bug answered a job", worker=self._worker_id, job=job_id)
            return Answer(job_id=job_id, error=BrokenInvariant(f"Job {job_id} met a bug; see the log.").to_dict())

    async def _while_held(self, lease: Lease, effect: Callable[[], Awaitable[None]]) -> bool:
        """Try until it is done or the lease lost; return whether it is done."""
        attempt = 0
        while lease.token in self._held:
            try:
                await effect()
            except LeaseLost:
                log.info("lease lost", worker=self._worker_id, job=lease.job.job_id)
                return False
            except Unavailable as error:
                await self._pause(lease.job.job_id, attempt, error)
                attempt += 1
            else:
                return True
        return False

    async def _at_length(self, job_id: str, effect: Callable[[], Awaitable[None]]) -> None:
        """Try for as long as is reasonable what only the store still lacks."""
        attempt = 0
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    try:
                        return await effect()
                    except Unavailable as error:
                        await self._pause(job_id, attempt, error)
                        attempt += 1
        except TimeoutError:
            log.error("the store was away for too long", worker=self._worker_id, job=job_id)  # noqa: TRY400 says it all

    async def _pause(self, job_id: str, attempt: int, error: Unavailable) -> None:
        log.warning("cannot answer yet", worker=self._worker_id, job=job_id, error=error.detail)
        await asyncio.sleep(backoff_s(attempt, random=random.random()))  # noqa: S311
