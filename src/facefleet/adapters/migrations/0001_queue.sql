-- Requests and their answers. All times are by this database's clock.
--
-- `state` is 'open' from put to end; whether an open job waits or is worked on follows from `visible_at`, which a lease
-- moves into the future. `rank_at` is the place in line: bulk jobs stand in it later than they came.

CREATE TABLE jobs (
    job_id       text COLLATE "C" PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    kind         text NOT NULL,
    task         text NOT NULL,
    bulk         boolean NOT NULL,
    durable      boolean NOT NULL,  -- enqueued by put (whose answer must last), not by a client on the line
    created_s    double precision NOT NULL,
    enqueued_at  timestamptz NOT NULL,
    rank_at      timestamptz NOT NULL,
    visible_at   timestamptz NOT NULL,
    deadline_at  timestamptz,
    state        text NOT NULL CHECK (state IN ('open', 'done', 'cancelled', 'expired', 'dead')),
    receives     integer NOT NULL DEFAULT 0,
    lease_token  uuid,
    worker_id    text,
    ended_at     timestamptz,
    answer       bytea,
    error        text
);

-- A claim reads the head of `jobs_fresh`, where only jobs are that nobody has ever leased, and the few rows of
-- `jobs_leased`; a million ended jobs are in neither.
CREATE INDEX jobs_fresh ON jobs (rank_at, seq) WHERE state = 'open' AND receives = 0;
CREATE INDEX jobs_leased ON jobs (visible_at) WHERE state = 'open' AND receives > 0;
CREATE INDEX jobs_dead ON jobs (ended_at, seq) WHERE state = 'dead';
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;

-- Each job is written three times and then lies still: vacuum by count, not by share of a long history.
ALTER TABLE jobs SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000
);

-- Running totals, spread over 64 rows by worker, since one row would be written by all workers in turn.
-- How many jobs were ever enqueued is the position of the sequence of `jobs.seq`.
CREATE TABLE queue_totals (
    shard     integer PRIMARY KEY,
    finished  bigint NOT NULL,
    busy_ms   double precision NOT NULL
) WITH (fillfactor = 10);
