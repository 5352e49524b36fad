"""What is promised when PostgreSQL stops, crashes or drops connections under the queue."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from facefleet.adapters import postgres, postgres_roster
from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.postgres import Database, apply_migrations, migrate
from facefleet.adapters.postgres_answers import news
from facefleet.adapters.postgres_queue import PostgresQueue
from facefleet.adapters.postgres_roster import PostgresRoster
from facefleet.core.jobs import Answer, Detect, Job
from facefleet.errors import DeadlineExceeded, LeaseLost, Unavailable, WrongSettings

SOON_S = 90.0  # a wait that is expected to end early


@pytest.fixture(scope="module")
def embedded():
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder, EmbeddedPostgres(Path(folder)) as server:
        yield server


@pytest.fixture
def server(embedded: EmbeddedPostgres):
    """A server that runs when the test begins, whatever the one before did to it."""
    embedded.start()
    return embedded


@pytest.fixture
def url(server: EmbeddedPostgres) -> str:
    """An empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.url().replace("@/facefleet?", f"@/{name}?")


def stop(server: EmbeddedPostgres) -> None:
    server.stop()


def crash(server: EmbeddedPostgres) -> None:
    """Kill the server so that it cannot write a thing more, as a power cut would."""
    postmaster = psutil.Process(int((server._data / "postmaster.pid").read_text().split()[0]))
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=60)


@pytest.fixture(params=[stop, crash], ids=["stopped", "crashed"])
def take_down(request, server) -> Callable[[], Awaitable[None]]:
    return lambda: asyncio.to_thread(request.param, server)


@asynccontextmanager
async def queue_on(url: str, **options):
    await migrate(url)
    async with Database(url, **options) as database, PostgresQueue(database, lease_s=2.0) as queue:
        yield queue


@pytest.fixture
async def queue(url):
    async with queue_on(url) as queue:
        yield queue


@pytest.fixture
async def elsewhere(url):
    async with queue_on(url) as queue:
        yield queue


def a_job() -> Job:
    job_id = str(uuid.uuid4())
    return Job(job_id=job_id, task=Detect(image=f"inputs/{job_id}"), created_s=0.0)


async def patiently(call: Callable[[], Awaitable]):
    """Call until the database is back, as every room does."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await call()
            except LeaseLost:
                raise
            except Unavailable:
                await asyncio.sleep(0.05)


async def work_on_next(queue, body: bytes = b"{}") -> str:
    """Lease and answer a job as a worker does: what is lost on the way comes again."""
    while True:
        leases = await patiently(lambda: queue.lease("w1", limit=1, wait_s=SOON_S))
        for lease in leases:
            try:
                await queue.finish(lease, Answer(job_id=lease.job.job_id, body=body), busy_ms=1)
            except (LeaseLost, Unavailable):
                continue
            return lease.job.job_id


async def until_enqueued(queue) -> None:
    while (await queue.counts()).visible == 0:
        await asyncio.sleep(0.01)


async def test_a_job_that_was_put_outlasts_the_server(queue, server, take_down):
    """What was answered with 202 is there after a crash in that very moment."""
    jobs = [a_job() for _ in range(20)]
    await asyncio.gather(*(queue.put(job) for job in jobs))
    await take_down()
    await asyncio.to_thread(server.start)
    done = [await work_on_next(queue) for _ in jobs]
    assert sorted(done) == sorted(job.job_id for job in jobs)
    counts = await queue.counts()
    assert counts.finished_total == len(jobs)
    assert counts.enqueued_total >= len(jobs)


async def test_a_client_that_waits_gets_its_answer(queue, elsewhere, server, take_down):
    """A restart under a waiting client costs time and nothing else, even if the job was not on disk yet."""
    asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
    await until_enqueued(elsewhere)
    await take_down()
    await asyncio.to_thread(server.start)
    await work_on_next(elsewhere, b"42")
    assert (await asking).body == b"42"


async def test_a_client_whose_job_is_being_worked_on_gets_its_answer(queue, elsewhere, server, take_down):
    """The server goes while a worker computes; the worker's answer, or that of the next one, arrives."""
    asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
    (lease,) = await elsewhere.lease("w1", limit=1, wait_s=SOON_S)
    await take_down()
    await asyncio.to_thread(server.start)
    try:
        await patiently(lambda: elsewhere.finish(lease, Answer(job_id=lease.job.job_id, body=b"1"), busy_ms=1))
    except LeaseLost:  # a crash forgot the lease
        await work_on_next(elsewhere, b"1")
    assert (await asking).body == b"1"


