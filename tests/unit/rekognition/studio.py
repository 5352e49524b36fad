"""Photos whose faces are known, and a service that sees them: everything is real but the vision.

A photo is a plain picture that says in its comment whose faces it shows and where. The engine reads that instead of
looking; worker, queue, gallery, store, web tier and keys are those of the program, on ports in memory.
"""

import asyncio
import contextlib
import io
import json
import random
import threading
import time
import uuid
from dataclasses import asdict, dataclass

import numpy as np
import uvicorn
from PIL import Image, PngImagePlugin

from facefleet.adapters.buckets import ObjectBuckets
from facefleet.adapters.key_file import KeyFile
from facefleet.adapters.memory import MemoryGallery, MemoryKeys, MemoryQueue, MemoryReceipts, MemoryRoster
from facefleet.adapters.objects import Objects
from facefleet.config import Settings
from facefleet.core.calibration import Calibration, Point
from facefleet.core.faces import Box, Face, Pose, Quality, Recognition, Template
from facefleet.core.jobs import QueueCounts
from facefleet.core.keys import AccessKey, Grant, Scope
from facefleet.usecases.admission import Admission
from facefleet.usecases.enrolment import Enrolment
from facefleet.usecases.intake import Intake
from facefleet.usecases.recognise import Recogniser
from facefleet.usecases.service import Service
from facefleet.web.app import create_app
from facefleet.web.rekognition.call import Backing
from facefleet.web.rekognition.paging import PagingTokens
from facefleet.worker.loop import Worker

MODEL = "made-by-hand"
SIZE = 64
# Similarity is a hundred times the cosine: what a test asks for is what it gets.
CALIBRATION = Calibration(
    model_id=MODEL, points=(Point(0.0, 0.0), Point(0.99, 99.0)), impostor_pairs=0, data="none: a straight line"
)


@dataclass(frozen=True)
class Sitter:
    """A face in a photo: who, where (pixels), how well it can be seen.

    Attributes:
        likeness: cosine of this photo's template with the person's own.
    """

    name: str
    left: float = 100.0
    top: float = 100.0
    side: float = 120.0
    likeness: float = 1.0
    confidence: float = 0.999
    brightness: float = 60.0
    sharpness: float = 80.0
    yaw: float = 3.0
    pitch: float = -2.0


def photo(*sitters: Sitter, width: int = 640, height: int = 480, kind: str = "JPEG", colour: int = 128) -> bytes:
    """Return a photo that shows these faces; another colour makes it another photo."""
    picture = Image.new("RGB", (width, height), (colour, 90, 60))
    faces = json.dumps([asdict(sitter) for sitter in sitters])
    file = io.BytesIO()
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("comment", faces)
        picture.save(file, kind, pnginfo=text)
    else:
        picture.save(file, kind, comment=faces.encode())
    return file.getvalue()


def template_of(sitter: Sitter) -> Template:
    """Return the person's own direction, turned away by `likeness` in one that depends on the photo."""
    own = _direction(sitter.name)
    other = _direction(f"{sitter.name} at {sitter.left} {sitter.likeness}")
    other = other - own * float(own @ other)
    other /= np.linalg.norm(other)
    vector = sitter.likeness * own + np.sqrt(1 - sitter.likeness**2) * other
    return Template(model_id=MODEL, vector=vector.astype(np.float32))


def _direction(name: str) -> np.ndarray:
    vector = np.random.default_rng(list(name.encode())).normal(size=SIZE)
    return vector / np.linalg.norm(vector)


class ReadingEngine:
    """Takes the faces from the photo's comment, largest first; takes `delay_s` for it."""

    delay_s = 0.0

    def recognise(self, photos, *, embed=True):
        del embed  # a template too many hurts nobody here
        time.sleep(self.delay_s)
        return [self._read(one) for one in photos]

    def _read(self, one) -> Recognition:
        picture = Image.open(io.BytesIO(one.data))
        comment = picture.info.get("comment", b"[]")
        sitters = [Sitter(**fields) for fields in json.loads(comment)]
        faces = tuple(self._face(one.image_id, sitter) for sitter in sorted(sitters, key=lambda sitter: -sitter.side))
        return Recognition(image_id=one.image_id, width=picture.width, height=picture.height, faces=faces, took_ms={})

    def _face(self, image_id: str, sitter: Sitter) -> Face:
        x, y, side = sitter.left, sitter.top, sitter.side
        return Face(
            image_id=image_id,
            box=Box(left=x, top=y, width=side, height=side),
            confidence=sitter.confidence,
            landmarks=tuple(
                (x + dx * side, y + dy * side)
                for dx, dy in ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
            ),
            quality=Quality(brightness=sitter.brightness, sharpness=sitter.sharpness),
            pose=Pose(roll=0.0, yaw=sitter.yaw, pitch=sitter.pitch),
            chip=np.zeros((150, 150, 3), np.uint8),
            template=template_of(sitter),
        )


