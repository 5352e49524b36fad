"""A worker's life: lease, read, recognise, answer, and between two photos nothing but work.

One batch is in the engine (one thread), the next is being leased and read, the last is being answered. A worker with
nothing to do takes one job, so that four photos and four idle workers make one each; once busy it looks, without
waiting, for what idle workers have left, up to a batch.
"""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import structlog

from facefleet.core.fleet import WorkerReport
from facefleet.core.jobs import Detect, Lease
from facefleet.core.retry import backoff_s
from facefleet.errors import BrokenInvariant, InvalidInput, NotFound, Unavailable
from facefleet.ports import ObjectStore, Queue, Roster
from facefleet.usecases.recognise import Finding, Recogniser
from facefleet.vision.engine import Engine, Photo
from facefleet.worker.photos import Photos
from facefleet.worker.replies import Replies

log = structlog.get_logger()

REPORT_S = 1.0
# How long an idle worker listens before it looks up, and so how late it may notice that it shall drain.
LISTEN_S = 1.0
# A photo takes well under a second; a thread that has computed for this long never comes back, and Python cannot stop
# it. The process ends, the lease runs out and another worker (then alone with that photo) has a try.
STALL_S = 60.0
# The engine begins undisturbed: while this thread takes the next job, Python lets only one of the two run.
HEAD_START_S = 0.002
STALLED_EXIT = 70  # EX_SOFTWARE of sysexits.h


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """A leased job with its photos, or the reason why there are none."""

    lease: Lease
    started_s: float
    photos: tuple[Photo, ...] = ()
    failure: InvalidInput | None = None


