-- Who is there changes every second and is worthless after a crash: unlogged tables write no log and start empty then.
CREATE UNLOGGED TABLE workers (
    worker_id text PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    draining boolean NOT NULL,
    jobs text[] NOT NULL,
    finished bigint NOT NULL,
    reported_at timestamptz NOT NULL,
    idle_since timestamptz,
    told_to_drain boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- The fleet as the leading controller last saw it: one row.
CREATE UNLOGGED TABLE fleet (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    workers jsonb NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE decisions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_s double precision NOT NULL,
    start integer NOT NULL,
    drain text[] NOT NULL,
    reason text NOT NULL,
    seen jsonb NOT NULL
);
