"""The web tier's half of a recognition: keep the photo, queue the request, hand over the answer.

Bytes go to the store once and the queue carries the key (claim check). Headers are checked here, before anything is
stored, so that what is plainly no photo never reaches a worker.
"""

from collections.abc import Callable, Sequence

from facefleet.core.jobs import Answer, Job, Lane, Task, input_keys, input_places, of_which
from facefleet.errors import BrokenInvariant, ImageTooLarge, InvalidImage, from_dict
from facefleet.ports import ObjectStore, Queue
from facefleet.usecases.admission import Admission
from facefleet.vision.formats import sniff

MakeTask = Callable[[Sequence[str]], Task]


class Intake:
    """Takes photos in.

    Args:
        keep: whether photos and answers are kept after the answer (retention is not 0).
        new_id: makes a fresh UUID.
        now_s: Unix time.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        store: ObjectStore,
        admission: Admission,
        max_image_bytes: int,
        max_image_pixels: int,
        keep: bool,
        new_id: Callable[[], str],
        now_s: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._store = store
        self._admission = admission
        self._max_image_bytes = max_image_bytes
        self._max_image_pixels = max_image_pixels
        self._keep = keep
        self._new_id = new_id
        self._now_s = now_s

    async def accept(
        self, photos: Sequence[bytes], make_task: MakeTask, *, wait_s: float, lane: Lane = Lane.INTERACTIVE
    ) -> Job:
        """Keep the photos of a client that will wait; `answer` queues the job, and the photos may be let go of.

        Args:
            photos: encoded images.
            make_task: receives the photos' store keys, in order.
            wait_s: how long the client will wait.

        Raises:
            InvalidImage: a photo is no photo, or too large.
            Overloaded: the queue is too long.
        """
        self._admission.admit()
        return await self._take_in(photos, make_task, lane=lane, deadline_s=wait_s, durable=False)

    async def answer(self, job: Job) -> bytes:
        """Queue an accepted job, wait for as long as its client does, and withdraw it after that or when cancelled.

        Returns:
            The answer, UTF-8 JSON (one of the documents in `core/answers.py`).

        Raises:
            DeadlineExceeded: no answer came in time.
            FacefleetError: whatever the worker answered.
        """
        assert job.deadline_s is not None
        try:
            return _body(await self._queue.ask(job, wait_s=job.deadline_s))
        finally:
            if not self._keep:
                await self._erase(job.job_id, input_keys(job.task))

    async def submit(
        self, photos: Sequence[bytes], make_task: MakeTask, *, lane: Lane, deadline_s: float | None = None
    ) -> Job:
        """Queue durably and return at once: photo and job survive a power cut once this returns."""
        job = await self._take_in(photos, make_task, lane=lane, deadline_s=deadline_s, durable=True)
        await self._queue.put(job)
        return job

    async def fetched(self, job_id: str) -> None:
        """Erase a submitted job that its client is done with, with its photos, if nothing is to be kept."""
        if not self._keep:
            await self._erase(job_id, input_places(job_id))

    def check(self, photo: bytes) -> None:
        """Look at a photo's size and header.

        Raises:
            InvalidImage: it is no photo, or too large.
        """
        if not photo:
            raise InvalidImage("The photo is empty (0 bytes); send the bytes of an image file.")
        if len(photo) > self._max_image_bytes:
            raise ImageTooLarge(
                f"The photo has {len(photo) / 2**20:.1f} MiB; at most {self._max_image_bytes / 2**20:.0f} MiB are read."
            )
        info = sniff(photo)
        if info.width * info.height > self._max_image_pixels:
            raise ImageTooLarge(
                f"The photo has {info.width} x {info.height} pixels; at most "
                f"{self._max_image_pixels / 1e6:.0f} megapixels are read."
            )

    async def _take_in(
        self, photos: Sequence[bytes], make_task: MakeTask, *, lane: Lane, deadline_s: float | None, durable: bool
    ) -> Job:
        for place, photo in enumerate(photos):
            try:
                self.check(photo)
            except InvalidImage as error:
                raise of_which(error, place, len(photos)) from error
        job_id = self._new_id()
        alone, *numbered = input_places(job_id)
        keys = [alone] if len(photos) == 1 else numbered[: len(photos)]
        for key, photo in zip(keys, photos, strict=True):
            await self._store.put(key, photo, durable=durable)
        return Job(job_id=job_id, task=make_task(keys), created_s=self._now_s(), lane=lane, deadline_s=deadline_s)

    async def _erase(self, job_id: str, keys: Sequence[str]) -> None:
        await self._store.delete(keys)
        await self._queue.erase([job_id])


def _body(answer: Answer) -> bytes:
    if answer.error is not None:
        raise from_dict(answer.error)
    if not answer.body:
        raise BrokenInvariant("The worker answered with nothing.")
    return answer.body
