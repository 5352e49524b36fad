-- Worker-seconds charged for since the beginning: one row, logged, since it is what was paid.
CREATE TABLE worker_time (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    worker_s double precision NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX decisions_acting ON decisions (number) WHERE start > 0 OR cardinality(drain) > 0;
CREATE INDEX decisions_at ON decisions (at_s);

-- Records without the totals, which were not kept before, tell nothing of the load.
DELETE FROM decisions WHERE NOT seen ? 'enqueued_total';
