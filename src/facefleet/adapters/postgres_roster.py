"""`Roster` on PostgreSQL: heartbeats, the published fleet, the history of decisions, and the one who leads."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from facefleet.adapters.postgres import Database
from facefleet.core.fleet import Decision, Worker, WorkerReport
from facefleet.errors import Unavailable
from facefleet.ports import Recorded

_LEADING = 0x0FACEF2  # advisory lock: one controller leads
_WATCH_S = 1.0  # how often whoever leads asks whether it still does
_LOST_S = 5.0  # a connection that does not answer for so long is lost; psycopg then takes as long to cancel
_HUNG_S = 30.0  # a leader that asks nothing for so long hangs, and another may lead
# A server that is told nothing keeps the lock of a leader whose machine lost its power for two hours, and that of one
# that hangs for ever.
_KEEPALIVE_OF_SERVER = """
    SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '4', false), set_config('tcp_user_timeout', '30000', false),
           set_config('idle_session_timeout', %s::text, false)
"""
_WORKERS: TypeAdapter[tuple[Worker, ...]] = TypeAdapter(tuple[Worker, ...])

# Idle since the first report without a job after which no job was finished: one that came and went between two
# heartbeats was work too.
_REPORT = """
    WITH back AS (DELETE FROM departures WHERE worker_id = %(worker_id)s)
    INSERT INTO workers (worker_id, host, pid, draining, jobs, finished, reported_at, idle_since)
    VALUES (%(worker_id)s, %(host)s, %(pid)s, %(draining)s, %(jobs)s, %(finished)s, clock_timestamp(),
            CASE WHEN cardinality(%(jobs)s::text[]) = 0 THEN clock_timestamp() END)
    ON CONFLICT (worker_id) DO UPDATE SET
        host = excluded.host, pid = excluded.pid, draining = excluded.draining, jobs = excluded.jobs,
        finished = excluded.finished, reported_at = excluded.reported_at,
        idle_since = CASE
            WHEN cardinality(excluded.jobs) > 0 THEN NULL
            WHEN workers.finished = excluded.finished THEN coalesce(workers.idle_since, excluded.idle_since)
            ELSE excluded.idle_since
        END
    RETURNING told_to_drain
"""
_LEAVE = """
    WITH gone AS (DELETE FROM workers WHERE worker_id = %(worker_id)s)
    INSERT INTO departures (worker_id) VALUES (%(worker_id)s)
    ON CONFLICT (worker_id) DO UPDATE SET left_at = clock_timestamp()
"""
_DEPARTURES = "SELECT worker_id, extract(epoch FROM left_at)::float8 FROM departures"
_REPORTS = """
    SELECT worker_id, host, pid, draining, jobs, finished, extract(epoch FROM reported_at)::float8,
           coalesce(extract(epoch FROM idle_since), 0)::float8, extract(epoch FROM since)::float8
    FROM workers WHERE reported_at > clock_timestamp() - %s * interval '1 s' ORDER BY worker_id
"""
_ASK_TO_DRAIN = "UPDATE workers SET told_to_drain = true WHERE worker_id = ANY(%s)"
_PUBLISH = """
    WITH silent AS (DELETE FROM workers WHERE reported_at < clock_timestamp() - %(silent_s)s * interval '1 s'),
         long_gone AS (DELETE FROM departures WHERE left_at < clock_timestamp() - %(told_s)s * interval '1 s'),
         shown AS (
             INSERT INTO fleet (workers, minimum) VALUES (%(workers)s::jsonb, %(minimum)s)
             ON CONFLICT (only_row) DO UPDATE SET workers = excluded.workers, minimum = excluded.minimum
         )
    INSERT INTO worker_time AS total (worker_s) VALUES (%(worker_s)s)
    ON CONFLICT (only_row) DO UPDATE SET worker_s = total.worker_s + excluded.worker_s
    RETURNING worker_s, set_config('synchronous_commit', 'off', true)
