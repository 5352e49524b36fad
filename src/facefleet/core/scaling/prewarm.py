"""When to have workers back before work is, and how many: the cheapest plan that past idle times would have liked.

Of the plans under which few enough requests would have been late (`rehearsal`) the cheapest is taken, also where nobody
need be there before: who comes early does with fewer, for they have longer. Shahrad et al., "Serverless in the Wild"
(USENIX ATC 2020), pre-warm at a percentile of idle times; here costs say when.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from facefleet.core.scaling.idle import ENOUGH, MARGIN, Gaps, latest
from facefleet.core.scaling.rehearsal import Means, Rehearsal, soonest_s

_MOMENTS, _COUNTS = 24, 12  # tried, at most
_KEPT = (0.5, 0.8)  # shares of the idle times after which giving up is tried, besides the longest to reckon with
_GIVEN_UP = 0.2  # of those who may be late, who come after the longest idle time to reckon with; others find all busy
_SURE = 2.0  # standard errors by which a plan must be cheaper where nobody need be there before


@dataclass(frozen=True, kw_only=True)
class Prewarm:
    """Slots to have, ordered `after_s` seconds after the last request and kept until `until_s`; 0 for nobody."""

    after_s: float = 0.0
    until_s: float = 0.0
    slots: int = 0

    def wanted(self, quiet_s: float) -> int:
        """Return the slots to have there or on their way so long after the last request."""
        return self.slots if self.after_s <= quiet_s <= self.until_s else 0


def wanted(gaps: Gaps, means: Means, quiet_s: float) -> int:
    """Return the slots to have there or on their way so long after the last request; see `prewarm`."""
    return 0 if quiet_s < soonest_s(gaps, means) else prewarm(gaps, means).wanted(quiet_s)


@lru_cache(maxsize=64)
def prewarm(gaps: Gaps, means: Means) -> Prewarm:
    """Return the plan for the next idle time.

    Where not even the whole fleet could keep the objective, or no plan does, little worse than what can be kept counts.

    Args:
        gaps: past idle times in seconds, and how many requests came at once after each; two or more.
        means: fleet, work and objective.
    """
    past = Rehearsal(gaps, means)
    most = max(1, int(min(means.slots, np.ceil(past.sizes.max()))))
    counts = np.unique(np.geomspace(1, most, min(most, _COUNTS)).round())
    moments_s = np.unique(np.clip(np.linspace(soonest_s(gaps, means), past.quiet_s.max(), _MOMENTS), 0, None))
    kept_s = np.quantile([gap_s for gap_s, _ in gaps], _KEPT) * (1 + MARGIN)
    untils_s = np.array([*kept_s, _last_s(gaps, means, past)])
    costs, late = past.tried(moments_s, untils_s, counts)
    cost_of_none, late_of_none = past.without()
    fewest = min(late.min(), late_of_none)
    fine = late <= max(means.late_share, fewest + means.late_share / 2)
    if means.boot_fits and (means.first == 1 or late_of_none <= means.late_share):
        gains = cost_of_none[:, None] - costs
        fine &= gains.mean(2) > _SURE * gains.std(2) / np.sqrt(len(gaps))
    if not fine.any():
        return Prewarm()
    best = np.unravel_index(np.argmin(np.where(fine, costs.mean(2), np.inf)), fine.shape)
    return Prewarm(after_s=float(moments_s[best[0]]), until_s=float(untils_s[best[1]]), slots=int(counts[best[2]]))


def _last_s(gaps: Gaps, means: Means, past: Rehearsal) -> float:
    """Return the longest idle time to plan for; of a few that are no pattern, as far as the next may lie outside."""
    last_s = latest(gaps, 100 * (1 - _GIVEN_UP * means.late_share))
    return last_s if len(gaps) >= ENOUGH else min(last_s, float(past.quiet_s.max()))
