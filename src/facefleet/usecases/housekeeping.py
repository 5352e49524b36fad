"""What must go after its time: photos, answers, ended jobs."""

from collections.abc import AsyncIterator, Callable

from facefleet.core.jobs import JobState, input_places, output_place, whose_photo
from facefleet.errors import NotFound
from facefleet.ports import ObjectStore, Queue

DAY_S = 86_400.0
# With retention 0 an answer that nobody fetched (a job answered 202) is kept this long, or it could never be read; and
# so is the photo of a job that ended without an answer.
UNFETCHED_S = 3_600.0
CHUNK = 500
# A look lists all that is kept, and a bucket charges for a thousand keys that it lists as for one that it takes:
# a look a minute, at a million photos a month, would cost ten times what their own calls do. So it is one an hour, and
# more often where the retention is short.
LOOK_S = 3_600.0
_LOOKS = 24
# Nobody reads the photo any more. A queue need not record such an end, and then has nothing to forget: SQS a purge.
_UNREAD = frozenset({JobState.CANCELLED, JobState.EXPIRED})


class Expiry:
    """Deletes what is past retention, whenever it is time to look for it.

    Args:
        now_s: any clock, in seconds.
    """

    def __init__(self, queue: Queue, store: ObjectStore, *, retention_days: float, now_s: Callable[[], float]) -> None:
        self._queue = queue
        self._store = store
        self._retention_days = retention_days
        self._now_s = now_s
        self._due_s = now_s()

    async def go_on(self) -> int:
        """Delete, if it is time; return how many of jobs, photos and answers went."""
        now_s = self._now_s()
        if now_s < self._due_s:
            return 0
        gone = await expire(self._queue, self._store, retention_days=self._retention_days)
        self._due_s = now_s + min(LOOK_S, _kept_s(self._retention_days) / _LOOKS)
        return gone


async def expire(queue: Queue, store: ObjectStore, *, retention_days: float) -> int:
    """Delete ended jobs, photos and answers past retention; return how many of all these went."""
    age_s = _kept_s(retention_days)
    ended = 0
    while job_ids := await queue.forget(answered_before_s=age_s):
        await store.delete([key for job_id in job_ids for key in (*input_places(job_id), output_place(job_id))])
        ended += len(job_ids)
    return (
        ended
        + await _clear_photos(queue, store, older_than_s=max(age_s, UNFETCHED_S))
        + await clear(store, "outputs/", older_than_s=age_s)
    )


async def _clear_photos(queue: Queue, store: ObjectStore, *, older_than_s: float) -> int:
    """Delete photos that no ended job accounted for; one whose job still waits must not go, however long it waits."""
    deleted = 0
    async for chunk in chunks(store.keys("inputs/", older_than_s=older_than_s)):
        gone = [key for key in chunk if not await _is_needed(queue, key)]
        await store.delete(gone)
        deleted += len(gone)
    return deleted


async def _is_needed(queue: Queue, key: str) -> bool:
    job_id = whose_photo(key)
    if job_id is None:
        return False
    try:
        return (await queue.status(job_id)).state not in _UNREAD
    except NotFound:
        return False


def _kept_s(retention_days: float) -> float:
    return retention_days * DAY_S or UNFETCHED_S


async def clear(store: ObjectStore, prefix: str, *, older_than_s: float = 0.0) -> int:
    """Delete every object under a prefix that is older than this; return how many."""
    deleted = 0
    async for chunk in chunks(store.keys(prefix, older_than_s=older_than_s)):
        await store.delete(chunk)
        deleted += len(chunk)
    return deleted


async def chunks(keys: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    """Yield keys by the `CHUNK`."""
    chunk: list[str] = []
    async for key in keys:
        chunk.append(key)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
