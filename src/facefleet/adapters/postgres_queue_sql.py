"""The statements of `postgres_queue`.

`set_config('synchronous_commit', …, true)` in a RETURNING list sets the durability of the very commit it is part of,
without a round trip of its own. Notifications go out with relaxed commits here; with durable ones see `Announcer`.
"""

from typing import LiteralString, TypeAlias

Statement: TypeAlias = LiteralString

_INSERT = """
    INSERT INTO jobs (job_id, kind, task, bulk, durable, created_s, enqueued_at, rank_at, visible_at, deadline_at,
                      state)
    SELECT %(job_id)s, %(kind)s, %(task)s, %(bulk)s, %(durable)s, %(created_s)s,
           now(), now() + %(handicap_s)s * interval '1 s', now(),
           now() + %(deadline_s)s::float8 * interval '1 s', 'open'
    WHERE NOT EXISTS (SELECT FROM jobs WHERE job_id = %(job_id)s)  -- spares the sequence, which counts
    ON CONFLICT (job_id) DO NOTHING
"""
PUT = _INSERT + "RETURNING set_config('synchronous_commit', 'on', true)"
PUT_RELAXED = (
    _INSERT + "RETURNING set_config('synchronous_commit', 'off', true), pg_notify('facefleet_queued', '')::text"
)

# Also ends the jobs it meets whose time or chances are over, so nothing needs to sweep.
CLAIM = """
    WITH again AS (
        SELECT ctid, CASE WHEN deadline_at <= now() THEN 'expired'
                          WHEN receives >= %(max_receives)s THEN 'dead'
                          ELSE 'open' END AS verdict
        FROM jobs WHERE state = 'open' AND receives > 0 AND visible_at <= now()
        ORDER BY rank_at, seq LIMIT 1 FOR UPDATE SKIP LOCKED
    ), fresh AS (
        SELECT ctid, CASE WHEN deadline_at <= now() THEN 'expired' ELSE 'open' END AS verdict
        FROM jobs WHERE state = 'open' AND receives = 0 AND NOT EXISTS (SELECT FROM again)
        ORDER BY rank_at, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs SET
        state = verdict,
        receives = CASE verdict WHEN 'open' THEN receives + 1 ELSE receives END,
        visible_at = CASE verdict WHEN 'open' THEN now() + %(lease_s)s * interval '1 s' ELSE now() END,
        lease_token = CASE verdict WHEN 'open' THEN gen_random_uuid() ELSE lease_token END,
        worker_id = CASE verdict WHEN 'open' THEN %(worker_id)s ELSE worker_id END,
        ended_at = CASE verdict WHEN 'open' THEN NULL ELSE now() END
    FROM (SELECT * FROM again UNION ALL SELECT * FROM fresh) AS due
    WHERE jobs.ctid = due.ctid  -- the rows are locked, so their places hold
    RETURNING rank_at, seq, state, lease_token::text, receives,
              (1000 * extract(epoch FROM now() - enqueued_at))::float8 AS waited_ms,
              job_id, task, bulk, created_s, extract(epoch FROM deadline_at - enqueued_at)::float8 AS deadline_s,
              set_config('synchronous_commit', 'off', true),
              CASE WHEN verdict <> 'open' THEN pg_notify('facefleet_ended', job_id)::text END
"""

EXTEND = """
    UPDATE jobs SET visible_at = now() + %(lease_s)s * interval '1 s'
    FROM unnest(%(job_ids)s::text[], %(tokens)s::uuid[]) AS held (job_id, token)
    WHERE jobs.job_id = held.job_id AND lease_token = token AND state = 'open'
    RETURNING jobs.job_id
"""