"""
_WORKER_S = "SELECT coalesce(sum(worker_s), 0) FROM worker_time"
_PUBLISHED = "SELECT workers::text FROM fleet"
_MINIMUM = "SELECT minimum FROM fleet"
_PUBLISHED_AGE_S = "SELECT extract(epoch FROM clock_timestamp() - published_at)::float8 FROM fleet"
_RECORD = """
    WITH old AS (DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - %(keep)s)
    INSERT INTO decisions (at_s, start, drain, reason, seen)
    VALUES (%(at_s)s, %(start)s, %(drain)s, %(reason)s, %(seen)s)
"""
_DECISIONS = "SELECT at_s, start, drain, reason, seen FROM decisions ORDER BY number DESC LIMIT %s"
_ACTING = """
    SELECT at_s, start, drain, reason, seen FROM decisions WHERE start > 0 OR cardinality(drain) > 0
    ORDER BY number DESC LIMIT %s
"""
_HISTORY = """
    SELECT at_s, start, drain, reason, seen, number FROM decisions WHERE number > %(after)s AND at_s >= %(since_s)s
    ORDER BY number LIMIT %(page)s
"""
_EARLIEST = """
    SELECT at_s, start, drain, reason, seen FROM decisions WHERE at_s BETWEEN %(since_s)s AND %(until_s)s
    ORDER BY at_s LIMIT 1
