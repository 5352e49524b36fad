"""Face recognition as a service on an elastic fleet.

Three rooms (`web`, `worker`, `controller`) talk through one page of `ports`; `core` and `vision` decide and compute
without knowing that a network exists; `wiring` is the one place that chooses which technology stands behind a port.
"""

__version__ = "0.1.0"
