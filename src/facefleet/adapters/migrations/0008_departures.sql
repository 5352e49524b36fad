-- Which workers ended in good order, and when: a missing report alone does not tell that from one that was cut off.
CREATE UNLOGGED TABLE departures (
    worker_id text PRIMARY KEY,
    left_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
