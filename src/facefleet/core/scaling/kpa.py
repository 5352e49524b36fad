"""Knative's pod autoscaler, with its panic mode.

Source: Knative Serving, `config-autoscaler` (stable-window 60 s, panic-window-percentage 10,
panic-threshold-percentage 200, container-concurrency-target-percentage 70) and `pkg/autoscaler/scaling/autoscaler.go`.
"""

import math
from dataclasses import dataclass, field

from facefleet.core.fleet import Bounds, Decision, Observation, WorkerState
from facefleet.core.scaling.moves import committed, move_to
from facefleet.core.scaling.window import Window

_STABLE_S, _PANIC_S = 60.0, 6.0
_PANIC_RATIO = 2.0
_UTILISATION = 0.7


@dataclass(frozen=True, kw_only=True)
class KpaMemory:
    """Concurrency of the last minute; since when it panics, and the most workers wanted since."""

    concurrency: Window = field(default_factory=Window)
    panic_since_s: float | None = None
    panic_peak: int = 0


@dataclass(frozen=True, kw_only=True)
class Kpa:
    """Ceil(concurrency / (capacity x 0.7)) over a minute, or over six seconds in panic."""

    name: str = "kpa"

    def begin(self) -> KpaMemory:
        """Return a calm memory."""
        return KpaMemory()

    def decide(self, seen: Observation, bounds: Bounds, memory: KpaMemory) -> tuple[Decision, KpaMemory]:
        """Panic at twice what the ready workers hold; leave it a minute after the last cause."""
        window = memory.concurrency.add(seen.now_s, seen.visible + seen.in_flight, span_s=_STABLE_S)
        target = seen.capacity * _UTILISATION
        stable = math.ceil(window.mean(since_s=seen.now_s - _STABLE_S) / target)
        sudden = math.ceil(window.mean(since_s=seen.now_s - _PANIC_S) / target)
        ready = max(1, seen.count(WorkerState.RUNNING))
        since = memory.panic_since_s
        if sudden / ready >= _PANIC_RATIO:
            since = seen.now_s
        elif since is not None and not 0 <= seen.now_s - since < _STABLE_S:
            since = None
        peak = 0 if since is None else max(memory.panic_peak, sudden, stable)
        want = stable if since is None else max(peak, committed(seen))
        mode = "stable" if since is None else "panic"
        why = f"{stable} workers by the last minute, {sudden} by the last {_PANIC_S:.0f} s, {mode} mode wants {want}"
        return move_to(want, seen, bounds, why), KpaMemory(concurrency=window, panic_since_s=since, panic_peak=peak)
