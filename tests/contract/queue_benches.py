"""One bench per queue: what is adapter-specific about its contract tests lives here and nowhere else."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from emulated_aws import REGION, EmulatedAws
from facefleet.adapters.aws import Aws
from facefleet.adapters.memory import MemoryQueue
from facefleet.adapters.objects import Objects
from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_queue import PostgresQueue
from facefleet.adapters.sqs_names import open_queues
from facefleet.adapters.sqs_queue import SqsQueue
from facefleet.ports import Queue

LEASE_S = 30.0
MAX_RECEIVES = 3


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class QueueBench:
    """A queue, the same queue as another process sees it, and the passing of its time.

    Attributes:
        beyond: promises that the technology cannot keep; tests marked `promise` with one of them are skipped.
    """

    queue: Queue
    elsewhere: Queue
    elapse: Callable[[float], Awaitable[None]]
    beyond: frozenset[str] = frozenset()


def memory_queue_bench() -> QueueBench:
    clock = Clock()

    async def elapse(seconds: float) -> None:
        clock.now_s += seconds

    queue = MemoryQueue(lease_s=LEASE_S, max_receives=MAX_RECEIVES, clock=clock)
    return QueueBench(queue=queue, elsewhere=queue, elapse=elapse)


@asynccontextmanager
async def postgres_queue_bench(url: str) -> AsyncIterator[QueueBench]:
    async with Database(url) as here, Database(url) as there:

        async def elapse(seconds: float) -> None:
            """Time passes for the jobs when all their times move into the past."""
            columns = ("enqueued_at", "rank_at", "visible_at", "deadline_at", "ended_at")
            shifts = ", ".join(f"{column} = {column} - %(s)s * interval '1 s'" for column in columns)
            await here.run(f"UPDATE jobs SET {shifts}", {"s": seconds})

        queue = PostgresQueue(here, lease_s=LEASE_S, max_receives=MAX_RECEIVES)
        elsewhere = PostgresQueue(there, lease_s=LEASE_S, max_receives=MAX_RECEIVES)
        async with queue, elsewhere:
            yield QueueBench(queue=queue, elsewhere=elsewhere, elapse=elapse)


# SQS counts a receive that is given back; and of a job whose client waits on the line there is only the message, so
# nobody but the node that sent it can withdraw it.
SQS_CANNOT = frozenset({"release is free", "asked jobs are known elsewhere", "knows its workers"})


@asynccontextmanager
async def sqs_queue_bench(emulated: EmulatedAws) -> AsyncIterator[QueueBench]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    emulated.client("s3").create_bucket(Bucket=name)

    async def elapse(seconds: float) -> None:
        emulated.elapse(seconds)

    async with Aws(REGION) as here, Aws(REGION) as there, AsyncExitStack() as made:
        queues = await open_queues(here, name, lease_s=LEASE_S, max_receives=MAX_RECEIVES, create=True, undo=made)
        store = Objects(f"s3://{name}", region=REGION)
        queue, elsewhere = (
            SqsQueue(
                aws,
                queues,
                store,
                node=node,
                responses=f"{name}-resp-{node}",
                lease_s=LEASE_S,
                max_receives=MAX_RECEIVES,
                now_s=emulated.now_s,
            )
            for aws, node in ((here, "here"), (there, "there"))
        )
        async with queue, elsewhere:
            yield QueueBench(queue=queue, elsewhere=elsewhere, elapse=elapse, beyond=SQS_CANNOT)
