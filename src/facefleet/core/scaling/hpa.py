"""Kubernetes' horizontal pod autoscaler on utilisation.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling": ceil(current x metric / target) every 15 s, no change
within a tolerance of 0.1, pods not yet ready count as using nothing when scaling up, at most the greater of 4 pods and
100 % more in 15 s, and the highest recommendation of the last 300 s when scaling down. It does not scale to zero.
"""

import math
from dataclasses import dataclass

from facefleet.core.fleet import Bounds, Decision, Observation, WorkerState
from facefleet.core.scaling.moves import committed, move_to
from facefleet.core.scaling.window import Window

_TARGET = 0.8
_TOLERANCE = 0.1
_SYNC_S = 15.0
_SETTLES_S = 300.0
_PODS = 4


@dataclass(frozen=True, kw_only=True)
class Hpa:
    """Ceil(workers x utilisation / 0.8)."""

    name: str = "hpa"

    def begin(self) -> Window:
        """Return no recommendations."""
        return Window()

    def decide(self, seen: Observation, bounds: Bounds, memory: Window) -> tuple[Decision, Window]:
        """Look every 15 seconds, hold between."""
        have = committed(seen)
        if memory.readings and 0 <= seen.now_s - memory.readings[-1][0] < _SYNC_S:
            return move_to(have, seen, bounds, f"{have} workers until the next sync"), memory
        running = seen.count(WorkerState.RUNNING)
        used = min(1.0, seen.in_flight / (max(1, running) * seen.capacity))
        advised = self._advised(used, max(1, running), have)
        window = memory.add(seen.now_s, advised, span_s=_SETTLES_S)
        want = max(1, advised if advised >= have else min(have, int(window.peak())))
        why = f"{used:.0%} of {running} running used, target {_TARGET:.0%}; want {want}, {have} there or coming"
        return move_to(want, seen, bounds, why), window

    @staticmethod
    def _advised(used: float, running: int, have: int) -> int:
        if have and abs(used * running / (have * _TARGET) - 1) <= _TOLERANCE:
            return have
        limit = max(have + _PODS, 2 * have)
        return min(limit, math.ceil(running * used / _TARGET))
