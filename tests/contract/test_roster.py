"""What every roster must do."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from facefleet.adapters.memory.roster import MemoryRoster
from facefleet.adapters.postgres import Database
from facefleet.adapters.postgres_roster import PostgresRoster
from facefleet.core.fleet import Decision, Worker, WorkerReport, WorkerState
from facefleet.ports import Roster

SILENT_S = 10.0
KEPT = 5
SLOW_S = 4.0  # what a statement or two may take on a busy machine


@dataclass
class Bench:
    """A roster, the same roster as another process sees it, and the passing of its time."""

    roster: Roster
    elsewhere: Roster
    elapse: Callable


@asynccontextmanager
async def postgres_bench(url):
    async with Database(url) as here, Database(url) as there:

        async def elapse(seconds):
            await here.run(
                "UPDATE workers SET reported_at = reported_at - %(s)s * interval '1 s',"
                " idle_since = idle_since - %(s)s * interval '1 s'",
                {"s": seconds},
            )
            await here.run("UPDATE departures SET left_at = left_at - %s * interval '1 s'", [seconds])
            await here.run("UPDATE fleet SET published_at = published_at - %s * interval '1 s'", [seconds])

        yield Bench(
            PostgresRoster(here, silent_s=SILENT_S, kept_decisions=KEPT),
            PostgresRoster(there, silent_s=SILENT_S, kept_decisions=KEPT),
            elapse,
        )


@pytest.fixture(params=["memory", "postgres"])
def database_url(request):
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else None


@pytest.fixture
async def bench(database_url):
    if database_url is None:
        now = [1000.0]

        async def elapse(seconds):
            now[0] += seconds

        roster = MemoryRoster(clock=lambda: now[0], silent_s=SILENT_S, kept_decisions=KEPT)
        yield Bench(roster, roster, elapse)
    else:
        async with postgres_bench(database_url) as bench:
            yield bench


def report(worker_id="w", *, jobs=(), finished=0, draining=False):
    return WorkerReport(worker_id=worker_id, host="h", pid=7, draining=draining, jobs=jobs, finished=finished)


async def test_a_heartbeat_is_seen_by_the_other_rooms(bench):
    """With everything the worker said, and when."""
    await bench.roster.report(report(jobs=("a", "b"), finished=3, draining=True))
    (seen,) = await bench.elsewhere.reports()
    assert (seen.worker_id, seen.host, seen.pid, seen.jobs) == ("w", "h", 7, ("a", "b"))
    assert (seen.finished, seen.draining) == (3, True)
    assert seen.reported_s > 0


async def test_a_later_heartbeat_replaces_the_earlier(bench):
    """A worker is in the roster once."""
    await bench.roster.report(report(jobs=("a",)))
    await bench.roster.report(report(jobs=()))
    assert [seen.jobs for seen in await bench.elsewhere.reports()] == [()]


async def test_a_silent_worker_is_no_longer_reported(bench):
    """One that was killed cannot sign off."""
    await bench.roster.report(report("silent"))
    await bench.elapse(SILENT_S + 1)
    await bench.roster.report(report("alive"))
    assert [seen.worker_id for seen in await bench.roster.reports()] == ["alive"]


async def test_a_worker_that_left_is_gone(bench):
    """In good order, at once."""
    await bench.roster.report(report())
    await bench.roster.leave("w")
    assert await bench.elsewhere.reports() == []


async def test_who_left_is_told_of_for_a_while(bench):
    """And when, by the clock of its reports; of one that fell silent nothing is told."""
    await bench.roster.report(report("silent"))
    await bench.roster.report(report())
    (_, seen) = await bench.roster.reports()
    await bench.roster.leave("w")
    left = await bench.elsewhere.departures()
    assert left.keys() == {"w"}
    assert 0 <= left["w"] - seen.reported_s < SLOW_S
    await bench.elapse(300)
    await bench.roster.publish(())
    assert (await bench.elsewhere.departures()).keys() == {"w"}
    await bench.roster.leave("w")
    await bench.elapse(590)
    await bench.roster.publish(())
    assert (await bench.elsewhere.departures()).keys() == {"w"}
    await bench.elapse(20)
    await bench.roster.publish(())
    assert not await bench.elsewhere.departures()
    await bench.roster.leave("w")
    await bench.roster.report(report())
    assert not await bench.elsewhere.departures()  # it is back


async def test_idleness_is_counted_from_the_last_work(bench):
    """Heartbeats do not make a resting worker look fresh; a job between two heartbeats does."""
    await bench.roster.report(report(finished=1))
    await bench.elapse(5)
    await bench.roster.report(report(finished=1))
    (resting,) = await bench.roster.reports()
    assert 4.9 < resting.reported_s - resting.idle_since_s < 5 + SLOW_S
    await bench.roster.report(report(finished=2))
    (worked,) = await bench.roster.reports()
    assert worked.reported_s - worked.idle_since_s < SLOW_S


async def test_a_busy_worker_is_not_idle(bench):
    """And begins to be when its job is done."""
    await bench.roster.report(report())
    await bench.elapse(5)
    await bench.roster.report(report(jobs=("a",)))
    await bench.roster.report(report(finished=1))
    (seen,) = await bench.roster.reports()
    assert seen.reported_s - seen.idle_since_s < SLOW_S


async def test_word_to_drain_reaches_the_worker_with_its_next_heartbeat(bench):
    """And no other worker."""
    await bench.roster.report(report("one"))
    await bench.roster.report(report("other"))
    await bench.elsewhere.ask_to_drain(["one", "nobody"])
    assert await bench.roster.report(report("one")) is True
    assert await bench.roster.report(report("other")) is False


async def test_everybody_sees_how_old_the_picture_of_the_fleet_is(bench):
    """Nothing else tells that no controller looks any more."""
    assert await bench.elsewhere.published_age_s() is None
    await bench.roster.publish(())
    await bench.elapse(95)
    assert await bench.elsewhere.published_age_s() == pytest.approx(95, abs=SLOW_S)
    await bench.roster.publish(())
    assert await bench.elsewhere.published_age_s() == pytest.approx(0, abs=SLOW_S)


async def test_everybody_sees_how_few_workers_are_kept(bench):
    """As whoever leads now has been told."""
    assert await bench.elsewhere.minimum() is None
    await bench.roster.publish((), minimum=2)
    assert await bench.elsewhere.minimum() == 2
    await bench.roster.publish((), minimum=0)
    assert await bench.elsewhere.minimum() == 0
    await bench.roster.publish(())
    assert await bench.elsewhere.minimum() is None


async def test_a_leader_of_an_earlier_version_looks_as_well(database):
    """It knows nothing of the age: while a service is brought up to date, nobody is taken for silent."""
    roster = PostgresRoster(database)
    await roster.publish(())
    await database.run("UPDATE fleet SET published_at = published_at - interval '95 s'")
    assert await roster.published_age_s() == pytest.approx(95, abs=SLOW_S)
    await database.run(
        "INSERT INTO fleet (workers) VALUES ('[]') ON CONFLICT (only_row) DO UPDATE SET workers = excluded.workers"
    )
    assert await roster.published_age_s() == pytest.approx(0, abs=SLOW_S)


async def test_the_published_fleet_is_what_all_rooms_see(bench):
    """Whole, in order, and replaced by the next."""
    fleet = (
        Worker(worker_id="a", state=WorkerState.RUNNING, since_s=1.5, jobs=("j",)),
        Worker(worker_id="b", state=WorkerState.STOPPED, since_s=2.5, idle_since_s=3.5),
    )
    assert tuple(await bench.roster.workers()) == ()
    await bench.roster.publish(fleet)
    assert tuple(await bench.elsewhere.workers()) == fleet
    await bench.roster.publish(fleet[:1])
    assert tuple(await bench.elsewhere.workers()) == fleet[:1]


async def test_decisions_are_kept_newest_first_and_not_for_ever(bench):
    """With the numbers they were made from."""
    for n in range(KEPT + 3):
        decision = Decision(start=n, drain=("w",), reason=f"because of {n}")
        await bench.roster.record(decision, at_s=float(n), seen={"visible": float(n)})
    newest = await bench.elsewhere.decisions(limit=2)
    assert [(at_s, decision.start, decision.drain, seen) for at_s, decision, seen in newest] == [
        (KEPT + 2.0, KEPT + 2, ("w",), {"visible": KEPT + 2.0}),
        (KEPT + 1.0, KEPT + 1, ("w",), {"visible": KEPT + 1.0}),
    ]
    assert len(await bench.roster.decisions(limit=1000)) == KEPT


def hold(n):
    return Decision(start=0, drain=(), reason=f"{n} is enough")


async def test_decisions_that_did_something_can_be_asked_for_alone(bench):
    """A busy hour's readings do not push them out of sight."""
    await bench.roster.record(Decision(start=1, drain=(), reason="one"), at_s=1.0, seen={})
    await bench.roster.record(hold(2), at_s=2.0, seen={})
    await bench.roster.record(Decision(start=0, drain=("w",), reason="gone"), at_s=3.0, seen={})
    await bench.roster.record(hold(4), at_s=4.0, seen={})
    acting = await bench.elsewhere.decisions(limit=2, acting_only=True)
    assert [decision.reason for _, decision, _ in acting] == ["gone", "one"]


