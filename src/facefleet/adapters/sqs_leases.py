"""The workers' half of the SQS queue: receiving a job, keeping it hidden, answering, giving it up.

- A receipt handle is the lease's token. AWS accepts a stale one for deleting but not for changing visibility, so that
  is asked first; and since a job ends once (`sqs_records`), one answer counts whatever SQS does.
- The order of a finish is: the ending, then the response, only then the deletion of the request. A worker that dies in
  between leaves a message whose next receiver finds the ending and completes the rest.
- A neighbour that came in the same receive as a photo which kills workers has been received too: it is not worked on
  beside it, but its receive counts.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from facefleet.adapters.aws_errors import AwsRefusal
from facefleet.adapters.sqs_answers import Answers
from facefleet.adapters.sqs_dead import DeadLetters
from facefleet.adapters.sqs_lanes import NOT_OURS, VISIBLE, Lanes, Message
from facefleet.adapters.sqs_messages import Ending, Envelope, ending_of, read_envelope, read_pointer
from facefleet.adapters.sqs_records import Holder, Records
from facefleet.core.jobs import Answer, JobState, Lease, given_up
from facefleet.errors import LeaseLost, Unavailable

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Leases:
    """Messages as leases."""

    lanes: Lanes
    records: Records
    answers: Answers
    dead: DeadLetters
    lease_s: float
    max_receives: int
    now_s: Callable[[], float]

    async def take(self, worker_id: str, *, limit: int, wait_s: float) -> Sequence[Lease]:
        """Receive until there is a lease or the wait is over; what is received may turn out ended."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        while True:
            messages = await self.lanes.take(limit, wait_s=max(0.0, until_s - loop.time()))
            leases = await self._leases(messages, worker_id)
            if leases or (not messages and loop.time() >= until_s):
                return leases

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Hide the messages for another term; those whose job has ended need it no more."""
        held = await asyncio.gather(*(self._extend(lease) for lease in leases))
        return [lease for lease, still in zip(leases, held, strict=True) if still]

    async def finish(self, lease: Lease, answer: Answer, *, busy_ms: float) -> None:
        """Record the ending, respond, delete the request.

        Raises:
            LeaseLost: the message is not ours any more, or the job ended otherwise.
        """
        reply, handle = _parts(lease)
        ending = ending_of(
            lease.job, JobState.DONE, receives=lease.receives, token=_digest(handle), busy_ms=busy_ms, answer=answer
        )
        ours = await self._still_ours(lease)
        stood = await (self.records.end(ending) if ours else self.records.ending(ending.job_id))
        if stood is None or stood.token != ending.token:
            if ours:
                await self.lanes.delete(lease.job.lane, handle)
            raise LeaseLost(f"The lease on job {lease.job.job_id} was lost.")
        if ours:
            await self.answers.tell(reply, stood)
            await self.lanes.delete(lease.job.lane, handle)

    async def release(self, lease: Lease) -> None:
        """Make the message visible; SQS has counted the receive."""
        try:
            await self.lanes.hide(lease.job.lane, _parts(lease)[1], 0)
        except AwsRefusal as error:
            if error.code not in NOT_OURS | VISIBLE:
                raise
        else:
            await self.records.released(lease.job.job_id)

    async def _leases(self, messages: Sequence[Message], worker_id: str) -> list[Lease]:
        admitted = await asyncio.gather(*(self._admit(message, worker_id) for message in messages))
        away = [(one, message) for one, message in zip(admitted, messages, strict=True) if isinstance(one, Unavailable)]
        if away and await self.records.away():
            # To let them run out would count as an attempt that failed, and after a few there is none left. One that
            # alone cannot be had must: kept, it would be tried for ever, and nothing else be received.
            self.lanes.keep([message for _, message in away])
        leases = [(one, message) for one, message in zip(admitted, messages, strict=True) if isinstance(one, Lease)]
        if away and not leases:
            raise away[0][0]
        suspect = next((one for one in leases if one[0].receives > 1), None)
        if suspect is None:
            return [lease for lease, _ in leases]
        self.lanes.keep([message for lease, message in leases if lease is not suspect[0]])
        return [suspect[0]]

    async def _admit(self, message: Message, worker_id: str) -> Lease | Unavailable | None:
        """Return a lease on the message's job, or why that cannot be had now.

        None, and the message is gone, if there is nothing to do for it.
        """
        try:
            return await self._admitted(message, worker_id)
        except Unavailable as error:
            return error

    async def _admitted(self, message: Message, worker_id: str) -> Lease | None:
        envelope = await self._envelope(message)
        if envelope is None:
            return None
        job = envelope.job
        ended = await self.records.ending(job.job_id)
        if ended is not None:
            await self._conclude(message, envelope, ended)
        elif envelope.too_late(self.now_s(), message.sent_s):
            await self._conclude(message, envelope, await self.records.end(ending_of(job, JobState.EXPIRED)))
        elif message.receives > self.max_receives:
            await self._give_up(message, envelope)
        else:
            if envelope.recorded or message.receives == self.max_receives:
                await self.records.leased(job.job_id, Holder(worker_id=worker_id, receives=message.receives))
            waited_ms = max(0.0, 1000 * (self.now_s() - message.sent_s))
            token = f"{envelope.reply}:{message.handle}"
            return Lease(job=job, token=token, receives=message.receives, waited_ms=waited_ms)
        return None

    async def _envelope(self, message: Message) -> Envelope | None:
        """Return what a message carries or points at; one that is not of this service goes to the dead letters."""
        try:
            recorded = read_pointer(message.body)
            if recorded is None:
                return read_envelope(message.body)
        except ValueError as error:
            reason = f"Not a request of this service: {error}."
            log.warning("message given up", queue=self.lanes.resource(message.lane), reason=reason)
            await self.dead.bury(message.body, receives=message.receives, reason=reason, died_s=self.now_s())
            await self.lanes.delete(message.lane, message.handle)
            return None
        envelope = await self.records.envelope(recorded)
        if envelope is None:  # erased
            await self.lanes.delete(message.lane, message.handle)
        return envelope

    async def _conclude(self, message: Message, envelope: Envelope, ending: Ending) -> None:
        # Whoever withdrew a job has told its node.
        if ending.state is not JobState.CANCELLED:
            await self.answers.tell(envelope.reply, ending)
        await self.lanes.delete(message.lane, message.handle)

    async def _give_up(self, message: Message, envelope: Envelope) -> None:
        receives = message.receives - 1
        holder = await self.records.holder(envelope.job.job_id)
        reason = given_up(receives, holder.worker_id if holder else "unknown")
        log.error("job given up", job=envelope.job.job_id, reason=reason)
        # Buried first: dying in between makes a second letter, not none.
        died_s = self.now_s()
        await self.dead.bury(message.body, receives=receives, reason=reason, died_s=died_s)
        ending = ending_of(envelope.job, JobState.DEAD, receives=receives, reason=reason, died_s=died_s)
        await self._conclude(message, envelope, await self.records.end(ending))

    async def _extend(self, lease: Lease) -> bool:
        try:
            ended = await self.records.ending(lease.job.job_id) is not None
        except Unavailable:  # to let it run out until the store is back would count as an attempt that failed
            ended = False
        return not ended and await self._still_ours(lease)

    async def _still_ours(self, lease: Lease) -> bool:
        """Return whether nobody else has received the message; if so it stays hidden for another term."""
        try:
            await self.lanes.hide(lease.job.lane, _parts(lease)[1], self.lease_s)
        except AwsRefusal as error:
            if error.code in NOT_OURS:
                return False
            if error.code not in VISIBLE:
                raise
        return True


def _parts(lease: Lease) -> tuple[str, str]:
    """Return the name of the queue to respond to, and the receipt handle."""
    reply, handle = lease.token.split(":", 1)
    return reply, handle


def _digest(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()[:16]
