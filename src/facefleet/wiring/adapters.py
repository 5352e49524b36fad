"""The adapters behind the ports, as the settings choose them."""

import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from facefleet.adapters.objects import Objects
from facefleet.adapters.postgres import Database, migrate
from facefleet.adapters.postgres_gallery import PostgresGallery
from facefleet.adapters.postgres_keys import PostgresKeys, PostgresReceipts
from facefleet.adapters.postgres_queue import PostgresQueue
from facefleet.adapters.postgres_roster import PostgresRoster
from facefleet.adapters.split_store import SplitStore
from facefleet.config import Settings, aws_region
from facefleet.errors import Unavailable
from facefleet.ports import Gallery, Keys, ObjectStore, Queue, Receipts, Roster

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


@asynccontextmanager
async def _queue(settings: Settings, database: Database) -> AsyncIterator[Queue]:
    async with AsyncExitStack() as stack:
        queue: Queue | None = None
        if settings.queue_url is not None or settings.buckets:
            with needing_boto3():
                from facefleet.wiring.aws import resources
            queue = await stack.enter_async_context(resources(settings))
        if queue is None:
            own = PostgresQueue(database, lease_s=settings.lease_s, max_receives=settings.max_receives)
            queue = await stack.enter_async_context(own)
        yield queue


def _roster(settings: Settings, database: Database) -> Roster:
    if settings.leader == "database":
        return PostgresRoster(database)
    from facefleet.adapters.store_lease import StoreLease, StoreLedRoster

    store = _objects(settings, settings.effective_store_url)
    return StoreLedRoster(database, StoreLease(store, holder=uuid.uuid4().hex[:12], now_s=time.monotonic))


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


@contextmanager
def needing_boto3() -> Iterator[None]:
    """Say what to install where what is imported for AWS is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Unavailable("AWS needs boto3: .venv/bin/pip install -e '.[aws]'") from error
