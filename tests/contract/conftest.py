"""One bench per port and adapter: what is adapter-specific about a contract test lives here and nowhere else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from facefleet.adapters.memory import MemoryQueue
from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_queue import PostgresQueue
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
    """A queue, the same queue as another process sees it, and the passing of its time."""

    queue: Queue
    elsewhere: Queue
    elapse: Callable[[float], Awaitable[None]]


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


@pytest.fixture(params=["memory", "postgres"])
async def queue_bench(request: pytest.FixtureRequest) -> AsyncIterator[QueueBench]:
    if request.param == "memory":
        yield memory_queue_bench()
    else:
        async with postgres_queue_bench(request.getfixturevalue("postgres_url")) as bench:
            yield bench


@pytest.fixture
def queue(queue_bench: QueueBench) -> Queue:
    return queue_bench.queue


@pytest.fixture
def elsewhere(queue_bench: QueueBench) -> Queue:
    return queue_bench.elsewhere


@pytest.fixture
def elapse(queue_bench: QueueBench) -> Callable[[float], Awaitable[None]]:
    return queue_bench.elapse
