"""The ports that the contract tests run on, each once per adapter."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from queue_benches import QueueBench, memory_queue_bench, postgres_queue_bench, sqs_queue_bench

from facefleet.adapters.memory import MemoryGallery
from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_gallery import PostgresGallery
from facefleet.ports import Gallery, Queue


@pytest.fixture(params=["memory", "postgres", "sqs"])
async def queue_bench(request: pytest.FixtureRequest) -> AsyncIterator[QueueBench]:
    if request.param == "memory":
        yield memory_queue_bench()
        return
    opened = (
        sqs_queue_bench(request.getfixturevalue("aws"))
        if request.param == "sqs"
        else postgres_queue_bench(request.getfixturevalue("postgres_url"))
    )
    async with opened as bench:
        for mark in request.node.iter_markers("promise"):
            if mark.args[0] in bench.beyond:
                pytest.skip(f"{request.param} cannot promise that {mark.args[0]}")
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


@pytest.fixture(params=["memory", "postgres"])
async def gallery(request: pytest.FixtureRequest) -> AsyncIterator[Gallery]:
    if request.param == "memory":
        yield MemoryGallery()
    else:
        async with Database(request.getfixturevalue("postgres_url")) as database:
            yield PostgresGallery(database)