async def test_the_history_begins_with_the_oldest(bench):
    """In the order in which they were made, even where the clock was set back; from any time on."""
    for n, at_s in enumerate((1.0, 2.0, 1.5, 3.0)):
        await bench.roster.record(hold(n), at_s=at_s, seen={"enqueued_total": float(n)})

    async def totals(**options):
        return [seen["enqueued_total"] async for _, _, seen in bench.elsewhere.history(**options)]

    assert await totals() == [0, 1, 2, 3]
    assert await totals(since_s=1.5) == [1, 2, 3]
    assert await totals(since_s=9.0) == []


@pytest.mark.parametrize(
    ("since_s", "until_s", "found"),
    [(0.0, 9.0, 0), (1.2, 9.0, 2), (1.6, 9.0, 1), (2.5, 9.0, 3), (1.1, 1.4, None), (9.0, 99.0, None)],
)
async def test_the_earliest_of_a_time_is_found_whenever_it_was_made(bench, since_s, until_s, found):
    """By its Unix time, also where the clock was set back in between."""
    for n, at_s in enumerate((1.0, 2.0, 1.5, 3.0)):
        await bench.roster.record(hold(n), at_s=at_s, seen={"enqueued_total": float(n)})
    earliest = await bench.elsewhere.earliest(since_s=since_s, until_s=until_s)
    assert (earliest and earliest[2]["enqueued_total"]) == found


