"""KEDA's queue scalers (SQS, JetStream) at their defaults.

Source: KEDA documentation, "AWS SQS Queue" scaler (queueLength 5, scaleOnInFlight true) and "Scaling Deployments"
(cooldownPeriod 300 s to zero); from one to many it hands over to the HPA, whose scale-down waits 300 s as well.
"""

import math
from dataclasses import dataclass

from facefleet.core.fleet import Bounds, Decision, Observation
from facefleet.core.scaling.moves import move_to
from facefleet.core.scaling.window import Window

_SETTLES_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Keda:
    """Ceil((visible + in flight) / queue length), at its highest of the last five minutes."""

    queue_length: int = 5
    name: str = "keda"

    def begin(self) -> Window:
        """Return an empty window."""
        return Window()

    def decide(self, seen: Observation, bounds: Bounds, memory: Window) -> tuple[Decision, Window]:
        """Grow at once, shrink to the highest recommendation of the window."""
        messages = seen.visible + seen.in_flight
        window = memory.add(seen.now_s, math.ceil(messages / self.queue_length), span_s=_SETTLES_S)
        want = int(window.peak())
        why = f"{messages} messages at {self.queue_length} a worker, at most {want} workers in {_SETTLES_S:.0f} s"
        return move_to(want, seen, bounds, why), window
