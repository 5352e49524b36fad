"""The one file that knows which technology stands behind each port, and that gives the rooms their clocks and ids.

What only one room or one technology needs is imported where it is chosen: a worker starts a second earlier without the
web room, and an elastic fleet starts workers all day.
"""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr

from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.objects import Objects
from facefleet.adapters.postgres import Database, migrate
from facefleet.adapters.postgres_gallery import PostgresGallery
from facefleet.adapters.postgres_keys import PostgresKeys, PostgresReceipts
from facefleet.adapters.postgres_queue import PostgresQueue
from facefleet.adapters.postgres_roster import PostgresRoster
from facefleet.adapters.split_store import SplitStore
from facefleet.config import Settings, aws_region
from facefleet.errors import InvalidInput, Unavailable
from facefleet.ports import Fleet, Gallery, Keys, ObjectStore, Queue, Receipts, Roster, Vault
from facefleet.vision.models import MODEL_ID

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from facefleet.adapters.aws import Aws
    from facefleet.adapters.sqs_names import Queues
    from facefleet.controller.loop import Controller
    from facefleet.core.scaling.terms import Billing, Objective
    from facefleet.usecases.service import Service
    from facefleet.worker.loop import Worker

log = structlog.get_logger()

_WATCH_S = 1.0
# How long a request that its client sends again under the same token is answered again instead of done again.
RECEIPT_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """What every room needs."""

    queue: Queue
    store: ObjectStore
    gallery: Gallery
    roster: Roster
    keys: Keys
    receipts: Receipts


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Settings]:
    """Yield the settings with a database URL: the given one, or that of the embedded server, which runs meanwhile."""
    if settings.database_url is not None:
        yield settings
        return
    server = EmbeddedPostgres(settings.data / "postgres")
    try:
        url = await asyncio.to_thread(server.start)
        watching = asyncio.create_task(_revive(server), name="embedded database")
        try:
            async with _open_to_fleet(settings, server):
                yield _with_database(settings, url)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
    finally:
        await asyncio.to_thread(server.stop)


def running_database(settings: Settings) -> Settings:
    """Return the settings with the URL of a database that somebody else runs.

    Raises:
        Unavailable: none was named and the embedded one is not running.
    """
    if settings.database_url is not None:
        return settings
    try:
        return _with_database(settings, EmbeddedPostgres(settings.data / "postgres").url())
    except Unavailable as error:
        raise Unavailable(
            f"{error.detail} Start it with `facefleet web --data {settings.data}` (or `up`), or give --database-url."
        ) from error