async def test_a_worker_that_waits_gets_the_next_job(queue, elsewhere, server, take_down):
    """A restart under waiting workers leaves none of them deaf."""
    working = asyncio.create_task(work_on_next(elsewhere))
    await asyncio.sleep(0.2)
    await take_down()
    await asyncio.to_thread(server.start)
    job = a_job()
    await patiently(lambda: queue.put(job))
    assert await working == job.job_id


async def test_without_a_server_calls_say_that_it_is_away(server, url):
    """A room hears Unavailable, soon, and can answer 503; once the server is back all goes on."""
    async with queue_on(url, patience_s=0.3) as queue:
        await asyncio.to_thread(server.stop)
        job = a_job()
        calls = [
            queue.put(job),
            queue.ask(a_job(), wait_s=SOON_S),
            queue.lease("w1", limit=1, wait_s=0),
            queue.status(job.job_id),
            queue.counts(),
        ]
        for call in calls:
            with pytest.raises(Unavailable):
                await call
        with pytest.raises(Unavailable):
            await migrate("postgresql:///facefleet?host=/nonexistent")
        await asyncio.to_thread(server.start)
        await patiently(lambda: queue.put(job))
        assert await work_on_next(queue) == job.job_id


async def test_idle_connections_that_broke_are_replaced_unnoticed(queue, server):
    """After a restart the first statement works: nobody pays for connections that died in their sleep."""
    await asyncio.gather(*(queue.counts() for _ in range(20)))
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    await asyncio.gather(*(queue.put(a_job()) for _ in range(20)))


async def test_a_worker_that_stops_waiting_hands_on_its_turn(queue, elsewhere):
    """A wait that ends, in time or cancelled, does not keep the others from being woken."""
    assert list(await queue.lease("w1", limit=1, wait_s=0.1)) == []
    leaving = asyncio.create_task(queue.lease("w1", limit=1, wait_s=SOON_S))
    waiting = asyncio.create_task(elsewhere.lease("w2", limit=1, wait_s=SOON_S))
    await asyncio.sleep(0.2)
    leaving.cancel()
    await asyncio.wait([leaving])
    job = a_job()
    await queue.put(job)
    assert [lease.job for lease in await waiting] == [job]


async def test_a_worker_that_hangs_keeps_no_job_from_the_others(queue, url):
    """The one idle worker that listens for all may be stopped dead; the others look for themselves after a while."""
    program = f"""
import asyncio
from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_queue import PostgresQueue
async def main():
    async with Database({url!r}) as database, PostgresQueue(database) as queue:
        await queue.lease("hung", limit=1, wait_s=600)
asyncio.run(main())
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command) as hung:  # noqa: ASYNC220  (ends with the block, whatever the loop does)
        with psycopg.connect(url, autocommit=True) as connection:
            while not connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted").fetchone():
                await asyncio.sleep(0.05)
        hung.send_signal(signal.SIGSTOP)
        try:
            job = a_job()
            waiting = asyncio.create_task(queue.lease("w1", limit=1, wait_s=SOON_S))
            await asyncio.sleep(0.2)
            await queue.put(job)
            assert [lease.job for lease in await waiting] == [job]
        finally:
            hung.kill()


async def test_a_job_of_a_newer_version_stops_no_worker(queue, url):
    """While versions change, a worker passes over what it does not know; the rest goes on."""
    newer, known = a_job(), a_job()
    await queue.put(newer)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('UPDATE jobs SET task = \'{"kind": "divine"}\'')
    await queue.put(known)
    taken = [lease.job for _ in range(2) for lease in await queue.lease("w1", limit=1, wait_s=0.5)]
    assert taken == [known]


async def test_a_job_that_the_database_was_too_busy_to_take_is_too_late(queue, url):
    """The client is told that, and not that there is no such job."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE jobs IN SHARE MODE")
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=0.2))
        await asyncio.sleep(0.5)
        connection.rollback()
        with pytest.raises(DeadlineExceeded):
            await asking


async def test_a_job_of_a_newer_version_hides_no_dead_letter(queue, url):
    """It is given up by a version that does not know it, and told as any other."""
    newer, known = a_job(), a_job()
    for job in (newer, known):
        await queue.put(job)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE jobs SET state = 'dead', ended_at = clock_timestamp(), receives = 3")
        connection.execute(
            "UPDATE jobs SET kind = 'divine', task = '{\"kind\": \"divine\"}' WHERE job_id = %s", [newer.job_id]
        )
    letters = {letter.job_id: letter.kind for letter in (await queue.dead_letters(limit=10)).items}
    assert letters == {newer.job_id: "divine", known.job_id: known.task.kind}
    assert (await queue.status(newer.job_id)).kind == "divine"


