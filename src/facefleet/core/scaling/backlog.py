"""Backlog per instance, the rule AWS gives for workers behind a queue.

Source: Amazon EC2 Auto Scaling user guide, "Scaling policy based on Amazon SQS", with target tracking: the acceptable
backlog per instance is the latency that may be, divided by the time one message takes. Target tracking adds capacity
at once and takes it away only after its low alarm, 15 readings a minute apart, below nine tenths of the target.
"""

import math
from dataclasses import dataclass

from facefleet.core.fleet import Bounds, Decision, Observation
from facefleet.core.scaling.moves import committed, move_to
from facefleet.core.scaling.terms import Objective

_LOW_ALARM_S = 900.0
_LOW_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Visible messages / (objective / service time).

    Attributes:
        objective: gives the acceptable wait.
        service_s: how long one request takes, until some have been measured.
    """

    objective: Objective
    service_s: float = 1.0
    name: str = "backlog"

    def begin(self) -> float | None:
        """Return that the backlog has not been low."""
        return None

    def decide(self, seen: Observation, bounds: Bounds, memory: float | None) -> tuple[Decision, float | None]:
        """Remember since when the backlog has been low; shrink once that is 15 minutes ago."""
        service_s = seen.busy_ms_total / 1000 / seen.finished_total if seen.finished_total else self.service_s
        acceptable = max(1.0, self.objective.slo_s * seen.capacity / max(service_s, 1e-3))
        want = math.ceil(seen.visible / acceptable)
        have = committed(seen)
        low = seen.visible < _LOW_SHARE * acceptable * have
        since = None if not low else seen.now_s if memory is None else min(memory, seen.now_s)
        shrinks = since is not None and seen.now_s - since >= _LOW_ALARM_S
        goal = want if want > have or shrinks else have
        why = f"{seen.visible} visible at an acceptable {acceptable:.1f} a worker need {want}, {have} there"
        return move_to(goal, seen, bounds, why), since
