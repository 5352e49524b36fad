-- When the fleet was last seen by a controller: a picture that grows old says that nobody leads.
ALTER TABLE fleet ADD COLUMN published_at timestamptz NOT NULL DEFAULT clock_timestamp();