class Worker:
    """One worker; `run` until told to stop.

    Args:
        keep, store_first: see `Replies`.
        orphaned: tells whether whoever started this process is gone.
    """

    def __init__(
        self,
        *,
        worker_id: str,
        queue: Queue,
        store: ObjectStore,
        roster: Roster,
        engine: Engine,
        recogniser: Recogniser,
        batch_size: int,
        keep: bool,
        store_first: bool,
        orphaned: Callable[[], bool],
    ) -> None:
        self.worker_id = worker_id
        self._queue = queue
        self._roster = roster
        self._engine = engine
        self._batch_size = batch_size
        self._orphaned = orphaned
        self._held: dict[str, Lease] = {}
        self._photos = Photos(worker_id=worker_id, queue=queue, store=store, held=self._held)
        self._replies = Replies(
            worker_id=worker_id,
            queue=queue,
            store=store,
            recogniser=recogniser,
            keep=keep,
            store_first=store_first,
            held=self._held,
        )
        self._finished = 0
        self._inferring_since_s: float | None = None
        self._concluding = asyncio.Semaphore(2)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set and everything taken is answered."""
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._report(stop), name="report")
            extending = tasks.create_task(self._extend(), name="extend leases")
            log.info("ready", worker=self.worker_id)
            await self._work(stop, tasks)
            async with self._concluding, self._concluding:
                log.info("drained", worker=self.worker_id, finished=self._finished)
            reporting.cancel()
            extending.cancel()
        try:
            await self._roster.leave(self.worker_id)
        except Unavailable:
            log.warning("could not sign off", worker=self.worker_id)

    async def _work(self, stop: asyncio.Event, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        batch: Sequence[_Work] = ()
        while batch or not stop.is_set():
            if not batch:
                batch = await self._take(stop, limit=1, wait_s=LISTEN_S)
                continue
            began_s = perf_counter()
            inference = loop.run_in_executor(self._thread, self._infer, batch)
            await asyncio.sleep(HEAD_START_S)
            # A task: while the store is away what follows waits for it, and what was found must not.
            following = tasks.create_task(self._follow(stop), name="take")
            findings = await inference
            self._inferring_since_s = None
            await self._concluding.acquire()
            busy_ms = (perf_counter() - began_s) * 1e3 / len(batch)
            answering = tasks.create_task(self._conclude(batch, findings, busy_ms), name="conclude")
            # Whoever withdrew a job meanwhile gets no inference.
            batch = [work for work in await following if work.lease.token in self._held]
            if not batch:
                await answering  # looking for more work meanwhile would only delay it

    async def _follow(self, stop: asyncio.Event) -> list[_Work]:
        return [] if stop.is_set() else await self._take(stop, limit=self._batch_size, wait_s=0)

    async def _take(self, stop: asyncio.Event, *, limit: int, wait_s: float) -> list[_Work]:
        try:
            leases = await self._queue.lease(self.worker_id, limit=limit, wait_s=wait_s)
        except Unavailable as error:
            log.warning("queue away", worker=self.worker_id, error=error.detail)
            await asyncio.sleep(backoff_s(3, random=0.5 + random.random() / 2))  # noqa: S311
            return []
        self._held |= {lease.token: lease for lease in leases}
        read = await asyncio.gather(*(self._read(lease, stop) for lease in leases))
        return [work for work in read if work is not None]

    async def _read(self, lease: Lease, stop: asyncio.Event) -> _Work | None:
        """Fetch the photos of a job; None if they cannot be had, and then somebody has another try."""
        started_s = perf_counter()
        try:
            photos = await self._photos.of(lease, stop)
        except NotFound as error:
            return _Work(lease=lease, started_s=started_s, failure=error)
        if photos is None:
            self._held.pop(lease.token, None)
            return None
        return _Work(lease=lease, started_s=started_s, photos=photos)

    def _infer(self, batch: Sequence[_Work]) -> list[list[Finding]]:
        """Run the engine (in its thread): for each job, what was found in each of its photos.

        If it fails as a whole, which is a bug or want of memory, each job gets a try of its own.
        """
        self._inferring_since_s = perf_counter()
        try:
            return self._recognise(batch)
        except Exception:
            log.exception("the engine failed", worker=self.worker_id, jobs=[work.lease.job.job_id for work in batch])
        if len(batch) > 1:
            return [found for work in batch for found in self._infer([work])]
        return [[BrokenInvariant("The engine failed on this photo; see the log.")]]

    def _recognise(self, batch: Sequence[_Work]) -> list[list[Finding]]:
        embed = any(not isinstance(work.lease.job.task, Detect) for work in batch)
        found = iter(self._engine.recognise([photo for work in batch for photo in work.photos], embed=embed))
        return [[next(found) for _ in work.photos] if work.failure is None else [work.failure] for work in batch]

    async def _conclude(self, batch: Sequence[_Work], findings: Sequence[Sequence[Finding]], busy_ms: float) -> None:
        """Answer a batch; `busy_ms` is how long the worker could do nothing else, for each job of it."""
        try:
            await asyncio.gather(
                *(self._answer(work, found, busy_ms) for work, found in zip(batch, findings, strict=True))
            )
        finally:
            self._concluding.release()

    async def _answer(self, work: _Work, found: Sequence[Finding], busy_ms: float) -> None:
        """Answer one job; whatever fails here must not touch its neighbours in the batch."""
        try:
            if await self._replies.reply(work.lease, found, started_s=work.started_s, busy_ms=busy_ms):
                self._finished += 1
        finally:
            self._held.pop(work.lease.token, None)

    async def _extend(self) -> None:
        """Keep the leases of everything in hand; drop what the queue says is no longer ours."""
        while True:
            await asyncio.sleep(self._queue.lease_s / 3)
            mine = list(self._held.values())
            if not mine:
                continue
            try:
                kept = {lease.token for lease in await self._queue.extend(mine)}
            except Unavailable as error:
                log.warning("leases not extended", worker=self.worker_id, error=error.detail)
                continue
            for lease in mine:
                if lease.token not in kept:
                    self._held.pop(lease.token, None)

    async def _report(self, stop: asyncio.Event) -> None:
        """Tell the roster once a second; stop when it, or the absence of a parent, says so."""
        while True:
            if self._orphaned():
                log.warning("orphaned: draining", worker=self.worker_id)
                stop.set()
            self._exit_if_stalled()
            report = WorkerReport(
                worker_id=self.worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                draining=stop.is_set(),
                jobs=tuple(lease.job.job_id for lease in self._held.values()),
                finished=self._finished,
            )
            try:
                if await self._roster.report(report):
                    stop.set()
            except Unavailable as error:
                log.warning("roster away", worker=self.worker_id, error=error.detail)
            await asyncio.sleep(REPORT_S)

    def _exit_if_stalled(self) -> None:
        since_s = self._inferring_since_s
        if since_s is not None and perf_counter() - since_s > STALL_S:
            log.error("stalled: ending this process", worker=self.worker_id, jobs=list(self._held))
            os._exit(STALLED_EXIT)
