"""One bench per port and adapter: what is adapter-specific about a contract test lives here and nowhere else."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from facefleet.adapters.memory import MemoryQueue
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


@pytest.fixture(params=["memory"])
async def queue_bench(request: pytest.FixtureRequest) -> QueueBench:
    return memory_queue_bench()


@pytest.fixture
def queue(queue_bench: QueueBench) -> Queue:
    return queue_bench.queue


@pytest.fixture
def elsewhere(queue_bench: QueueBench) -> Queue:
    return queue_bench.elsewhere


@pytest.fixture
def elapse(queue_bench: QueueBench) -> Callable[[float], Awaitable[None]]:
    return queue_bench.elapse