async def test_nobody_sleeps_through_a_lost_notification(queue, elsewhere, url):
    """Listening connections that are cut come back, and what happened meanwhile is noticed."""
    asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
    (lease,) = await elsewhere.lease("w1", limit=1, wait_s=SOON_S)
    waiting = asyncio.create_task(elsewhere.lease("w1", limit=1, wait_s=SOON_S))
    listening = "FROM pg_stat_activity WHERE query ~ '(^|; )LISTEN' AND state = 'idle' AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(f"SELECT count(*) {listening}").fetchone() != (2,):
            await asyncio.sleep(0.02)
        assert len(connection.execute(f"SELECT pg_terminate_backend(pid) {listening}").fetchall()) == 2
    await elsewhere.finish(lease, Answer(job_id=lease.job.job_id, body=b"1"), busy_ms=1)
    assert (await asking).body == b"1"
    job = a_job()
    await queue.put(job)
    assert [lease.job.job_id for lease in await waiting] == [job.job_id]


def test_a_database_whose_pgvector_is_too_old_is_refused_in_a_sentence(url, monkeypatch):
    """Its searches by index would fall short and say nothing."""
    monkeypatch.setattr(postgres, "_PGVECTOR", (99, 0))
    with pytest.raises(WrongSettings, match=r"has pgvector 0\..* and 99\.0 or later is needed"):
        apply_migrations(url)


