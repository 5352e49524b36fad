"""The queue in one PostgreSQL table; leases as in SQS, woken by NOTIFY. The statements are in `postgres_queue_sql`.

- Commits are durable where a promise hangs on them (`put`, and the answer to what was put) and relaxed elsewhere: a
  lease that a power cut forgets is taken again, and whoever waits in `ask` enqueues again what a power cut forgot.
- One idle worker listens, the others wait in line for that (`Watch`); web nodes listen for the ends of jobs.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import structlog
from pydantic import ValidationError

from facefleet.adapters import postgres_queue_sql as sql
from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_answers import ENDED, Answers, news
from facefleet.adapters.postgres_listen import Announcer, Watch
from facefleet.core.faces import Page
from facefleet.core.jobs import (
    BULK_HANDICAP_S,
    TASK,
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
from facefleet.errors import BrokenInvariant, DeadlineExceeded, LeaseLost, NotFound, Unavailable

log = structlog.get_logger()

QUEUED = "facefleet_queued"
_POLL_S = 1.0  # whoever listens looks again this often, because a lease that expires tells nobody
_LOOK_AGAIN_S = 5.0  # whoever waits for its turn looks this often, in case the one that listens has hung
_RETRY_S = 0.1


class PostgresQueue:
    """See `ports.Queue`. One object a process; `close` it before the database."""

    def __init__(self, database: Database, *, lease_s: float = 30.0, max_receives: int = 5) -> None:
        self.lease_s = lease_s
        self.max_receives = max_receives
        self._database = database
        self._answers = Answers(database)
        self._announcer = Announcer(database)
        self._watch = Watch(database, QUEUED)
        self._cancelling: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop listening, and let go what is still to be said."""
        await self._watch.close()
        await self._answers.close()
        if self._cancelling:
            await asyncio.wait(self._cancelling)
        await self._announcer.close()

    async def put(self, job: Job) -> None:
        """Enqueue with a durable commit."""
        await self._insert(sql.PUT, job, deadline_s=job.deadline_s, durable=True)
        self._announcer.announce(QUEUED)

    async def ask(self, job: Job, *, wait_s: float) -> Answer:
        """Enqueue with a relaxed commit and wait for the end to be announced."""
        limit_s = wait_s if job.deadline_s is None else min(wait_s, job.deadline_s)
        try:
            async with asyncio.timeout(limit_s):
                return await self._ask(job, deadline_s=limit_s)
        except TimeoutError:
            if not await self.cancel(job.job_id):
                with suppress(NotFound):  # the database was too busy to take it
                    status = await self.status(job.job_id)
                    if status.answer is not None:
                        return status.answer
            raise DeadlineExceeded(f"No answer within {limit_s:g} s.") from None
        except asyncio.CancelledError:
            # The client has gone and its task must end now; the withdrawal goes on without it.
            task = asyncio.create_task(self._withdraw(job.job_id), name=f"cancel-{job.job_id}")
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)
            raise

    async def lease(self, worker_id: str, *, limit: int, wait_s: float) -> Sequence[Lease]:
        """Claim; where there is nothing to claim, wait for one's turn to listen, and then for an arrival."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        while True:
            leases = await self._claim(worker_id, limit)
            left_s = until_s - loop.time()
            if leases or left_s <= 0:
                return leases
            try:
                async with self._watch.turn(wait_s=min(left_s, _LOOK_AGAIN_S)) as listening:
                    while listening and not leases and (left_s := until_s - loop.time()) > 0:
                        leases = await self._claim(worker_id, limit)
                        if not leases:
                            await self._watch.arrival(wait_s=min(left_s, _POLL_S))
            except Unavailable:
                await asyncio.sleep(_RETRY_S)  # only the listening broke if the next claim works
            if leases:
                return leases

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Renew all in one statement."""
        job_ids, tokens = [lease.job.job_id for lease in leases], [lease.token for lease in leases]
        rows = await self._database.run(sql.EXTEND, {"job_ids": job_ids, "tokens": tokens, "lease_s": self.lease_s})
        held = {row[0] for row in rows}
        return [lease for lease in leases if lease.job.job_id in held]

    async def finish(self, lease: Lease, answer: Answer, *, busy_ms: float) -> None:
        """Write the answer and the totals in one statement."""
        held = {"job_id": lease.job.job_id, "token": lease.token}
        error = None if answer.error is None else json.dumps(answer.error)
        rows = await self._database.run(
            sql.FINISH,
            held | {"answer": answer.body, "error": error, "busy_ms": float(busy_ms), "news": news(answer)},
        )
        if rows and rows[0][0]:
            self._announcer.announce(ENDED, lease.job.job_id)
        elif not rows and not await self._database.run(sql.FINISHED_BEFORE, held):
            raise LeaseLost(f"The lease on job {lease.job.job_id} was lost.")

    async def release(self, lease: Lease) -> None:
        """Give back, and wake who waits."""
        await self._database.run(sql.RELEASE, {"job_id": lease.job.job_id, "token": lease.token})

    async def abandon(self, worker_id: str) -> None:
        """Make what a dead worker held visible, and wake who waits."""
        await self._database.run(sql.ABANDON, [worker_id])

    async def cancel(self, job_id: str) -> bool:
        """Withdraw, and wake who waits."""
        return bool(await self._database.run(sql.CANCEL, [job_id]))

    async def status(self, job_id: str, *, wait_s: float = 0.0) -> JobStatus:
        """Look, and if the job is still open wait for the end to be announced and look again."""
        with self._answers.expect(job_id) as ending:
            found = await self._answers.look([job_id])
            open_still = job_id in found and found[job_id].status.state in {JobState.QUEUED, JobState.IN_FLIGHT}
            if open_still and wait_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await ending
                found = await self._answers.look([job_id])
        if job_id not in found:
            raise NotFound(f"There is no job {job_id}.")
        return found[job_id].status

    async def counts(self) -> QueueCounts:
        """Count what is open by index; read the totals."""
        ((visible, in_flight, dead, oldest_age_s, enqueued, finished, busy_ms),) = await self._database.run(sql.COUNTS)
        return QueueCounts(
            visible=visible,
            in_flight=in_flight,
            dead=dead,
            oldest_age_s=max(oldest_age_s, 0.0),
            enqueued_total=enqueued,
            finished_total=finished,
            busy_ms_total=busy_ms,
        )

    async def purge(self) -> int:
        """Cancel everything without an answer."""
        return len(await self._database.run(sql.PURGE))

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Page[DeadLetter]:
        """List by time of death; the cursor is the microsecond of death and the job's place in the queue."""
        died_us, seq = dead_letter_cursor(after)
        rows = await self._database.run(sql.DEAD_LETTERS, {"died_us": died_us, "seq": seq, "limit": limit + 1})
        letters = tuple(_dead_letter(row) for row in rows[:limit])
        more = len(rows) > limit
        return Page(items=letters, next_after=f"{rows[limit - 1][-2]} {rows[limit - 1][-1]}" if more else None)

    async def redrive(self, job_ids: Sequence[str] | None = None) -> int:
        """Queue given-up jobs anew."""
        chosen = None if job_ids is None else list(job_ids)
        rows = await self._database.run(sql.REDRIVE, {"job_ids": chosen, "bulk_handicap_s": BULK_HANDICAP_S})
        self._announcer.announce(QUEUED)
        return len(rows)

    async def erase(self, job_ids: Sequence[str]) -> None:
        """Delete these, if they have ended."""
        await self._database.run(sql.ERASE, [list(job_ids)])

    async def forget(self, *, answered_before_s: float) -> Sequence[str]:
        """Delete the oldest jobs that ended, ten thousand at a time."""
        return [row[0] for row in await self._database.run(sql.FORGET, [answered_before_s])]

    async def _ask(self, job: Job, *, deadline_s: float) -> Answer:
        while True:
            with self._answers.expect(job.job_id) as ending:
                await self._insert(sql.PUT_RELAXED, job, deadline_s=deadline_s, durable=False)
                outcome = await ending
            if isinstance(outcome, Answer):
                return outcome
            # None: a crash of the server forgot the job with its relaxed commit.
            if outcome is not None:
                if outcome.status.answer is None:
                    raise no_answer(outcome.status.state, outcome.reason)
                return outcome.status.answer

    async def _withdraw(self, job_id: str) -> None:
        with suppress(Unavailable):  # then the deadline does it
            await self.cancel(job_id)

    async def _insert(self, statement: sql.Statement, job: Job, *, deadline_s: float | None, durable: bool) -> None:
        parameters = {
            "job_id": job.job_id,
            "kind": job.task.kind,
            "task": TASK.dump_json(job.task).decode(),
            "bulk": job.lane is Lane.BULK,
            "durable": durable,
            "created_s": float(job.created_s),
            "handicap_s": BULK_HANDICAP_S if job.lane is Lane.BULK else 0.0,
            "deadline_s": None if deadline_s is None else float(deadline_s),
        }
        if not await self._database.run(statement, parameters):
            # Enqueued before: it may have ended without anybody here being told.
            self._answers.heard(job.job_id)

    async def _claim(self, worker_id: str, limit: int) -> Sequence[Lease]:
        """Claim until there is a lease or nothing left; what was claimed may turn out expired or given up."""
        parameters = {
            "limit": limit,
            "max_receives": self.max_receives,
            "lease_s": self.lease_s,
            "worker_id": worker_id,
        }
        while rows := await self._database.run(sql.CLAIM, parameters):
            leases = []
            for row in sorted(rows, key=_rank):
                try:
                    leases += [_lease(row)] if row[2] == "open" else []
                except BrokenInvariant as unreadable:
                    # Left leased: a worker of the right version gets it next, or it goes to the dead letters.
                    log.warning("job not taken", detail=unreadable.detail)
            if leases:
                return leases
        return []


def _job(job_id: str, task: str, bulk: bool, created_s: float, deadline_s: float | None) -> Job:
    try:
        known_task = TASK.validate_json(task)
    except ValidationError as exc:
        raise BrokenInvariant(f"Job {job_id} asks for something that this version does not know.") from exc
    return Job(
        job_id=job_id,
        task=known_task,
        created_s=created_s,
        lane=Lane.BULK if bulk else Lane.INTERACTIVE,
        deadline_s=deadline_s,
    )


def _rank(row: Sequence[Any]) -> tuple[Any, int]:
    return row[0], row[1]


def _lease(row: Sequence[Any]) -> Lease:
    _, _, _, token, receives, waited_ms, *job, _, _ = row
    return Lease(job=_job(*job), token=token, receives=receives, waited_ms=waited_ms)


def _dead_letter(row: Sequence[Any]) -> DeadLetter:
    job_id, kind, created_s, receives, worker_id, died_s, _, _ = row
    return DeadLetter(
        job_id=job_id,
        kind=kind,
        created_s=created_s,
        receives=receives,
        reason=given_up(receives, worker_id or ""),
        died_s=died_s,
    )
