"""Jobs that were given up, as the dead-letter queue holds them: listed, sent anew, withdrawn."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from facefleet.adapters.sqs_dead import DeadLetters, Letter
from facefleet.adapters.sqs_lanes import Lanes
from facefleet.adapters.sqs_messages import Envelope, job_id_of, pointer_json, read_envelope
from facefleet.adapters.sqs_records import Records
from facefleet.core.faces import Page
from facefleet.core.jobs import DeadLetter, JobState


class GivenUp:
    """The jobs of the dead letters; messages that never were requests of this service are passed over.

    Args:
        now_s: Unix time.
    """

    def __init__(self, dead: DeadLetters, records: Records, lanes: Lanes, *, now_s: Callable[[], float]) -> None:
        self._dead = dead
        self._records = records
        self._lanes = lanes
        self._now_s = now_s

    async def page(self, *, limit: int, after: str | None) -> Page[DeadLetter]:
        """List by time of death; the cursor is that time and the job."""
        found = [await self._dead_letter(letter) for letter in await self._dead.letters()]
        letters = sorted((one for one in found if one is not None), key=_cursor)
        rest = [one for one in letters if after is None or _cursor(one) > after]
        more = len(rest) > limit
        return Page(items=tuple(rest[:limit]), next_after=_cursor(rest[limit - 1]) if more else None)

    async def redrive(self, job_ids: Sequence[str] | None) -> int:
        """Send jobs anew (all if None), without a deadline; return how many.

        The letters of jobs that have ended otherwise, as of one that was withdrawn after SQS itself had moved it, go.
        """
        revived = 0

        def wanted(letter: Letter) -> bool:
            job_id = job_id_of(letter.body)
            return job_id is not None and (job_ids is None or job_id in job_ids)

        async def revive(letter: Letter) -> None:
            nonlocal revived
            revived += await self._revive(letter)

        await self._dead.take(wanted, revive)
        return revived

    async def withdraw(self, job_id: str) -> None:
        """Delete the letter of a job."""

        async def nothing(_: Letter) -> None:
            """Its deletion is all there is to do."""

        await self._dead.take(lambda letter: job_id_of(letter.body) == job_id, nothing)

    async def _dead_letter(self, letter: Letter) -> DeadLetter | None:
        envelope = await self._envelope(letter)
        if envelope is None:
            return None
        return DeadLetter(
            job_id=envelope.job.job_id,
            kind=envelope.job.task.kind,
            created_s=envelope.job.created_s,
            receives=letter.receives,
            reason=letter.reason,
            died_s=letter.died_s,
        )

    async def _revive(self, letter: Letter) -> bool:
        envelope = await self._envelope(letter)
        if envelope is None:
            return False
        ended = await self._records.ending(envelope.job.job_id)
        if ended is not None and ended.state is not JobState.DEAD:
            return False
        anew = replace(envelope.revived(self._now_s()), recorded=True)
        await self._records.resent(anew)
        await self._lanes.send(anew.job.lane, pointer_json(anew.job.job_id))
        return True

    async def _envelope(self, letter: Letter) -> Envelope | None:
        try:
            return read_envelope(letter.body)
        except ValueError:
            job_id = job_id_of(letter.body)
            return None if job_id is None else await self._records.envelope(job_id)


def _cursor(letter: DeadLetter) -> str:
    return f"{letter.died_s:014.3f} {letter.job_id}"
