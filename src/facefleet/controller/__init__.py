"""Room 3: observe, decide, act, once a tick."""
