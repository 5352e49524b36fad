"""Values and pure decisions: no clock, no network, no file."""
