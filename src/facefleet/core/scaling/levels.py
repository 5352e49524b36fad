"""How long a worker that has nothing to do should stay, learned from how soon work came back to it before.

The k-th worker has nothing to do while fewer than k requests are in the system. Each such time that has ended is one
sample. Keeping a worker for K and then letting it go costs the time it idles, and regret if work comes back later than
K; the K that would have been cheapest over the last samples is used (the ski-rental problem with a learned
distribution: Karlin et al., "Competitive randomized algorithms for nonuniform problems", Algorithmica 1994).
"""

from dataclasses import dataclass

import numpy as np

_KEPT = 128
_LONGEST_S = 3600.0  # nobody is kept for longer for this


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Idle times of the first, second, … worker of an imaginary fleet that serves each request at once.

    Attributes:
        level: requests in the system when last looked at.
        free_s: (K,) since when worker k + 1 has nothing to do; 0 below the level.
        samples: idle times that ended, oldest first.
        cheapest_s: the keeping time that would have cost least over these samples; at most an hour.
    """

    level: int = 0
    free_s: tuple[float, ...] = ()
    samples: tuple[float, ...] = ()
    cheapest_s: float = 0.0

    def add(self, now_s: float, level: int, regret_s: float) -> "Levels":
        """Return what is known after one more look at how many are in the system."""
        if level == self.level:
            return self
        if level < self.level:
            freed = (now_s,) * (self.level - level)
            free = self.free_s[:level] + freed + self.free_s[self.level :]
            return Levels(level=level, free_s=free, samples=self.samples, cheapest_s=self.cheapest_s)
        known = self.free_s[self.level : level]
        ended = tuple(now_s - since_s for since_s in known if now_s > since_s)
        free = self.free_s + (0.0,) * (level - len(self.free_s))
        samples = (self.samples + ended)[-_KEPT:]
        cheapest = _cheapest_s(samples, regret_s) if ended else self.cheapest_s
        return Levels(level=level, free_s=free, samples=samples, cheapest_s=cheapest)


def _cheapest_s(samples: tuple[float, ...], regret_s: float) -> float:
    """Return the keeping time that costs least over the samples: 0, or one of them, of no more than an hour."""
    kept_s = np.sort(samples)
    outlasting = np.arange(kept_s.size - 1, -1, -1)
    costs = np.where(kept_s <= _LONGEST_S, kept_s.cumsum() + outlasting * (kept_s + regret_s), np.inf)
    cheapest = costs.argmin()
    return float(kept_s[cheapest]) if costs[cheapest] < regret_s * kept_s.size else 0.0
