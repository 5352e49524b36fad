-- When a worker was first heard of: the age of one that no fleet started.
ALTER TABLE workers ADD COLUMN since timestamptz NOT NULL DEFAULT clock_timestamp();
