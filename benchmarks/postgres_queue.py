"""How fast the queue is: put, lease and finish, and the round trip of a client that waits.

    python benchmarks/postgres_queue.py                 the embedded server, in a folder that is deleted after
    python benchmarks/postgres_queue.py --url postgresql://…  another server, in its own empty database
    python benchmarks/postgres_queue.py --ended 1000000       with so many ended jobs in the table

Clients are processes, as web nodes and workers are. On a busy machine compare ratios, not single figures.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.postgres import Database, migrate
from facefleet.adapters.postgres_queue import PostgresQueue
from facefleet.core.jobs import Answer, Identify, Job

BODY = b'{"faces": [' + b'{"box": {"left": 1}, "person": null}, ' * 40 + b"{}]}"  # 1.6 KB, six faces or so

Work = Callable[[PostgresQueue, int], Awaitable[object]]


def a_job() -> Job:
    job_id = str(uuid.uuid4())
    return Job(job_id=job_id, task=Identify(image=f"inputs/{job_id}", collection="default"), created_s=time.time())


async def put(queue: PostgresQueue, count: int) -> None:
    for _ in range(count):
        await queue.put(a_job())


async def consume(queue: PostgresQueue, count: int) -> None:
    """Lease four at a time and finish them, until `count` are done."""
    while count > 0:
        leases = await queue.lease("w", limit=4, wait_s=1)
        await asyncio.gather(
            *(queue.finish(lease, Answer(job_id=lease.job.job_id, body=BODY), busy_ms=1) for lease in leases)
        )
        count -= len(leases) or 1


async def serve(queue: PostgresQueue, _: int) -> None:
    """Answer until the process is ended: one worker of several, of which all but one have nothing to do."""
    while True:
        for lease in await queue.lease("w", limit=4, wait_s=20):
            await queue.finish(lease, Answer(job_id=lease.job.job_id, body=BODY), busy_ms=1)


async def ask(queue: PostgresQueue, count: int) -> list[float]:
    """Return the milliseconds of each of `count` round trips, one after the other."""
    took_ms = []
    for _ in range(count):
        started_s = time.perf_counter()
        await queue.ask(a_job(), wait_s=10)
        took_ms.append(1000 * (time.perf_counter() - started_s))
    return took_ms


def in_process(url: str, work: Work, count: int, ready: object, go: object, results: object) -> None:
    async def main() -> None:
        async with Database(url) as database, PostgresQueue(database) as queue:
            await queue.counts()
            ready.release()
            await asyncio.to_thread(go.wait)
            results.put(await work(queue, count))

    asyncio.run(main())


class Crew:
    """Processes that begin the same work at the same time."""

    def __init__(self, url: str, work: Work, *, processes: int, count: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        ready, self.go, self.results = context.Semaphore(0), context.Event(), context.Queue()
        self.processes = [
            context.Process(target=in_process, args=(url, work, count, ready, self.go, self.results), daemon=True)
            for _ in range(processes)
        ]
        for process in self.processes:
            process.start()
        for _ in self.processes:
            ready.acquire()

    def run(self) -> tuple[float, list]:
        """Return the seconds from the common start to the last end, and what each returned."""
        started_s = time.perf_counter()
        self.go.set()
        results = [self.results.get() for _ in self.processes]
        return time.perf_counter() - started_s, results

    def begin(self) -> None:
        self.go.set()

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
            process.join()


async def fill(url: str, ended: int) -> None:
    """Put ended jobs into the table, as a service does that has run for a while."""
    async with Database(url) as database:
        await database.run(
            "INSERT INTO jobs (job_id, kind, task, bulk, durable, created_s, enqueued_at, rank_at, visible_at, state,"
            " receives, ended_at, answer) SELECT gen_random_uuid()::text, 'detect', '{}', false, true, 0, now(), now(),"
            " now(), 'done', 1, now(), %s FROM generate_series(1, %s)",
            [BODY[:200], ended],
        )


def percentiles(took_ms: list[float]) -> str:
    cuts = statistics.quantiles(took_ms, n=100)
    return f"p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms"


def measure(url: str, count: int) -> None:
    writers, readers = 8, 4
    took_s, _ = Crew(url, put, processes=writers, count=count // writers).run()
    print(f"put, {writers} writers, durable:            {count / took_s:7.0f} /s")
    took_s, _ = Crew(url, consume, processes=readers, count=count // readers).run()
    print(f"lease 4 and finish, {readers} consumers:     {count / took_s:7.0f} /s")
    for workers in (1, 4, 16):
        crew = Crew(url, serve, processes=workers)
        crew.begin()
        _, (took_ms,) = Crew(url, ask, processes=1, count=400).run()
        crew.end()
        print(f"ask to answer, 1 client, {workers:2} workers:    {percentiles(took_ms)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="an empty database; default: the embedded server")
    parser.add_argument("--count", type=int, default=8000, help="jobs to put and to consume")
    parser.add_argument("--ended", type=int, default=0, help="ended jobs in the table beforehand")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder:
        server = None if options.url else EmbeddedPostgres(Path(folder))
        try:
            url = options.url or server.start()
            asyncio.run(migrate(url))
            if options.ended:
                asyncio.run(fill(url, options.ended))
            measure(url, options.count)
        finally:
            if server is not None:
                server.stop()


if __name__ == "__main__":
    main()