async def test_worker_seconds_add_up(bench):
    """What each leader in turn has charged is one total, and looking at it adds nothing."""
    assert await bench.roster.worker_s_total() == 0
    assert await bench.roster.publish((), worker_s=1.5) == 1.5
    assert await bench.elsewhere.publish((), worker_s=2.25) == 3.75
    assert await bench.roster.publish(()) == 3.75
    assert await bench.elsewhere.worker_s_total() == 3.75


async def until_leading(roster):
    """Try as a controller does: a server lets go of a lock a moment after its holder's connection has ended."""
    async with asyncio.timeout(30):
        while True:
            async with roster.lead() as leading:
                if leading:
                    return
            await asyncio.sleep(0.02)


async def test_one_leads_and_the_next_takes_over(bench):
    """Two controllers never act at the same time."""
    async with bench.roster.lead() as first, bench.elsewhere.lead() as second:
        assert (first, second) == (True, False)
    await until_leading(bench.elsewhere)


async def test_whoever_fails_while_leading_leads_no_more(bench):
    """An error, or a cancelled room, frees the lead."""

    async def fail():
        async with bench.roster.lead():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await until_leading(bench.elsewhere)


async def test_a_leader_whose_machine_loses_its_power_does_not_lead_for_two_hours(postgres_url, monkeypatch):
    """That is how long a server waits by itself; it is told to ask sooner. (On this Unix socket that does nothing.)"""
    connect, led_by = Database.connection, []

    @asynccontextmanager
    async def seen(database):
        async with connect(database) as connection:
            led_by.append(connection)
            yield connection

    monkeypatch.setattr(Database, "connection", seen)
    async with Database(postgres_url) as database, PostgresRoster(database).lead() as leading:
        assert leading
        told = await led_by[-1].execute("SELECT name FROM pg_settings WHERE source = 'session' AND name LIKE 'tcp%'")
        names = {name for (name,) in await told.fetchall()}
    assert names == {
        f"tcp_{name}" for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout")
    }