FINISH = """
    WITH done AS (
        UPDATE jobs SET state = 'done', ended_at = now(), answer = %(answer)s, error = %(error)s
        WHERE job_id = %(job_id)s AND lease_token = %(token)s::uuid AND state = 'open'
        RETURNING job_id, worker_id, durable,
                  set_config('synchronous_commit', CASE WHEN durable THEN 'on' ELSE 'off' END, true)
    ), counted AS (
        INSERT INTO queue_totals AS total (shard, finished, busy_ms)
        SELECT hashtext(worker_id) & 63, 1, %(busy_ms)s FROM done
        ON CONFLICT (shard) DO UPDATE
        SET finished = total.finished + 1, busy_ms = total.busy_ms + excluded.busy_ms
    )
    SELECT durable, CASE WHEN NOT durable THEN pg_notify('facefleet_ended', %(news)s)::text END FROM done
"""
FINISHED_BEFORE = "SELECT 1 FROM jobs WHERE job_id = %(job_id)s AND lease_token = %(token)s::uuid AND state = 'done'"

RELEASE = """
    UPDATE jobs SET receives = receives - 1, visible_at = now(), lease_token = NULL
    WHERE job_id = %(job_id)s AND lease_token = %(token)s::uuid AND state = 'open'
    RETURNING pg_notify('facefleet_queued', '')::text
"""

ABANDON = """
    UPDATE jobs SET visible_at = now(), lease_token = NULL
    WHERE state = 'open' AND receives > 0 AND visible_at > now() AND worker_id = %s
    RETURNING pg_notify('facefleet_queued', '')::text
"""

CANCEL = """
    UPDATE jobs SET state = 'cancelled', visible_at = now(), ended_at = now()
    WHERE job_id = %s AND state IN ('open', 'dead')
    RETURNING pg_notify('facefleet_ended', job_id)::text
"""

PURGE = """
    UPDATE jobs SET state = 'cancelled', visible_at = now(), ended_at = now()
    WHERE state = 'open' AND receives = 0 OR state = 'open' AND receives > 0 OR state = 'dead'  -- one index each
    RETURNING pg_notify('facefleet_ended', '')::text
"""

COUNTS = """
    WITH open AS (
        SELECT visible_at, enqueued_at, deadline_at FROM jobs WHERE state = 'open' AND receives = 0
        UNION ALL
        SELECT visible_at, enqueued_at, deadline_at FROM jobs WHERE state = 'open' AND receives > 0
    ), waiting AS (
        SELECT enqueued_at FROM open WHERE visible_at <= now() AND (deadline_at > now()) IS NOT FALSE
    )
    SELECT (SELECT count(*) FROM waiting),
           (SELECT count(*) FROM open WHERE visible_at > now()),
           (SELECT count(*) FROM jobs WHERE state = 'dead'),
           coalesce((SELECT extract(epoch FROM now() - min(enqueued_at)) FROM waiting), 0)::float8,
           (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM jobs_seq_seq),
           (SELECT coalesce(sum(finished), 0) FROM queue_totals)::bigint,
           (SELECT coalesce(sum(busy_ms), 0) FROM queue_totals)
"""

DEAD_LETTERS = """
    SELECT job_id, kind, created_s, receives, worker_id, extract(epoch FROM ended_at)::float8,
           (extract(epoch FROM ended_at) * 1000000)::bigint, seq
    FROM jobs
    WHERE state = 'dead'
      AND (ended_at, seq) > (timestamptz 'epoch' + %(died_us)s * interval '1 us', %(seq)s)
    ORDER BY ended_at, seq LIMIT %(limit)s
"""

REDRIVE = """
    UPDATE jobs SET state = 'open', receives = 0, lease_token = NULL, ended_at = NULL, deadline_at = NULL,
                    enqueued_at = now(), visible_at = now(),
                    rank_at = now() + bulk::integer * %(bulk_handicap_s)s * interval '1 s'
    WHERE state = 'dead' AND (%(job_ids)s::text[] IS NULL OR job_id = ANY (%(job_ids)s::text[]))
    RETURNING job_id
"""

ERASE = "DELETE FROM jobs WHERE job_id = ANY (%s) AND ended_at IS NOT NULL"

FORGET = """
    DELETE FROM jobs WHERE job_id IN (
        SELECT job_id FROM jobs WHERE ended_at < now() - %s * interval '1 s' ORDER BY ended_at LIMIT 10000
    ) RETURNING job_id
"""
