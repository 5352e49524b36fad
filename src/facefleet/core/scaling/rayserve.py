"""Ray Serve's replica autoscaler at its defaults.

Source: Ray Serve documentation, "Advanced autoscaling" and `autoscaling_policy.py`: ongoing requests, averaged over a
look-back of 30 s, divided by a target of 2 a replica; up after 30 s of wanting more (at once from zero), down after
600 s of wanting fewer, smoothing factors 1.
"""

import math
from dataclasses import dataclass, field

from facefleet.core.fleet import Bounds, Decision, Observation
from facefleet.core.scaling.moves import committed, move_to
from facefleet.core.scaling.window import Window

_LOOK_BACK_S = 30.0
_UP_S, _DOWN_S = 30.0, 600.0


@dataclass(frozen=True, kw_only=True)
class RayServeMemory:
    """Ongoing requests of late; which way it has wanted to go (-1, 0, 1), and since when."""

    ongoing: Window = field(default_factory=Window)
    way: int = 0
    since_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RayServe:
    """Ongoing requests / (2 x capacity), after a delay."""

    ongoing_target: int = 2
    name: str = "rayserve"

    def begin(self) -> RayServeMemory:
        """Return a memory without wishes."""
        return RayServeMemory()

    def decide(self, seen: Observation, bounds: Bounds, memory: RayServeMemory) -> tuple[Decision, RayServeMemory]:
        """Move once the same wish has lasted its delay."""
        window = memory.ongoing.add(seen.now_s, seen.visible + seen.in_flight, span_s=_LOOK_BACK_S)
        have = committed(seen)
        ongoing = window.mean(since_s=seen.now_s - _LOOK_BACK_S)
        want = math.ceil(ongoing / (self.ongoing_target * seen.capacity))
        way = (want > have) - (want < have)
        since = memory.since_s if way == memory.way and memory.since_s <= seen.now_s else seen.now_s
        delay = (_UP_S if have else 0.0) if way > 0 else _DOWN_S
        goal = want if way and seen.now_s - since >= delay else have
        why = f"{ongoing:.1f} ongoing at {self.ongoing_target} a worker want {want}, for {seen.now_s - since:.0f} s"
        return move_to(goal, seen, bounds, why), RayServeMemory(ongoing=window, way=way, since_s=since)
