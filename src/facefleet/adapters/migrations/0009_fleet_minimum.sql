-- How few workers the leading controller keeps: whether nobody there is as it should be. Null until a controller has said
-- so; one of an earlier version leaves what the last one said.
ALTER TABLE fleet ADD COLUMN minimum integer;