def test_migrations_may_run_in_several_processes_at_once(url):
    """Rooms that start together bring the database up to date once."""
    program = "import asyncio, sys; from facefleet.adapters.postgres import migrate; asyncio.run(migrate(sys.argv[1]))"
    command = [sys.executable, "-c", program, url]
    processes = [subprocess.Popen(command, env=os.environ) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    files = list(Path("src/facefleet/adapters/migrations").resolve().glob("*.sql"))
    with psycopg.connect(url) as connection:
        applied = connection.execute("SELECT name FROM migrations ORDER BY number").fetchall()
    assert [name for (name,) in applied] == sorted(file.name for file in files)


async def test_a_short_answer_needs_no_look_at_the_table(queue, elsewhere, monkeypatch):
    """It comes with its announcement."""
    look, looked = queue._answers.look, asyncio.Event()

    async def look_once(job_ids):
        found = await look(job_ids)
        looked.set()
        return found

    async def refuse(_):
        raise AssertionError("looked")

    monkeypatch.setattr(queue._answers, "look", look_once)
    asking = asyncio.create_task(
        queue.ask(Job(job_id="j1", task=Detect(image="inputs/j1"), created_s=0), wait_s=SOON_S)
    )
    (lease,) = await elsewhere.lease("w1", limit=1, wait_s=SOON_S)
    await looked.wait()  # as the listener does once it stands
    monkeypatch.setattr(queue._answers, "look", refuse)
    await elsewhere.finish(lease, Answer(job_id="j1", body=b"{}"), busy_ms=1)
    assert (await asking).body == b"{}"


@pytest.mark.parametrize("spare", [0, -1])
async def test_the_longest_answer_that_is_announced_is_one_that_a_notification_holds(queue, elsewhere, spare):
    """7,999 bytes; with a byte more the answer is fetched."""
    job_id = str(uuid.uuid4())
    answer = Answer(job_id=job_id, body=b"x" * (7_999 - len(f"{job_id}\n\n") - spare))
    assert (len(news(answer)) == 7_999) is (spare == 0)
    asking = asyncio.create_task(
        queue.ask(Job(job_id=job_id, task=Detect(image="inputs/j1"), created_s=0), wait_s=SOON_S)
    )
    (lease,) = await elsewhere.lease("w1", limit=1, wait_s=SOON_S)
    await elsewhere.finish(lease, answer, busy_ms=1)
    assert await asking == answer


async def test_one_connection_serves_statements_and_transactions_in_turn(url):
    """None is kept back for either."""
    async with Database(url, max_connections=1) as database:
        for n in range(3):
            assert await database.run("SELECT %s::int", [n]) == [(n,)]
            async with database.transaction() as connection:
                assert await (await connection.execute("SELECT %s::int", [n])).fetchone() == (n,)
        results = await asyncio.gather(*(database.run("SELECT %s::int", [n]) for n in range(20)))
        assert results == [[(n,)] for n in range(20)]


async def test_a_statement_that_is_given_up_leaves_its_connection_usable(url):
    """Whoever comes next is not handed the rest of somebody else's answer."""
    async with Database(url, max_connections=1) as database:
        sleeping = asyncio.create_task(database.run("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.2)
        sleeping.cancel()
        await asyncio.wait([sleeping])
        assert await database.run("SELECT 7") == [(7,)]


async def test_a_closed_database_leaves_no_connection_behind(url):
    """Those at hand are closed too."""
    async with Database(url) as database:
        await asyncio.gather(*(database.run("SELECT pg_sleep(0.1)") for _ in range(3)))
    with psycopg.connect(url) as other:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        for _ in range(1200):
            if other.execute(query).fetchone() == (0,):
                return
            other.commit()  # else this transaction keeps seeing what it saw first
            await asyncio.sleep(0.05)
    raise AssertionError("a connection is left")


async def test_a_controller_that_loses_its_connection_no_longer_leads(url):
    """The lock went with the connection, so another may lead by now, and two would fight over the fleet."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    async with Database(url) as one, Database(url) as other:

        async def lead() -> None:
            async with PostgresRoster(one).lead() as leading:
                assert leading
                async with PostgresRoster(other).lead() as leading_too:
                    assert not leading_too
                await other.run(cut)
                await asyncio.sleep(SOON_S)

        with pytest.raises(Unavailable, match="led by was lost"):
            await lead()
        await until_leading(PostgresRoster(other))


async def test_a_controller_that_hangs_no_longer_leads(url, monkeypatch):
    """Nobody would look after the fleet, for as long as it hangs. Once it goes on, it learns that it lost the lead."""
    monkeypatch.setattr(postgres_roster, "_HUNG_S", 1.0)
    led, led_by_another = threading.Event(), threading.Event()

    async def lead() -> None:
        async with Database(url) as database, PostgresRoster(database).lead() as leading:
            assert leading
            led.set()
            led_by_another.wait(SOON_S)  # the whole loop stands still, as that of a process that was stopped
            await asyncio.sleep(SOON_S)

    hanging = asyncio.create_task(asyncio.to_thread(asyncio.run, lead()))
    await asyncio.to_thread(led.wait)
    async with Database(url) as other:
        await until_leading(PostgresRoster(other))
        led_by_another.set()
        with pytest.raises(Unavailable, match="led by was lost"):
            await hanging


async def until_leading(roster) -> None:
    """Try as a controller does: the server lets go of a lock a moment after its holder's connection has ended."""
    async with asyncio.timeout(SOON_S):
        while True:
            async with roster.lead() as leading:
                if leading:
                    return
            await asyncio.sleep(0.02)


async def test_a_connection_left_in_a_transaction_is_not_kept_at_hand(url):
    """The next statement is none of that transaction's."""
    async with Database(url) as database:
        await database.run("BEGIN")
        await database.run("SELECT 1")
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        for _ in range(1200):  # the pool ends it in the background
            if await database.run(idle) == [(0,)]:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("the transaction is still open")


async def test_a_server_that_takes_no_writes_any_more_is_away_until_another_does(url):
    """As after a failover that the clients' open connections outlast: what is asked meanwhile can be asked again."""
    await migrate(url)
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    async with Database(url) as database:
        roster = PostgresRoster(database)
        await roster.publish(())
        await database.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        await database.run("SET default_transaction_read_only = on")
        with pytest.raises(Unavailable, match="takes no writes"):
            await roster.publish(())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        await roster.publish(())  # over a new connection


def test_where_no_database_answers_is_said_without_the_password():
    """At the start, when the address may be the mistake."""
    with pytest.raises(Unavailable, match=r"at \"127\.0\.0\.1\", port 1 failed: Connection refused\.$") as refused:
        apply_migrations("postgresql://somebody:secret@127.0.0.1:1/faces")
    assert "secret" not in refused.value.detail


async def test_what_only_a_standby_says_of_unlogged_tables_is_an_absence_too(url):
    """It has no code of its own: "not supported", as is what this statement asks of any server."""
    await migrate(url)
    async with Database(url) as database:
        ((before,),) = await database.run("SELECT pg_backend_pid()")
        with pytest.raises(Unavailable, match="takes no writes"):
            await database.run("SELECT count(*) FROM workers FOR UPDATE")
        ((after,),) = await database.run("SELECT pg_backend_pid()")
        assert before != after
