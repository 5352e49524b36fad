"""The cold start: how late a request is that finds nobody there, and how many workers to order at once for it.

It waits for the next look, and then for a boot. Where one boot is often too slow and the fastest of a few is not, a few
are ordered, as with hedged requests (Dean and Barroso, "The Tail at Scale", Communications of the ACM 2013).
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from facefleet.core.scaling.terms import Objective

_MOST = 3  # workers: each one more costs as much as the first, and gains less than the one before
_LOOKS = 3.0  # where boots are shorter, the time to the next look decides, not who boots first


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """What is done for a request that finds nobody there.

    Attributes:
        workers: ordered at once; the first that is there begins the request.
        late: the share of such requests that wait longer than the objective.
        late_alone: that share if only one worker were ordered.
    """

    workers: int
    late: float
    late_alone: float


@lru_cache(maxsize=64)
def cold_start(boots: tuple[float, ...], boot_s: float, tick_s: float, objective: Objective, most: int) -> ColdStart:
    """Return the fewest workers of whom the fastest keeps the objective.

    One, where no few do, and where a boot takes hardly longer than a look.

    Args:
        boots: of a worker, each equally likely, as multiples of the mean.
        boot_s: the mean.
        tick_s: from one look to the next.
        objective: what late means, and for how many it may be.
        most: workers that there may be.
    """
    lates = [
        min(1.0, max(0.0, (boot * boot_s + tick_s - objective.slo_s) / max(tick_s, 1e-9)))
        for boot in sorted(boots, reverse=True)
    ]
    few = min(_MOST, most) if boot_s >= _LOOKS * tick_s else 1
    shares = [_share(lates, workers) for workers in range(1, max(1, few) + 1)]
    workers = next((workers for workers, share in enumerate(shares, 1) if share <= objective.late_share), 1)
    return ColdStart(workers=workers, late=shares[workers - 1], late_alone=shares[0])


def _share(lates: list[float], workers: int) -> float:
    """Return the share of requests for which all of so many boots are too slow.

    Args:
        lates: of the time between two looks, in which share a request comes too early for each boot; descending.
        workers: whose boots are independent.
    """
    widths = (late - less for late, less in pairwise((*lates, 0.0)))
    return sum(width * (slower / len(lates)) ** workers for slower, width in enumerate(widths, 1))
