"""Idle times, and when a request may come again after one.

Source: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020: keep a histogram of idle times, let the fleet go after
work, have it back (pre-warm) just before the low percentile of the histogram, and keep it until the high one. Here the
histogram is the last idle times themselves, and each keeps how many requests came at once after it.
"""

from dataclasses import dataclass, replace

_KEPT = 24
_ENOUGH = 4  # idle times that make a pattern
_MARGIN = 0.02  # of an idle time, against a pattern that drifts


@dataclass(frozen=True, kw_only=True)
class Idleness:
    """When the fleet was without a request, and for how long.

    Attributes:
        gaps: (idle seconds, requests that came within one boot after), oldest first.
        since_s: since when nothing has come or been left to do; None while there is work.
        onset_s, onset_total: when work last came after idling, and how many requests had come before.
    """

    gaps: tuple[tuple[float, int], ...] = ()
    since_s: float | None = None
    onset_s: float | None = None
    onset_total: int = 0

    def add(self, now_s: float, total_before: int, total: int, *, busy: bool, boot_s: float) -> "Idleness":
        """Return what is known after one more look: the total of requests before it and now, and if there is work."""
        noted = self._sized(now_s, total, boot_s)
        if not busy and total == total_before:
            return noted if noted.since_s is not None else replace(noted, since_s=now_s)
        if noted.since_s is None:
            return noted
        idle_s = now_s - noted.since_s
        if total_before and idle_s > 0:
            noted = replace(noted, gaps=(*noted.gaps, (idle_s, max(1, total - total_before)))[-_KEPT:])
        return replace(noted, since_s=None, onset_s=now_s, onset_total=total_before)

    def _sized(self, now_s: float, total: int, boot_s: float) -> "Idleness":
        """Count the requests after an onset until a worker ordered at the onset would be there."""
        if self.onset_s is None:
            return self
        if now_s - self.onset_s > boot_s:
            return replace(self, onset_s=None)
        if not self.gaps:
            return self
        idle_s, size = self.gaps[-1]
        return replace(self, gaps=(*self.gaps[:-1], (idle_s, max(size, total - self.onset_total))))

    def expected(self, now_s: float, boot_s: float, at: float) -> int:
        """Return how many requests may come at once while a worker ordered now would boot; 0 outside the window."""
        if self.since_s is None or len(self.gaps) < _ENOUGH:
            return 0
        ordered = sorted(idle_s for idle_s, _ in self.gaps)
        last = ordered[min(len(ordered) - 1, int(at / 100 * len(ordered)))]
        idle_s = now_s - self.since_s
        begins = ordered[0] * (1 - _MARGIN) - boot_s
        ends = last * (1 + _MARGIN)
        return sorted(size for _, size in self.gaps)[len(self.gaps) // 2] if begins <= idle_s <= ends else 0
