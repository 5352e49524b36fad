"""What is on AWS: queues and buckets, found or made, and the fleet of instances. Needs the extra `aws`."""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from facefleet.adapters.aws import Aws
from facefleet.adapters.ec2_fleet import Ec2Fleet
from facefleet.adapters.ec2_machines import Machines, read_plan
from facefleet.adapters.objects import Objects
from facefleet.adapters.s3_buckets import open_buckets
from facefleet.adapters.sqs_names import Queues, open_queues
from facefleet.adapters.sqs_queue import SqsQueue
from facefleet.config import Settings, aws_region
from facefleet.errors import InvalidInput
from facefleet.ports import Queue, Roster


@asynccontextmanager
async def resources(settings: Settings) -> AsyncIterator[Queue | None]:
    """Find queues and buckets, or make them; yield the queue of requests, None where those wait elsewhere."""
    async with Aws(aws_region()) as aws:
        queues = await find_or_make(aws, settings)
        if queues is None:
            yield None
            return
        records = Objects(settings.effective_store_url, region=aws_region(), kms_key=settings.kms_key)
        node = uuid.uuid4().hex[:12]
        async with SqsQueue(
            aws,
            queues,
            records,
            node=node,
            responses=settings.response_queue or f"{queues.name}-resp-{node}",
            shared=bool(settings.response_queue),
            lease_s=settings.lease_s,
            max_receives=settings.max_receives,
            now_s=time.time,
        ) as queue:
            yield queue


async def find_or_make(aws: Aws, settings: Settings) -> Queues | None:
    """Find what AWS shall hold, or make it; if that fails half-way, nothing that was made is left."""
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


async def ec2_fleet(url: str, settings: Settings, roster: Roster) -> Ec2Fleet:
    """Return the fleet of instances that a URL describes, once AWS has let us see it."""
    try:
        plan = read_plan(url)
    except ValueError as error:
        raise InvalidInput(f"fleet_url: {error}.") from error
    machines = Machines(Aws(aws_region()), plan)
    await machines.look()
    return Ec2Fleet(
        machines,
        roster,
        maximum=settings.max_workers,
        warm=settings.effective_warm,
        now_s=time.time,
    )