"""
_PAGE = 1000
_TOLD_S = 600.0  # who left is told of for so long: no look takes longer, and seldom a change of controllers


class PostgresRoster:
    """What the rooms know of each other.

    Args:
        silent_s: after this long without a heartbeat a worker counts as gone.
        kept_decisions: how long the history is; a reading each ten seconds fills it in 17 days.
    """

    def __init__(self, database: Database, *, silent_s: float = 10.0, kept_decisions: int = 150_000) -> None:
        self._database = database
        self._silent_s = silent_s
        self._kept_decisions = kept_decisions

    async def report(self, report: WorkerReport) -> bool:
        """Record a worker's heartbeat; return whether it has been asked to drain."""
        ((told_to_drain,),) = await self._database.run(
            _REPORT,
            {
                "worker_id": report.worker_id,
                "host": report.host,
                "pid": report.pid,
                "draining": report.draining,
                "jobs": list(report.jobs),
                "finished": report.finished,
            },
        )
        return bool(told_to_drain)

    async def leave(self, worker_id: str) -> None:
        """Remove a worker that ends in good order."""
        await self._database.run(_LEAVE, {"worker_id": worker_id})

    async def departures(self) -> Mapping[str, float]:
        """Return who ended in good order in the last minutes, and when."""
        return dict(await self._database.run(_DEPARTURES))

    async def reports(self) -> Sequence[WorkerReport]:
        """Return the last report of each worker that is not silent."""
        rows = await self._database.run(_REPORTS, [self._silent_s])
        return [
            WorkerReport(
                worker_id=worker_id,
                host=host,
                pid=pid,
                draining=draining,
                jobs=tuple(jobs),
                finished=finished,
                reported_s=reported_s,
                idle_since_s=idle_since_s,
                since_s=since_s,
            )
            for worker_id, host, pid, draining, jobs, finished, reported_s, idle_since_s, since_s in rows
        ]

    async def ask_to_drain(self, worker_ids: Sequence[str]) -> None:
        """Leave word for workers that cannot be sent a signal."""
        await self._database.run(_ASK_TO_DRAIN, [list(worker_ids)])

    async def publish(self, workers: Sequence[Worker], *, worker_s: float = 0.0, minimum: int | None = None) -> float:
        """Replace the fleet as all rooms see it; forget workers that fell silent; return the time charged in all.

        A power cut may cost the last second of the total.
        """
        shown = _WORKERS.dump_json(tuple(workers)).decode()
        ((total_s, _),) = await self._database.run(
            _PUBLISH,
            {
                "workers": shown,
                "minimum": minimum,
                "silent_s": self._silent_s,
                "told_s": _TOLD_S,
                "worker_s": float(worker_s),
            },
        )
        return float(total_s)

    async def worker_s_total(self) -> float:
        """Return the worker-seconds charged since the beginning."""
        ((total_s,),) = await self._database.run(_WORKER_S)
        return float(total_s)

    async def workers(self) -> Sequence[Worker]:
        """Return the fleet as last published."""
        rows = await self._database.run(_PUBLISHED)
        return _WORKERS.validate_json(rows[0][0]) if rows else ()

    async def minimum(self) -> int | None:
        """Return how few workers are kept by whoever published the fleet; None if that is not known."""
        rows = await self._database.run(_MINIMUM)
        return rows[0][0] if rows else None

    async def published_age_s(self) -> float | None:
        """Return how long ago the fleet was last published; None if it never was."""
        rows = await self._database.run(_PUBLISHED_AGE_S)
        return float(rows[0][0]) if rows else None

    async def record(self, decision: Decision, *, at_s: float, seen: Mapping[str, float]) -> None:
        """Append to the history of decisions."""
        await self._database.run(
            _RECORD,
            {
                "at_s": at_s,
                "start": decision.start,
                "drain": list(decision.drain),
                "reason": decision.reason,
                "seen": Jsonb(dict(seen)),
                "keep": self._kept_decisions - 1,
            },
        )

    async def decisions(self, *, limit: int, acting_only: bool = False) -> Sequence[Recorded]:
        """Return the latest decisions, newest first."""
        return [_recorded(row) for row in await self._database.run(_ACTING if acting_only else _DECISIONS, [limit])]

    async def history(self, *, since_s: float = 0.0) -> AsyncIterator[Recorded]:
        """Yield the decisions of this Unix time and later, oldest first, a page at a time."""
        after = 0
        while True:
            rows = await self._database.run(_HISTORY, {"after": after, "since_s": since_s, "page": _PAGE})
            for row in rows:
                yield _recorded(row)
            if len(rows) < _PAGE:
                return
            after = rows[-1][-1]

    async def earliest(self, *, since_s: float, until_s: float) -> Recorded | None:
        """Return the decision with the earliest Unix time between these two."""
        rows = await self._database.run(_EARLIEST, {"since_s": since_s, "until_s": until_s})
        return _recorded(rows[0]) if rows else None

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[bool]:
        """Try to become the one controller that acts. The lock is the session's: it goes when the connection dies.

        Raises:
            Unavailable: the connection was lost, so the block was ended: another controller may lead by now.
        """
        async with self._database.connection() as connection:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [_LEADING])).fetchone()
            if not row or not row[0]:
                yield False
                return
            await connection.execute(_KEEPALIVE_OF_SERVER, [f"{_HUNG_S:.0f}s"])
            try:
                # A timeout that never comes by itself: bringing it forward is the way to end this block and no other.
                async with asyncio.timeout(None) as term:
                    watching = asyncio.create_task(_watch(connection, term), name="watch leadership")
                    try:
                        yield True
                    finally:
                        watching.cancel()
                        await asyncio.wait([watching])
            except TimeoutError as error:
                if not term.expired():
                    raise
                raise Unavailable("The connection that this controller led by was lost.") from error


async def _watch(connection: psycopg.AsyncConnection[TupleRow], term: asyncio.Timeout) -> None:
    """End the term once the connection no longer answers."""
    try:
        while True:
            await asyncio.sleep(_WATCH_S)
            async with asyncio.timeout(_LOST_S):
                await connection.execute("SELECT 1")
    except (psycopg.Error, TimeoutError):
        term.reschedule(asyncio.get_running_loop().time())


def _recorded(row: tuple[Any, ...]) -> Recorded:
    at_s, start, drain, reason, seen = row[:5]
    return at_s, Decision(start=start, drain=tuple(drain), reason=reason), seen
