"""Waiting for the ends of jobs: one listener and one batched query for all clients of a process.

A short answer comes with its announcement, which spares the query and so a millisecond.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_listen import Listener
from facefleet.core.jobs import Answer, JobState, JobStatus, given_up
from facefleet.errors import Unavailable

ENDED = "facefleet_ended"  # payload: the job's id, or nothing for any number of jobs, or what `news` returns
_NEWS_BYTES = 7_999  # NOTIFY's longest payload
_LOOK_AGAIN_S = 5.0
_STILL_OPEN = (JobState.QUEUED, JobState.IN_FLIGHT)

_LOOK = """
    SELECT job_id, kind, CASE
               WHEN state <> 'open' THEN state
               WHEN visible_at > now() THEN 'in_flight'
               WHEN deadline_at <= now() THEN 'expired'
               ELSE 'queued' END,
           created_s, receives, worker_id, answer, error
    FROM jobs WHERE job_id = ANY (%s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Where a job is; `reason` says why it was given up."""

    status: JobStatus
    reason: str


Ending = asyncio.Future[Answer | Outcome | None]


def news(answer: Answer) -> str:
    """Return what announces an answer: the job's id, and the error and the body on lines of their own if they fit.

    Only ASCII is sent along, since a server's encoding may hold no more.
    """
    error = "" if answer.error is None else json.dumps(answer.error)
    fits = len(answer.job_id) + len(error) + len(answer.body) + 2 <= _NEWS_BYTES
    if not fits or not answer.body.isascii() or b"\0" in answer.body:
        return answer.job_id
    return f"{answer.job_id}\n{error}\n{answer.body.decode()}"


class Answers:
    """The jobs whose end somebody in this process waits for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, set[Ending]] = {}
        self._due: set[str] = set()  # to be looked at, because they may have ended
        self._wake = asyncio.Event()
        self._listener = Listener(database, ENDED, self.heard)
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def expect(self, job_id: str) -> Iterator[Ending]:
        """Give a future of the job's answer or outcome, or of None if there turns out to be no such job (any more)."""
        self._start()
        ending: Ending = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(ending)
        try:
            yield ending
        finally:
            ending.cancel()
            self._waiting[job_id].discard(ending)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def look(self, job_ids: Iterable[str]) -> Mapping[str, Outcome]:
        """Return where these jobs are; those that do not exist are left out."""
        rows = await self._database.run(_LOOK, [list(job_ids)])
        return {row[0]: _outcome(row) for row in rows}

    async def close(self) -> None:
        """Stop listening."""
        await self._listener.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._task is None:
            self._listener.start()
            self._task = asyncio.create_task(self._tell(), name="answers")

    def heard(self, payload: str | None) -> None:
        """Take an answer that was announced; look soon at a job that was only named, or at all that are waited for."""
        job_id, told, rest = (payload or "").partition("\n")
        if not job_id:
            self._due.update(self._waiting)
        elif job_id in self._waiting and told:
            error, _, body = rest.partition("\n")
            told_error = json.loads(error) if error else None
            self._settle(job_id, Answer(job_id=job_id, body=body.encode(), error=told_error))
        elif job_id in self._waiting:
            self._due.add(job_id)
        if self._due:
            self._wake.set()

    async def _tell(self) -> None:
        """Look at what is due, all of it at once, as often as there is something."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._wake.wait()
            except TimeoutError:
                self._due.update(self._waiting)
            self._wake.clear()
            due, self._due = self._due & self._waiting.keys(), set()
            if due:
                with suppress(Unavailable):  # looked at again when the listener is back
                    self._resolve(due, await self.look(due))

    def _resolve(self, job_ids: Iterable[str], found: Mapping[str, Outcome]) -> None:
        for job_id in job_ids:
            outcome = found.get(job_id)
            if outcome is None or outcome.status.state not in _STILL_OPEN:
                self._settle(job_id, outcome)

    def _settle(self, job_id: str, outcome: Answer | Outcome | None) -> None:
        for ending in self._waiting.get(job_id, ()):
            if not ending.done():
                ending.set_result(outcome)


def _outcome(row: Sequence[Any]) -> Outcome:
    job_id, kind, state, created_s, receives, worker_id, body, error = row
    answer = None
    if state == JobState.DONE:
        answer = Answer(job_id=job_id, body=body or b"", error=None if error is None else json.loads(error))
    return Outcome(
        status=JobStatus(
            job_id=job_id,
            kind=kind,
            state=JobState(state),
            created_s=created_s,
            receives=receives,
            answer=answer,
        ),
        reason=given_up(receives, worker_id or ""),
    )
