-- When the fleet was last seen by a controller: a picture that grows old says that nobody leads.
ALTER TABLE fleet ADD COLUMN published_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- Also by a controller of an earlier version, which knows nothing of it.
CREATE FUNCTION fleet_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.published_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER fleet_published BEFORE UPDATE ON fleet FOR EACH ROW
WHEN (NEW.published_at = OLD.published_at) EXECUTE FUNCTION fleet_published();
