-- How few workers the leading controller keeps: whether nobody there is as it should be. Null of an earlier version.
ALTER TABLE fleet ADD COLUMN minimum integer;
