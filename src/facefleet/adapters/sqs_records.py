"""What SQS does not keep, kept in the store: which jobs were sent, who works on them, how they ended.

A job ends once: its ending is created where none may exist yet (S3: `If-None-Match: *`), so of a worker that answers,
another that believes to hold the same job and a client that withdraws it, one wins and all see the same.

    jobs/sent/ID     the envelope of a job whose client does not wait on the line, or that is too large for a message
    jobs/lease/ID    who has it; of a job without `sent` only when it is leased for the last time
    jobs/ended/ID    how it ended
    jobs/purged      when everything without an ending was cancelled
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from facefleet.adapters.objects import Objects
from facefleet.adapters.sqs_messages import Ending, Envelope, ending_json, envelope_json, read_ending, read_envelope
from facefleet.errors import NotFound, Unavailable

_SENT, _LEASE, _ENDED, _PURGED = "jobs/sent/", "jobs/lease/", "jobs/ended/", "jobs/purged"
# Endings forgotten in one call.
_FORGET = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who leased a job last, and for the how manieth time."""

    worker_id: str
    receives: int


class Records:
    """The jobs' records in a store."""

    def __init__(self, store: Objects) -> None:
        self._store = store

    async def sent(self, envelope: Envelope) -> bool:
        """Record a job that is about to be sent; return whether it is new."""
        if await self._store.create(_SENT + envelope.job.job_id, envelope_json(envelope).encode()):
            return True
        # Ours after all, if the connection broke after the first attempt to write it.
        return await self.envelope(envelope.job.job_id) == envelope

    async def resent(self, envelope: Envelope) -> None:
        """Record a job that is sent anew: it has not ended any more."""
        job_id = envelope.job.job_id
        await self._store.put(_SENT + job_id, envelope_json(envelope).encode())
        await self._store.delete([_ENDED + job_id, _LEASE + job_id])

    async def unsent(self, job_id: str) -> None:
        """Forget a job that could not be sent."""
        await self._store.delete([_SENT + job_id])

    async def envelope(self, job_id: str) -> Envelope | None:
        """Return a recorded job."""
        found = await self._read(_SENT + job_id)
        return None if found is None else read_envelope(found.decode())

    async def leased(self, job_id: str, holder: Holder) -> None:
        """Record who has a job."""
        document = {"worker": holder.worker_id, "receives": holder.receives}
        await self._store.put(_LEASE + job_id, json.dumps(document).encode())

    async def holder(self, job_id: str) -> Holder | None:
        """Return who had a job last, if that was recorded."""
        found = await self._read(_LEASE + job_id)
        if found is None:
            return None
        document = json.loads(found)
        return Holder(worker_id=document["worker"], receives=document["receives"])

    async def released(self, job_id: str) -> None:
        """Record that nobody has a job."""
        await self._store.delete([_LEASE + job_id])

    async def end(self, ending: Ending) -> Ending:
        """Record how a job ended, unless it has ended; return how it ended."""
        key = _ENDED + ending.job_id
        if await self._store.create(key, ending_json(ending).encode()):
            return ending
        stood = await self._read(key)
        # Erased between the two: whoever erased it had read it.
        return ending if stood is None else read_ending(stood)

    async def replace(self, ending: Ending) -> None:
        """Record another ending in place of the first."""
        await self._store.put(_ENDED + ending.job_id, ending_json(ending).encode())

    async def ending(self, job_id: str) -> Ending | None:
        """Return how a job ended, None if it has not."""
        found = await self._read(_ENDED + job_id)
        return None if found is None else read_ending(found)

    async def purge(self, now_s: float) -> None:
        """Cancel every job sent before now that has not ended."""
        await self._store.put(_PURGED, repr(now_s).encode())

    async def purged_s(self) -> float:
        """Return when all was purged last, 0 if never."""
        return float(await self._read(_PURGED) or 0.0)

    async def away(self) -> bool:
        """Return whether nothing at all can be read."""
        try:
            await self.purged_s()
        except Unavailable:
            return True
        return False

    async def erase(self, job_ids: Sequence[str]) -> None:
        """Delete all that is known of these jobs."""
        await self._store.delete([prefix + job_id for job_id in job_ids for prefix in (_SENT, _LEASE, _ENDED)])

    async def forget(self, older_than_s: float) -> Sequence[str]:
        """Delete jobs that ended more than this many seconds ago, a thousand at a time; return their ids."""
        old: list[str] = []
        async for key in self._store.keys(_ENDED, older_than_s=older_than_s):
            old.append(key.removeprefix(_ENDED))
            if len(old) == _FORGET:
                break
        await self.erase(old)
        return old

    async def _read(self, key: str) -> bytes | None:
        try:
            return await self._store.get(key)
        except NotFound:
            return None
