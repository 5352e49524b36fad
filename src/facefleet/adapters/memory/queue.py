"""A queue in one process's memory: what the port promises, in the plainest words."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from facefleet.core.faces import Page
from facefleet.core.jobs import (
    BULK_HANDICAP_S,
    Answer,
    DeadLetter,
    Job,
    JobState,
    JobStatus,
    Lane,
    Lease,
    QueueCounts,
    dead_letter_cursor,
    given_up,
    no_answer,
)
from facefleet.errors import DeadlineExceeded, LeaseLost, NotFound

# A waiting consumer looks again this often, because a lease that expires tells nobody.
_POLL_S = 1.0


@dataclass(slots=True)
class _Entry:
    """A job and where it is; `token` is None while nobody holds it."""

    job: Job
    seq: int
    enqueued_s: float
    rank_s: float
    visible_s: float
    deadline_s: float | None  # absolute, by the queue's clock
    open: bool = True
    ended_as: JobState = JobState.QUEUED
    ended_s: float = 0.0
    receives: int = 0
    token: str | None = None
    worker_id: str = ""
    reason: str = ""
    answer: Answer | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def state(self, now_s: float) -> JobState:
        """Return the state as a client sees it."""
        if not self.open:
            return self.ended_as
        if self.visible_s > now_s:
            return JobState.IN_FLIGHT
        return JobState.EXPIRED if self.too_late(now_s) else JobState.QUEUED

    def too_late(self, now_s: float) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline_s is not None and self.deadline_s <= now_s

    def dead_letter(self) -> DeadLetter:
        """Return what is told of it once it was given up."""
        return DeadLetter(
            job_id=self.job.job_id,
            kind=self.job.task.kind,
            created_s=self.job.created_s,
            receives=self.receives,
            reason=self.reason,
            died_s=self.ended_s,
        )

    def end(self, state: JobState, now_s: float) -> None:
        """Leave the queue and wake whoever waits."""
        self.open, self.ended_as, self.ended_s, self.visible_s = False, state, now_s, now_s
        self.ended.set()


class MemoryQueue:
    """See `ports.Queue`. `clock` gives seconds; waits (`wait_s`) run on the event loop's own clock."""

    def __init__(
        self, *, lease_s: float = 30.0, max_receives: int = 5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lease_s = lease_s
        self.max_receives = max_receives
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._sequence = itertools.count(1)
        self._arrival = asyncio.Event()
        self._enqueued = self._finished = 0
        self._busy_ms = 0.0

    async def put(self, job: Job) -> None:
        """Enqueue (nothing in memory is durable)."""
        self._insert(job, deadline_s=job.deadline_s)

    async def ask(self, job: Job, *, wait_s: float) -> Answer:
        """Enqueue, wait for the answer, and cancel if it does not come."""
        limit_s = wait_s if job.deadline_s is None else min(wait_s, job.deadline_s)
        entry = self._insert(job, deadline_s=limit_s)
        try:
            async with asyncio.timeout(limit_s):
                await entry.ended.wait()
        except TimeoutError:
            await self.cancel(job.job_id)
            raise DeadlineExceeded(f"No answer within {limit_s:g} s.") from None
        except asyncio.CancelledError:
            await self.cancel(job.job_id)
            raise
        if entry.answer is None:
            raise no_answer(entry.ended_as, entry.reason)
        return entry.answer

    async def lease(self, worker_id: str, *, limit: int, wait_s: float) -> Sequence[Lease]:
        """Take what is due; wait for the next arrival if nothing is."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        while True:
            arrival = self._arrival
            leases = self._claim(worker_id, limit)
            left_s = until_s - loop.time()
            if leases or left_s <= 0:
                return leases
            try:
                async with asyncio.timeout(min(left_s, _POLL_S)):
                    await arrival.wait()
            except TimeoutError:
                continue

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Renew those that are still held."""
        held = [lease for lease in leases if self._held(lease)]
        for lease in held:
            self._entries[lease.job.job_id].visible_s = self._clock() + self.lease_s
        return held

    async def finish(self, lease: Lease, answer: Answer, *, busy_ms: float) -> None:
        """Record the answer if the lease still counts; saying it twice is harmless."""
        entry = self._entries.get(lease.job.job_id)
        if entry is not None and entry.ended_as is JobState.DONE and entry.token == lease.token:
            return
        if entry is None or not self._held(lease):
            raise LeaseLost(f"The lease on job {lease.job.job_id} was lost.")
        entry.answer = answer
        entry.end(JobState.DONE, self._clock())
        self._finished += 1
        self._busy_ms += busy_ms

    async def release(self, lease: Lease) -> None:
        """Give back; a lease that was lost needs no giving back."""
        if self._held(lease):
            entry = self._entries[lease.job.job_id]
            entry.receives -= 1
            entry.token, entry.visible_s = None, self._clock()
            self._announce()

    async def abandon(self, worker_id: str) -> None:
        """Make what a dead worker held visible."""
        now_s = self._clock()
        for entry in self._entries.values():
            if entry.open and entry.receives and entry.worker_id == worker_id and entry.visible_s > now_s:
                entry.visible_s, entry.token = now_s, None
        self._announce()

    async def cancel(self, job_id: str) -> bool:
        """Withdraw a job without an answer."""
        entry = self._entries.get(job_id)
        if entry is None or not self._unanswered(entry):
            return False
        entry.end(JobState.CANCELLED, self._clock())
        return True

    async def status(self, job_id: str, *, wait_s: float = 0.0) -> JobStatus:
        """Return where a job is, waiting for its end."""
        entry = self._entry(job_id)
        if entry.open and wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await entry.ended.wait()
            except TimeoutError:
                pass
            entry = self._entry(job_id)
        return JobStatus(
            job_id=job_id,
            kind=entry.job.task.kind,
            state=entry.state(self._clock()),
            created_s=entry.job.created_s,
            receives=entry.receives,
            answer=entry.answer,
        )

    async def counts(self) -> QueueCounts:
        """Count."""
        now_s = self._clock()
        states = [(entry.state(now_s), entry) for entry in self._entries.values()]
        waiting = [entry.enqueued_s for state, entry in states if state is JobState.QUEUED]
        return QueueCounts(
            visible=len(waiting),
            in_flight=sum(state is JobState.IN_FLIGHT for state, _ in states),
            dead=sum(state is JobState.DEAD for state, _ in states),
            oldest_age_s=now_s - min(waiting, default=now_s),
            enqueued_total=self._enqueued,
            finished_total=self._finished,
            busy_ms_total=self._busy_ms,
        )

    async def purge(self) -> int:
        """Cancel everything without an answer."""
        dropped = [entry for entry in self._entries.values() if self._unanswered(entry)]
        for entry in dropped:
            entry.end(JobState.CANCELLED, self._clock())
        return len(dropped)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Page[DeadLetter]:
        """List by time of death; the cursor is that time and the job's place in the queue."""
        start = dead_letter_cursor(after)
        dead = sorted(self._dead(), key=_death)
        rest = [entry for entry in dead if _death(entry) > start]
        items = tuple(entry.dead_letter() for entry in rest[:limit])
        last = rest[limit - 1] if len(rest) > limit else None
        return Page(items=items, next_after=None if last is None else "{} {}".format(*_death(last)))

    async def redrive(self, job_ids: Sequence[str] | None = None) -> int:
        """Queue given-up jobs anew, without a deadline."""
        now_s = self._clock()
        dead = [entry for entry in self._dead() if job_ids is None or entry.job.job_id in job_ids]
        for entry in dead:
            job = replace(entry.job, deadline_s=None)
            self._entries[job.job_id] = self._fresh(job, now_s=now_s, deadline_s=None)
        self._announce()
        return len(dead)

    async def erase(self, job_ids: Sequence[str]) -> None:
        """Delete these, if they have ended."""
        for job_id in job_ids:
            if job_id in self._entries and not self._entries[job_id].open:
                del self._entries[job_id]

    async def forget(self, *, answered_before_s: float) -> Sequence[str]:
        """Delete jobs that ended."""
        limit_s = self._clock() - answered_before_s
        old = [job_id for job_id, entry in self._entries.items() if not entry.open and entry.ended_s < limit_s]
        for job_id in old:
            del self._entries[job_id]
        return old

    def _insert(self, job: Job, *, deadline_s: float | None) -> _Entry:
        if job.job_id not in self._entries:
            self._entries[job.job_id] = self._fresh(job, now_s=self._clock(), deadline_s=deadline_s)
            self._enqueued += 1
            self._announce()
        return self._entries[job.job_id]

    def _fresh(self, job: Job, *, now_s: float, deadline_s: float | None) -> _Entry:
        return _Entry(
            job=job,
            seq=next(self._sequence),
            enqueued_s=now_s,
            rank_s=now_s + (BULK_HANDICAP_S if job.lane is Lane.BULK else 0.0),
            visible_s=now_s,
            deadline_s=None if deadline_s is None else now_s + deadline_s,
        )

    def _announce(self) -> None:
        self._arrival.set()
        self._arrival = asyncio.Event()

    def _claim(self, worker_id: str, limit: int) -> list[Lease]:
        now_s = self._clock()
        leases: list[Lease] = []
        for entry in self._due(now_s):
            if entry.too_late(now_s):
                entry.end(JobState.EXPIRED, now_s)
            elif entry.receives >= self.max_receives:
                entry.reason = given_up(entry.receives, entry.worker_id)
                entry.end(JobState.DEAD, now_s)
            elif entry.receives == 0 or not leases:
                leases.append(self._take(entry, worker_id, now_s))
                if entry.receives > 1 or len(leases) == limit:
                    break
        return leases

    def _due(self, now_s: float) -> list[_Entry]:
        """Return what may be leased: jobs whose worker died first, then by rank."""
        due = [entry for entry in self._entries.values() if entry.open and entry.visible_s <= now_s]
        return sorted(due, key=lambda entry: (entry.receives == 0, entry.rank_s, entry.seq))

    def _take(self, entry: _Entry, worker_id: str, now_s: float) -> Lease:
        entry.receives += 1
        entry.token, entry.worker_id, entry.visible_s = uuid.uuid4().hex, worker_id, now_s + self.lease_s
        waited_ms = 1000 * (now_s - entry.enqueued_s)
        return Lease(job=entry.job, token=entry.token, receives=entry.receives, waited_ms=waited_ms)

    def _held(self, lease: Lease) -> bool:
        entry = self._entries.get(lease.job.job_id)
        return entry is not None and entry.open and entry.token == lease.token

    def _unanswered(self, entry: _Entry) -> bool:
        return entry.open or entry.ended_as is JobState.DEAD

    def _dead(self) -> Iterator[_Entry]:
        return (entry for entry in self._entries.values() if entry.ended_as is JobState.DEAD)

    def _entry(self, job_id: str) -> _Entry:
        if job_id not in self._entries:
            raise NotFound(f"There is no job {job_id}.")
        return self._entries[job_id]


def _death(entry: _Entry) -> tuple[int, int]:
    return round(entry.ended_s * 1e6), entry.seq