@asynccontextmanager
async def ports(settings: Settings) -> AsyncIterator[Ports]:
    """Open the adapters; the database is brought up to date first."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    await migrate(url)
    async with Database(url) as database, _queue(settings, database) as queue:
        yield Ports(
            queue=queue,
            store=_store(settings),
            gallery=PostgresGallery(database),
            roster=_roster(settings, database),
            keys=PostgresKeys(database),
            receipts=PostgresReceipts(database, keep_s=RECEIPT_S),
        )


def vault(settings: Settings) -> Vault:
    """Return what seals the secrets of access keys; its file is made the first time."""
    from facefleet.adapters.key_file import KeyFile

    return KeyFile(settings.effective_key_file)


async def service(settings: Settings, ports: Ports) -> "Service":
    """Return what the web room serves; the default collection exists from then on."""
    from facefleet.usecases.admission import Admission
    from facefleet.usecases.galleries import ensure_collection
    from facefleet.usecases.intake import Intake
    from facefleet.usecases.service import Service

    await ensure_collection(ports.gallery, settings.collection, model_id=MODEL_ID)
    admission = Admission(max_workers=settings.max_workers, answer_within_s=settings.request_timeout_s)
    intake = Intake(
        queue=ports.queue,
        store=ports.store,
        admission=admission,
        max_image_bytes=settings.max_image_bytes,
        max_image_pixels=settings.max_image_pixels,
        keep=settings.retention_days > 0,
        new_id=lambda: str(uuid.uuid4()),
        now_s=time.time,
    )
    return Service(
        settings=settings,
        queue=ports.queue,
        store=ports.store,
        gallery=ports.gallery,
        roster=ports.roster,
        intake=intake,
        admission=admission,
        model_id=MODEL_ID,
    )


def app(service: "Service", ports: Ports) -> "ASGIApp":
    """Return the web room."""
    from facefleet.adapters.buckets import ObjectBuckets
    from facefleet.vision.calibration import load_calibration
    from facefleet.web.app import create_app
    from facefleet.web.rekognition.call import Backing

    settings = service.settings
    backing = Backing(
        keys=ports.keys,
        vault=vault(settings),
        receipts=ports.receipts,
        buckets=ObjectBuckets(settings.effective_store_url, s3=settings.s3_bucket_names),
        calibration=load_calibration(service.model_id),
        anonymous=settings.anonymous,
        now_s=time.time,
    )
    return create_app(service, backing)


def worker(settings: Settings, ports: Ports, *, worker_id: str, orphaned: Callable[[], bool]) -> "Worker":
    """Return a worker with the engine loaded."""
    from facefleet.usecases.enrolment import Enrolment
    from facefleet.usecases.recognise import Recogniser
    from facefleet.vision.calibration import load_calibration
    from facefleet.vision.engine import Engine
    from facefleet.worker.loop import Worker

    engine = Engine(settings.cache, max_pixels=settings.max_image_pixels)
    enrolment = Enrolment(gallery=ports.gallery, store=ports.store, model_id=engine.model_id, now_s=time.time)
    recogniser = Recogniser(
        gallery=ports.gallery,
        enrolment=enrolment,
        calibration=load_calibration(engine.model_id),
        model_id=engine.model_id,
        threshold=settings.threshold,
    )
    return Worker(
        worker_id=worker_id,
        queue=ports.queue,
        store=ports.store,
        roster=ports.roster,
        engine=engine,
        recogniser=recogniser,
        batch_size=settings.batch_size,
        keep=settings.retention_days > 0,
        orphaned=orphaned,
    )


def fleet(settings: Settings, ports: Ports) -> Fleet:
    """Return a fleet of EC2 instances, or of worker processes of this very program, with these very settings."""
    if settings.fleet_url is not None:
        from facefleet.adapters.ec2_fleet import Ec2Fleet
        from facefleet.adapters.ec2_machines import Machines, read_plan

        try:
            plan = read_plan(settings.fleet_url)
        except ValueError as error:
            raise InvalidInput(f"fleet_url: {error}.") from error
        return Ec2Fleet(
            Machines(_aws(), plan),
            ports.roster,
            maximum=settings.max_workers,
            warm=settings.effective_warm,
            now_s=time.time,
        )
    from facefleet.adapters.process_fleet import ProcessFleet

    async def bury(worker_id: str) -> None:
        """Take a dead worker off the roster and give what it held to others at once."""
        await ports.roster.leave(worker_id)
        await ports.queue.abandon(worker_id)

    return ProcessFleet(
        command=lambda worker_id: [
            *(sys.executable, "-m", "facefleet", "worker"),
            *("--id", worker_id, "--parent", str(os.getpid())),
        ],
        environment=settings.environment(),
        bury=bury,
        new_id=lambda: f"worker-{uuid.uuid4().hex[:8]}",
        now_s=time.time,
    )


def controller(settings: Settings, ports: Ports, fleet: Fleet) -> "Controller":
    """Return the controller of a fleet."""
    from facefleet.controller.loop import Controller
    from facefleet.core.fleet import Bounds
    from facefleet.core.scaling import policy

    return Controller(
        queue=ports.queue,
        fleet=fleet,
        roster=ports.roster,
        policy=policy(settings.policy, objective=_objective(settings), billing=_billing(settings)),
        bounds=Bounds(minimum=settings.min_workers, maximum=settings.max_workers),
        billing=_billing(settings),
        tick_s=settings.tick_s,
        now_s=time.monotonic,
        unix_s=time.time,
    )


def chores(settings: Settings, ports: Ports) -> Callable[[], Awaitable[int]]:
    """Return what the housekeeper does once a minute."""
    from facefleet.usecases.housekeeping import expire

    async def tidy() -> int:
        await ports.gallery.maintain()
        return await expire(ports.queue, ports.store, retention_days=settings.retention_days)

    return tidy


def _objective(settings: Settings) -> "Objective":
    from facefleet.core.scaling.terms import Objective, per_hour, seconds

    budget_per_h = None if settings.budget is None else per_hour(settings.budget)
    return Objective(slo_s=seconds(settings.slo), at=settings.slo_percent, budget_per_h=budget_per_h)


def _billing(settings: Settings) -> "Billing":
    from facefleet.core.scaling.terms import Billing

    return Billing(
        price_per_h=settings.worker_price_per_hour,
        minimum_s=settings.minimum_bill_s,
        granularity_s=settings.bill_granularity_s,
    )


@asynccontextmanager
async def _queue(settings: Settings, database: Database) -> AsyncIterator[Queue]:
    """Open the queue; where AWS is used, its queues and buckets are looked for first, or made."""
    async with AsyncExitStack() as stack:
        if settings.queue_url is None and not settings.buckets:
            yield await stack.enter_async_context(_postgres_queue(settings, database))
            return
        aws = await stack.enter_async_context(_aws())
        queues = await _resources(aws, settings)
        if queues is None:
            yield await stack.enter_async_context(_postgres_queue(settings, database))
            return
        from facefleet.adapters.sqs_queue import SqsQueue

        node = uuid.uuid4().hex[:12]
        yield await stack.enter_async_context(
            SqsQueue(
                aws,
                queues,
                _objects(settings, settings.effective_store_url),
                node=node,
                responses=settings.response_queue or f"{queues.name}-resp-{node}",
                shared=bool(settings.response_queue),
                lease_s=settings.lease_s,
                max_receives=settings.max_receives,
                now_s=time.time,
            )
        )


async def _resources(aws: "Aws", settings: Settings) -> "Queues | None":
    """Find what AWS shall hold, or make it; if that fails half-way, nothing that was made is left."""
    from facefleet.adapters.s3_buckets import open_buckets
    from facefleet.adapters.sqs_names import open_queues

    async with AsyncExitStack() as undo:
        await open_buckets(
            aws,
            settings.buckets.values(),
            create=settings.create,
            whole=[bucket for setting, bucket in settings.buckets.items() if setting != "store_url"],
            retention_days=settings.retention_days,
            undo=undo,
        )
        queues = None
        if settings.queue_url is not None:
            queues = await open_queues(
                aws,
                settings.queue_url.removeprefix("sqs://"),
                lease_s=settings.lease_s,
                max_receives=settings.max_receives,
                create=settings.create,
                undo=undo,
            )
        undo.pop_all()
        return queues


def _roster(settings: Settings, database: Database) -> Roster:
    if settings.leader == "database":
        return PostgresRoster(database)
    from facefleet.adapters.store_lease import StoreLease, StoreLedRoster

    store = _objects(settings, settings.effective_store_url)
    return StoreLedRoster(database, StoreLease(store, holder=uuid.uuid4().hex[:12], now_s=time.monotonic))


def _postgres_queue(settings: Settings, database: Database) -> PostgresQueue:
    return PostgresQueue(database, lease_s=settings.lease_s, max_receives=settings.max_receives)


def _store(settings: Settings) -> ObjectStore:
    rest = _objects(settings, settings.effective_store_url)
    places = {
        prefix: _objects(settings, url)
        for prefix, url in (("inputs/", settings.inputs_url), ("outputs/", settings.outputs_url))
        if url is not None
    }
    return SplitStore(rest, places) if places else rest


def _objects(settings: Settings, url: str) -> Objects:
    return Objects(url, region=aws_region(), kms_key=settings.kms_key)


def _aws() -> "Aws":
    try:
        from facefleet.adapters.aws import Aws
    except ModuleNotFoundError as error:
        raise Unavailable("AWS needs boto3: .venv/bin/pip install -e '.[aws]'") from error
    return Aws(aws_region())


def _open_to_fleet(settings: Settings, server: EmbeddedPostgres) -> AbstractAsyncContextManager[None]:
    if settings.database_address is None:
        return nullcontext()
    from facefleet.adapters.embedded_way_in import opened_to_fleet

    return opened_to_fleet(
        server, settings.database_address, clients=settings.database_networks, data=settings.data, now_s=time.time
    )


def _with_database(settings: Settings, url: str) -> Settings:
    # The way in is this process's affair, not that of the workers it starts with these settings.
    given = {"database_url": SecretStr(url), "database_listen": None, "database_clients": ""}
    return settings.model_copy(update=given)


async def _revive(server: EmbeddedPostgres) -> None:
    """Start the embedded server again whenever it has died."""
    while True:
        await asyncio.sleep(_WATCH_S)
        try:
            server.url()
        except Unavailable as gone:
            log.error("database died: starting it again", error=gone.detail)  # noqa: TRY400 the sentence says it all
            with suppress(Unavailable):  # then it is tried again in a second
                await asyncio.to_thread(server.start)
