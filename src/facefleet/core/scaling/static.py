"""A fleet of a fixed size: what most services run, and what every scaling rule has to beat on cost."""

from dataclasses import dataclass

from facefleet.core.fleet import Bounds, Decision, Observation
from facefleet.core.scaling.moves import committed, move_to


@dataclass(frozen=True, kw_only=True)
class Static:
    """Hold `workers` workers, whatever happens."""

    workers: int

    @property
    def name(self) -> str:
        """`static N`."""
        return f"static {self.workers}"

    def begin(self) -> None:
        """Return no memory."""

    def decide(self, seen: Observation, bounds: Bounds, memory: None) -> tuple[Decision, None]:
        """Replace what is missing."""
        why = f"{committed(seen)} of {self.workers} workers"
        return move_to(self.workers, seen, bounds, why), memory
