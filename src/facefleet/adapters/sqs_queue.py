"""The queue on Amazon SQS: SQS delivers, the store keeps what SQS does not (`sqs_records`).

Order within a lane, counts and ages are approximate, as SQS's are; a purge takes AWS up to a minute.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from facefleet.adapters.aws import Aws
from facefleet.adapters.objects import Objects
from facefleet.adapters.sqs_answers import Answers
from facefleet.adapters.sqs_counts import Counter
from facefleet.adapters.sqs_dead import DeadLetters
from facefleet.adapters.sqs_given_up import GivenUp
from facefleet.adapters.sqs_lanes import Lanes
from facefleet.adapters.sqs_leases import Leases
from facefleet.adapters.sqs_messages import Ending, Envelope, ending_of, envelope_json, pointer_json
from facefleet.adapters.sqs_names import DEAD_RETENTION_S, REQUEST_BYTES, Queues
from facefleet.adapters.sqs_records import Records
from facefleet.adapters.sqs_totals import SharedTotals
from facefleet.core.faces import Page
from facefleet.core.jobs import Answer, DeadLetter, Job, JobState, JobStatus, Lease, QueueCounts, no_answer
from facefleet.errors import DeadlineExceeded, NotFound, Unavailable

# Who waits for a job that another node sent hears nothing, and looks this often.
_LOOK_S = 1.0
_OPEN = frozenset({JobState.QUEUED, JobState.IN_FLIGHT})


class SqsQueue:
    """See `ports.Queue`. One object a process; `close` it before `aws`.

    Args:
        queues: what requests go through, see `sqs_names.open_queues`.
        store: where jobs are recorded.
        node: this process's id.
        responses: name of its response queue, made when it is needed.
        shared: whether that queue is to be left as it is when the node ends.
        now_s: Unix time.
    """

    def __init__(
        self,
        aws: Aws,
        queues: Queues,
        store: Objects,
        *,
        node: str,
        responses: str,
        shared: bool = False,
        lease_s: float = 30.0,
        max_receives: int = 3,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.lease_s = lease_s
        self.max_receives = max_receives
        self._aws = aws
        self._queues = queues
        self._now_s = now_s
        self._records = Records(store)
        self._counter = Counter(aws, queues.lanes, queues.dead)
        self._lanes = Lanes(aws, queues.lanes, lease_s=lease_s, now_s=now_s)
        self._answers = Answers(
            aws, self._records, prefix=f"{queues.name}-resp-", name=responses, shared=shared, now_s=now_s
        )
        dead = DeadLetters(aws, queues.dead)
        self._given_up = GivenUp(dead, self._records, self._lanes, now_s=now_s)
        self._leases = Leases(
            lanes=self._lanes,
            records=self._records,
            answers=self._answers,
            dead=dead,
            lease_s=lease_s,
            max_receives=max_receives,
            now_s=now_s,
        )
        self._totals = SharedTotals(store, node=node, now_s=now_s)
        self._cancelling: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish withdrawals, give back what was received and not leased, delete this node's response queue."""
        if self._cancelling:
            await asyncio.wait(self._cancelling)
        await self._lanes.close()
        await self._totals.end(self._answers.totals())
        await self._answers.close()

    async def put(self, job: Job) -> None:
        """Record, then send: SQS keeps a message in several data centres before it confirms."""
        await self._answers.open()
        envelope = self._envelope(job, recorded=True)
        if await self._records.sent(envelope):
            await self._send(envelope)

    async def ask(self, job: Job, *, wait_s: float) -> Answer:
        """Send and wait for the response."""
        limit_s = wait_s if job.deadline_s is None else min(wait_s, job.deadline_s)
        try:
            async with asyncio.timeout(limit_s):
                return await self._ask(replace(job, deadline_s=limit_s))
        except TimeoutError:
            if not await self.cancel(job.job_id):
                with suppress(NotFound):  # not sent yet
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
        """Receive, by long polling if `wait_s` is more than 0."""
        return await self._leases.take(worker_id, limit=limit, wait_s=wait_s)

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Hide the messages for another term."""
        return await self._leases.extend(leases)

    async def finish(self, lease: Lease, answer: Answer, *, busy_ms: float) -> None:
        """Record the answer, respond, delete the request."""
        await self._leases.finish(lease, answer, busy_ms=busy_ms)

    async def release(self, lease: Lease) -> None:
        """Give back; SQS has counted the receive."""
        await self._leases.release(lease)

    async def abandon(self, worker_id: str) -> None:
        """Do nothing: SQS does not know who has a message, so the leases run out."""

    async def cancel(self, job_id: str) -> bool:
        """Record that a job is withdrawn; its message is dropped by whoever receives it."""
        ending = await self._ending(job_id)
        if ending is not None and ending.state is JobState.DEAD:
            await self._given_up.withdraw(job_id)
            await self._records.replace(replace(ending, state=JobState.CANCELLED))
            return True
        envelope = None if ending is not None else await self._known(job_id)
        if envelope is None:
            return False
        stood = await self._records.end(ending_of(envelope.job, JobState.CANCELLED))
        if stood.state is not JobState.CANCELLED:
            return False
        self._answers.heard(stood)
        await self._answers.tell(envelope.reply, stood)
        return True

    async def status(self, job_id: str, *, wait_s: float = 0.0) -> JobStatus:
        """Look, and if the job is still open wait for its response, or look again."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        with self._answers.expect(job_id) as ending:
            status = await self._look(job_id)
            while status.state in _OPEN and loop.time() < until_s:
                await asyncio.wait([ending], timeout=min(until_s - loop.time(), _LOOK_S))
                status = await self._look(job_id)
        return status

    async def counts(self) -> QueueCounts:
        """Count, approximately; the totals are those of all nodes, other nodes' some seconds late."""
        reading, totals = await asyncio.gather(self._counter.read(), self._totals.add(self._answers.totals()))
        age_s = 0.0 if totals.oldest_s is None or not reading.visible else self._now_s() - totals.oldest_s
        return QueueCounts(
            visible=reading.visible,
            in_flight=reading.in_flight,
            dead=reading.dead,
            oldest_age_s=max(0.0, age_s),
            enqueued_total=totals.enqueued,
            finished_total=totals.finished,
            busy_ms_total=totals.busy_ms,
        )

    async def purge(self) -> int:
        """Empty the queues; SQS does so at most once a minute."""
        before = await self._counter.read_once()
        for url in (*self._queues.lanes.values(), self._queues.dead):
            await self._aws.call("sqs", "purge_queue", f"the queue {url.rsplit('/', 1)[1]}", QueueUrl=url)
        now_s = self._now_s()
        await self._records.purge(now_s)
        await self._answers.tell_purged(now_s)
        self._counter.forget()
        return sum(before)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Page[DeadLetter]:
        """List by time of death; messages that never were requests of this service are left out."""
        return await self._given_up.page(limit=limit, after=after)

    async def redrive(self, job_ids: Sequence[str] | None = None) -> int:
        """Send given-up jobs anew, without a deadline."""
        self._counter.forget()
        return await self._given_up.redrive(job_ids)

    async def erase(self, job_ids: Sequence[str]) -> None:
        """Delete the records of those that have ended."""
        endings = await asyncio.gather(*(self._records.ending(job_id) for job_id in job_ids))
        await self._records.erase([ending.job_id for ending in endings if ending is not None])

    async def forget(self, *, answered_before_s: float) -> Sequence[str]:
        """Delete the records of jobs that ended, a thousand at a time."""
        return await self._records.forget(answered_before_s)

    async def _ask(self, job: Job) -> Answer:
        await self._answers.open()
        with self._answers.expect(job.job_id) as ending:
            if job.job_id not in self._answers.sent:
                ended = await self._records.ending(job.job_id) if self._answers.repeated(job.job_id) else None
                if ended is not None:
                    ending.set_result(ended)
                else:
                    await self._send(self._envelope(job, recorded=False))
            outcome = await ending
        if outcome.answer is None:
            raise no_answer(outcome.state, outcome.reason)
        return outcome.answer

    async def _withdraw(self, job_id: str) -> None:
        with suppress(Unavailable):  # then the deadline does it
            await self.cancel(job_id)

    async def _send(self, envelope: Envelope) -> None:
        job = envelope.job
        body = envelope_json(envelope)
        if len(body.encode()) > REQUEST_BYTES:
            if not envelope.recorded:
                await self._records.sent(replace(envelope, recorded=True))
            body = pointer_json(job.job_id)
        self._answers.remember(job)
        try:
            await self._lanes.send(job.lane, body)
        except Unavailable:
            self._answers.unsent(job.job_id)
            await self._records.unsent(job.job_id)
            raise

    async def _known(self, job_id: str) -> Envelope | None:
        """Return a job that was recorded, or that this node sent and has not heard of."""
        sent = self._answers.sent.get(job_id)
        if sent is not None:
            return Envelope(job=sent.job, sent_s=sent.sent_s, reply=self._answers.name, recorded=False)
        return await self._records.envelope(job_id)

    async def _ending(self, job_id: str) -> Ending | None:
        """Return how a job ended; a purge ends what was given up before it once more."""
        ending = await self._records.ending(job_id)
        if ending is None or ending.state is not JobState.DEAD:
            return ending
        purged = 0.0 < ending.died_s <= await self._records.purged_s()
        return replace(ending, state=JobState.CANCELLED) if purged else ending

    async def _look(self, job_id: str) -> JobStatus:
        ending = await self._ending(job_id)
        envelope = None if ending is not None else await self._known(job_id)
        if ending is None and envelope is None:
            # Either there is no such job, or it has ended between the two.
            ending = await self._ending(job_id)
        if ending is not None:
            return ending.status()
        if envelope is None:
            raise NotFound(f"There is no job {job_id}.")
        holder, purged_s = await asyncio.gather(self._records.holder(job_id), self._records.purged_s())
        if envelope.sent_s <= purged_s:
            return ending_of(envelope.job, JobState.CANCELLED).status()
        if self._now_s() - envelope.sent_s > DEAD_RETENTION_S:  # its message is in no queue any more
            return ending_of(envelope.job, JobState.EXPIRED).status()
        if holder is not None:
            return ending_of(envelope.job, JobState.IN_FLIGHT, receives=holder.receives).status()
        late = envelope.too_late(self._now_s(), envelope.sent_s)
        return ending_of(envelope.job, JobState.EXPIRED if late else JobState.QUEUED).status()

    def _envelope(self, job: Job, *, recorded: bool) -> Envelope:
        return Envelope(job=job, sent_s=self._now_s(), reply=self._answers.name, recorded=recorded)
