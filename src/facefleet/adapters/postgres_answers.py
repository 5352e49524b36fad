"""Waiting for the ends of jobs: one listener and one batched query for all clients of a process."""

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

ENDED = "facefleet_ended"  # payload: the job's id, or nothing for any number of jobs
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


Ending = asyncio.Future[Outcome | None]


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
        """Give a future of the job's outcome, or of None if there turns out to be no such job (yet, or any more)."""
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

    def heard(self, job_id: str | None) -> None:
        """Look at a job soon, or at all that are waited for."""
        if not job_id:
            self._due.update(self._waiting)
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
            if outcome is not None and outcome.status.state in _STILL_OPEN:
                continue
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
