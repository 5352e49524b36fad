"""The web room over ports in memory, with a stand-in for the worker.

The stand-in leases jobs like a worker and answers with documents made by hand; what a real one answers is covered by
the acceptance tests.
"""

import asyncio
import contextlib
import io
import time
import uuid

import httpx
import numpy as np
from PIL import Image

from facefleet.adapters.memory import MemoryGallery, MemoryQueue, MemoryRoster
from facefleet.adapters.objects import Objects
from facefleet.config import Settings
from facefleet.core import answers
from facefleet.core.faces import Box, EnrolledFace, Template
from facefleet.core.fleet import Worker, WorkerState
from facefleet.core.jobs import Answer, Detect, Enrol, Identify, Job, Search, Verify, input_keys
from facefleet.errors import FacefleetError
from facefleet.usecases.admission import Admission
from facefleet.usecases.intake import Intake
from facefleet.usecases.service import Service
from facefleet.web.app import create_app

MODEL = "made-by-hand"
FACE = answers.FaceJson(
    box=answers.BoxJson(left=170, top=60, width=110, height=140), confidence=0.99, landmarks={"nose": (220.0, 130.0)}
)
TOOK = answers.TookJson(queue=1.0, decode=2.0, detect=3.0, embed=4.0, search=5.0, total=15.0)


class StandIn:
    """Answers jobs; `person` is who every face is taken for, `error` what every job ends with."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.person: str | None = "Eileen"
        self.faces = 1
        self.error: FacefleetError | None = None
        self.seen: list[Job] = []
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        while True:
            for lease in await self._service.queue.lease("stand-in", limit=8, wait_s=60):
                self.seen.append(lease.job)
                await self._service.queue.finish(lease, await self._answer(lease.job), busy_ms=1.0)

    async def _answer(self, job: Job) -> Answer:
        if self.error is not None:
            return Answer(job_id=job.job_id, error=self.error.to_dict())
        for key in input_keys(job.task):
            await self._service.store.get(key)
        try:
            document = await self._document(job)
        except FacefleetError as error:
            return Answer(job_id=job.job_id, error=error.to_dict())
        return Answer(job_id=job.job_id, body=document.model_dump_json().encode())

    async def _document(self, job: Job):
        common = {"job_id": job.job_id, "model_id": MODEL, "took_ms": TOOK}
        image = answers.ImageJson(width=512, height=512)
        match job.task:
            case Detect():
                return answers.DetectAnswer(**common, image=image, faces=(FACE,) * self.faces)
            case Verify(threshold=threshold):
                compared = answers.ComparedFaceJson(**dict(FACE), similarity=83.0)
                return answers.VerifyAnswer(
                    **common,
                    same=True,
                    similarity=83.0,
                    threshold=threshold or 70.0,
                    source_image=image,
                    source=FACE,
                    target_image=image,
                    target=(compared,),
                )
            case Identify() as task:
                await self._service.gallery.collection(task.collection)
                face = answers.IdentifiedFaceJson(**dict(FACE), person=self.person, candidates=())
                return answers.IdentifyAnswer(
                    **common,
                    collection=task.collection,
                    threshold=task.threshold or 70.0,
                    image=image,
                    faces=(face,) * self.faces,
                )
            case Search(collection=collection, threshold=threshold):
                return answers.SearchAnswer(
                    **common, collection=collection, threshold=threshold, image=image, searched=FACE
                )
            case Enrol() as task:
                return answers.EnrolAnswer(
                    **common, collection=task.collection, image=image, faces=(await self._enrol(job, task),)
                )

    async def _enrol(self, job: Job, task: Enrol) -> answers.EnrolledFaceJson:
        face_id = str(uuid.uuid5(uuid.UUID(job.job_id), "0"))
        crop_key = f"crops/{task.collection}/{face_id}.png"
        await self._service.store.put(crop_key, b"\x89PNG made by hand")
        face = EnrolledFace(
            face_id=face_id,
            collection_id=task.collection,
            image_id=job.job_id,
            person=task.person,
            external_image_id=None,
            photo_sha256=task.photo_sha256,
            box=Box(left=0.3, top=0.1, width=0.2, height=0.3),
            landmarks=((0.4, 0.2),) * 5,
            confidence=0.99,
            quality=None,
            pose=None,
            crop_key=crop_key,
            created_s=1_700_000_000.0,
            template=Template(model_id=MODEL, vector=np.full(4, 0.5, np.float32)),
        )
        (kept,) = await self._service.gallery.enrol([face])
        return answers.EnrolledFaceJson(
            **dict(FACE), face_id=kept.face_id, image_id=kept.image_id, person=kept.person, new=kept.face_id == face_id
        )


def make_service(**settings) -> Service:
    chosen = Settings(
        **({"max_workers": 2, "request_timeout_s": 5.0, "lease_s": 0.01, "max_image_bytes": 200_000} | settings)
    )
    queue, store = MemoryQueue(), Objects("memory:///")
    admission = Admission(max_workers=chosen.max_workers, answer_within_s=chosen.request_timeout_s)
    intake = Intake(
        queue=queue,
        store=store,
        admission=admission,
        max_image_bytes=chosen.max_image_bytes,
        max_image_pixels=chosen.max_image_pixels,
        keep=chosen.retention_days > 0,
        new_id=lambda: str(uuid.uuid4()),
        now_s=time.time,
    )
    return Service(
        settings=chosen,
        queue=queue,
        store=store,
        gallery=MemoryGallery(),
        roster=MemoryRoster(clock=time.time),
        intake=intake,
        admission=admission,
        model_id=MODEL,
    )


@contextlib.asynccontextmanager
async def working(service: Service):
    """A stand-in at work on a service whose default collection exists."""
    await service.gallery.create_collection("default", model_id=MODEL, tags={})
    await service.roster.publish([Worker(worker_id="w-1", state=WorkerState.RUNNING, since_s=1_700_000_000.0)])
    stand_in = StandIn(service)
    stand_in.task = asyncio.create_task(stand_in.run(), name="stand-in")
    try:
        yield stand_in
    finally:
        stand_in.task.cancel()
        await asyncio.wait([stand_in.task])


def client_of(service: Service, host: str = "127.0.0.1:8000") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(service))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


def said(response: httpx.Response, status: int, code: str) -> str:
    """Return the detail of a problem document, having checked the rest of it."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert response.status_code == document["status"] == status, response.text
    assert document["code"] == code
    assert document["type"] == "about:blank"
    assert document["title"]
    return document["detail"]
