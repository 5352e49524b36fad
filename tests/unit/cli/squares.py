"""The real web room on a real port over ports in memory, with an engine for which a square of colour is a face.

A photo is a row of squares: a black one is background, any other a face whose colour says whose it is. Everything but
the engine is the service's own.
"""

import asyncio
import contextlib
import io
import threading
import time
import uuid
from time import perf_counter

import numpy as np
from PIL import Image

from facefleet.adapters.memory.gallery import MemoryGallery
from facefleet.adapters.memory.queue import MemoryQueue
from facefleet.adapters.memory.roster import MemoryRoster
from facefleet.adapters.objects import Objects
from facefleet.config import Settings
from facefleet.core.calibration import Calibration, Point
from facefleet.core.faces import Box, Face, Recognition, Template
from facefleet.core.fleet import Decision, Worker, WorkerState
from facefleet.core.jobs import input_keys
from facefleet.usecases.admission import Admission
from facefleet.usecases.enrolment import Enrolment
from facefleet.usecases.intake import Intake
from facefleet.usecases.recognise import Recogniser
from facefleet.usecases.service import Service
from facefleet.vision.decode import decode
from facefleet.web.app import create_app
from facefleet.web.server import listen, serve

MODEL = "squares"
SIDE_PX, SMALL_PX = 80, 16
RED, GREEN, BLUE, BLACK = (200, 0, 0), (0, 200, 0), (0, 0, 200), (0, 0, 0)
CALIBRATION = Calibration(model_id=MODEL, points=(Point(0.0, 0.0), Point(0.9, 70.0)), impostor_pairs=1, data="squares")


def photo(*colours, side_px=SIDE_PX, kind="PNG"):
    """Return the bytes of a photo with these faces."""
    pixels = np.concatenate([np.full((side_px, side_px, 3), colour, np.uint8) for colour in colours], axis=1)
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, kind, lossless=True)
        return file.getvalue()


def recognise(image_id, data):
    """Find the squares."""
    pixels = decode(data, max_pixels=10**7)
    height, width = pixels.shape[:2]
    faces = tuple(_face(image_id, left, height, pixels[0, left]) for left in range(0, width, height))
    found = tuple(face for face in faces if face is not None)
    return Recognition(image_id=image_id, width=width, height=height, faces=found, took_ms={})


def _face(image_id, left, side_px, colour):
    vector = colour.astype(np.float32)
    if not vector.any():
        return None
    return Face(
        image_id=image_id,
        box=Box(left=left, top=0, width=side_px, height=side_px),
        confidence=0.99,
        landmarks=((left, 0.0),) * 5,
        template=Template(model_id=MODEL, vector=vector / np.linalg.norm(vector)),
    )


class StandIn:
    """A service in a thread of its own.

    Args:
        folder: where it keeps photos.

    Attributes:
        url: where it is.
        delay_s: how long the engine takes for a photo.
        answered: how many photos it has answered.
    """

    def __init__(self, folder):
        self._folder = folder
        self.url = ""
        self.delay_s = 0.0
        self.answered = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Answer what is open and close the port."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    async def _main(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        service = make_service(self._folder)
        await service.roster.publish(
            [Worker(worker_id="w-1", state=WorkerState.RUNNING, since_s=time.time() - 60, jobs=("job-7",))]
        )
        for at_s, total, start, reason in (
            (60.0, 0, 1, "1 waits, 0 run: start 1."),
            (70.0, 5, 0, "1 is enough: hold."),
        ):
            decision = Decision(start=start, drain=(), reason=reason)
            await service.roster.record(decision, at_s=at_s, seen={"enqueued_total": total, "oldest_age_s": 0.25})
        listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        working = asyncio.create_task(self._work(service), name="worker")
        self._ready.set()
        await serve(create_app(service), listener, self._stop)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    async def _work(self, service):
        recogniser = Recogniser(
            gallery=service.gallery,
            enrolment=Enrolment(gallery=service.gallery, store=service.store, model_id=MODEL, now_s=time.time),
            calibration=CALIBRATION,
            model_id=MODEL,
            threshold=service.settings.threshold,
        )
        while True:
            for lease in await service.queue.lease("w-1", limit=8, wait_s=60):
                await asyncio.sleep(self.delay_s)
                keys = input_keys(lease.job.task)
                found = [recognise(key, await service.store.get(key)) for key in keys]
                answer = await recogniser.answer(lease, found, started_s=perf_counter())
                await service.queue.finish(lease, answer, busy_ms=1.0)
                self.answered += 1


def make_service(folder):
    settings = Settings(request_timeout_s=20, lease_s=10)
    queue, store = MemoryQueue(), Objects(folder.as_uri())
    admission = Admission(max_workers=1, answer_within_s=settings.request_timeout_s)
    intake = Intake(
        queue=queue,
        store=store,
        admission=admission,
        max_image_bytes=settings.max_image_bytes,
        max_image_pixels=settings.max_image_pixels,
        keep=True,
        new_id=lambda: str(uuid.uuid4()),
        now_s=time.time,
    )
    return Service(
        settings=settings,
        queue=queue,
        store=store,
        gallery=MemoryGallery(),
        roster=MemoryRoster(clock=time.time),
        intake=intake,
        admission=admission,
        model_id=MODEL,
    )
