"""What of all that the controller sees and decides is kept: enough to explain it, and to simulate it again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from facefleet.core.fleet import Decision, in_vain
from facefleet.ports import Roster

_BUSY_S = 10.0
_QUIET_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One look: the decision and the numbers it was made from, at the policy's time and at Unix time."""

    decision: Decision
    now_s: float
    at_s: float
    seen: Mapping[str, float]

    @property
    def enqueued(self) -> float:
        """How many requests had ever come."""
        return self.seen.get("enqueued_total", 0.0)

    def refused(self, why: str, *, started: int, drained: int) -> "Look":
        """Return what to keep of a decision of which only so much was done."""
        decision = replace(self.decision, reason=f"{self.decision.reason} {why}")
        return replace(self, decision=decision, seen={**self.seen, "started": started, "drained": drained})


class Journal:
    """Records every decision that acts, a reading every 10 s while requests come, and one an hour while none do.

    Of decisions that come to nothing again and again one in 10 s is enough.

    The first request after a silence is recorded together with the last look before it: the history then tells when the
    silence ended, instead of spreading the first requests over it.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._recorded: Look | None = None
        self._skipped: Look | None = None

    async def resume(self, *, now_s: float, unix_s: float) -> None:
        """Go on after what another controller has recorded since, or before this one, as if it stood here."""
        for at_s, decision, seen in await self._roster.decisions(limit=1):
            if self._recorded is None or at_s > self._recorded.at_s:
                then_s = now_s - max(0.0, unix_s - at_s)
                self._recorded, self._skipped = Look(decision=decision, now_s=then_s, at_s=at_s, seen=seen), None

    async def note(self, look: Look) -> None:
        """Record a look if it is worth it."""
        before = self._recorded
        if before is not None and not self._worth_it(look, before):
            self._skipped = look
            return
        if before is not None and self._skipped is not None and self._silent_until(self._skipped, look, before):
            await self._record(self._skipped)
        await self._record(look)
        self._skipped = None

    def _worth_it(self, look: Look, before: Look) -> bool:
        vain = in_vain(look.seen)
        if look.decision.acts and not (vain and in_vain(before.seen)):
            return True
        span_s = _QUIET_S if look.enqueued == before.enqueued and not vain else _BUSY_S
        return look.now_s - before.now_s >= span_s

    def _silent_until(self, skipped: Look, look: Look, before: Look) -> bool:
        return before.enqueued == skipped.enqueued != look.enqueued

    async def _record(self, look: Look) -> None:
        await self._roster.record(look.decision, at_s=look.at_s, seen=look.seen)
        self._recorded = look
