"""The engine: pure functions on arrays, from a photo's bytes to faces with templates."""