class Clock:
    """The service's clock: this machine's, moved by as much as a test says."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class Studio:
    """The service on a port of its own, in a thread of its own."""

    def __init__(self, folder, *, anonymous: bool = False, s3_buckets: str = "", gallery=None) -> None:
        self.folder = folder
        self.gallery = gallery or MemoryGallery(now_s=time.time)
        self.clock = Clock()
        self.settings = Settings(
            data=folder, request_timeout_s=20.0, lease_s=10.0, anonymous=anonymous, s3_buckets=s3_buckets
        )
        self.keys = MemoryKeys()
        self.vault = KeyFile(folder / "access.key")
        self.receipts = MemoryReceipts(keep_s=3600.0, clock=self.clock)
        self.engine = ReadingEngine()
        self.service = self._service()
        backing = Backing(
            keys=self.keys,
            vault=self.vault,
            receipts=self.receipts,
            buckets=ObjectBuckets(self.settings.effective_store_url, s3=self.settings.s3_bucket_names),
            calibration=CALIBRATION,
            anonymous=anonymous,
            now_s=self.clock,
        )
        self._app = create_app(self.service, backing)
        self._loop = asyncio.new_event_loop()
        self._server: uvicorn.Server | None = None
        self.address = ""

    def _service(self) -> Service:
        queue, store, gallery = (
            MemoryQueue(lease_s=30.0, max_receives=3, clock=time.monotonic),
            Objects(self.settings.effective_store_url),
            self.gallery,
        )
        admission = Admission(max_workers=1, answer_within_s=20.0)
        intake = Intake(
            queue=queue,
            store=store,
            admission=admission,
            max_image_bytes=self.settings.max_image_bytes,
            max_image_pixels=self.settings.max_image_pixels,
            keep=True,
            new_id=lambda: str(uuid.uuid4()),
            now_s=time.time,
        )
        return Service(
            settings=self.settings,
            queue=queue,
            store=store,
            gallery=gallery,
            roster=MemoryRoster(clock=time.monotonic),
            intake=intake,
            admission=admission,
            model_id=MODEL,
        )

    def add_key(self, scope: Scope = Scope.ADMIN, *collections: str) -> tuple[str, str]:
        """Make an access key; return its id and secret."""
        name, secret = f"KEY{random.randrange(10**12):012}", f"secret/{uuid.uuid4()}"
        grant = Grant(scope=scope, collections=frozenset(collections) or None)
        self.run(
            self.keys.add(
                AccessKey(access_key_id=name, grant=grant, created_s=1.0, sealed_secret=self.vault.seal(name, secret))
            )
        )
        return name, secret

    def tokens(self) -> PagingTokens:
        """Return what makes and reads this service's paging tokens."""
        return PagingTokens(self.vault.derive("paging tokens"), now_s=self.clock)

    def overfill(self, jobs: int) -> None:
        """Let the admission believe that so many jobs wait."""
        self.service.admission.observe(QueueCounts(visible=jobs, in_flight=0, dead=0, oldest_age_s=0.0))

    def run(self, coroutine):
        """Run something in the service's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=90)

    @contextlib.contextmanager
    def open(self):
        """Serve until the block ends."""
        ready = threading.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(ready),), name="studio")
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            assert self._server is not None
            self._server.should_exit = True
            thread.join(30)
            self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        service, stop = self.service, asyncio.Event()
        enrolment = Enrolment(gallery=service.gallery, store=service.store, model_id=MODEL, now_s=time.time)
        worker = Worker(
            worker_id="studio",
            queue=service.queue,
            store=service.store,
            roster=service.roster,
            engine=self.engine,
            recogniser=Recogniser(
                gallery=service.gallery, enrolment=enrolment, calibration=CALIBRATION, model_id=MODEL, threshold=70.0
            ),
            batch_size=4,
            keep=True,
            store_first=False,
            orphaned=lambda: False,
        )
        config = uvicorn.Config(
            self._app,
            port=0,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=600,  # a client that takes its time between two requests is not hung up on
        )
        self._server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as rooms:
            rooms.create_task(worker.run(stop), name="worker")
            serving = rooms.create_task(self._server.serve(), name="http")
            while not self._server.started:
                await asyncio.sleep(0.01)
            host, port = self._server.servers[0].sockets[0].getsockname()[:2]
            self.address = f"http://{host}:{port}"
            ready.set()
            await serving
            stop.set()
