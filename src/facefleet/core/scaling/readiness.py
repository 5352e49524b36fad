"""The second and third question of our rule: who must be there for requests that have not come yet?

*Headroom*: while requests come, those of the near future are late already unless somebody is there for them; a reserve
for rises is part of it, where past ones say that too many requests would be late without. *Return*:
after the fleet went idle, work may come back before a worker ordered then would be there. Where a boot fits into the
objective nobody need wait for those who have not come, so there is no headroom, and somebody is back in time only where
that is cheaper; the same where requests are seldom and the fastest of a few boots fits (`cold`).
"""

import math
from functools import lru_cache

from facefleet.core.boots import thinned
from facefleet.core.scaling.prewarm import wanted
from facefleet.core.scaling.rehearsal import Means
from facefleet.core.scaling.staffing import slots_ahead
from facefleet.core.scaling.view import View

_BOOTS = 4  # that stand for all
_GRID = 1.05
_RISE = 4.0  # times as many may come, of a load that rises, before somebody ordered for it is there; tuned


def slots_in_readiness(view: View) -> float:
    """Return the slots that should be there before they are asked for."""
    if view.objective.slo_s <= 0:
        return view.slots  # nobody may wait, whatever comes
    back = _return(view)
    if view.cold.late_alone <= view.objective.late_share:
        return back
    if not back and _lone(view):
        return 0.0
    return max(back, _headroom(view))


def _headroom(view: View) -> float:
    """Return the slots for requests that will come while no order can help them.

    These can be begun until one who is ordered after them is there: at the rate as it is, so many need the share
    `blind_s / slow_s` of the slots that would begin each within the objective for ever, unless a slot begins no second
    one in that time. The rest is for `lateness`.
    """
    return max(_usual(view), _reserve(view))


def _usual(view: View) -> float:
    """Return the slots for the rate to reckon with."""
    if view.blind_s <= 0 or view.learned.service_s is None:
        return 0.0
    slots = _slots_ahead(view, view.learned.lasting_hz(view.boot_s))
    if view.learned.service_s > view.slow_s:
        return slots
    return max(min(1.0, slots), min(1.0, _RISE * view.blind_s / view.slow_s) * slots)


def kept_hz(view: View) -> float:
    """Return the highest rate at which those kept for the one to reckon with begin each in time, if it jumps to it."""
    share = _share_of_risen(view)
    if not share or view.learned.service_s is None or view.cold.late_alone <= view.objective.late_share:
        return math.inf
    slots = _usual(view)
    return slots / view.crew.service_s / share if slots < view.slots else math.inf


def reserved_hz(view: View) -> float:
    """Return the requests a second that somebody is kept ready for, as the load has often risen so far; 0 for none.

    What has just come is for `lateness`.
    """
    rate_hz = view.learned.lasting_hz(view.boot_s)
    if view.learned.service_s is None or not view.learned.persistence.goes_on or not _share_of_risen(view):
        return 0.0
    risen_hz = view.rises.risen_hz(rate_hz, view.before.total, view.objective.late_share)
    return risen_hz if risen_hz > rate_hz else 0.0


def _reserve(view: View) -> float:
    """Return the slots for a rise that nothing foretells."""
    rate_hz = reserved_hz(view)
    return _share_of_risen(view) * _slots_ahead(view, rate_hz) if rate_hz else 0.0


def _share_of_risen(view: View) -> float:
    """Return the share of the slots for a rate that must be there before it jumps to that.

    If it jumps to r and c can be begun a second, one who comes after u seconds has to wait for u (r - c) / c, or until
    those are there who were ordered for the rise: after a look and, as they are many, a mean boot, T. That is no longer
    than the objective w for anybody if c is r (1 - w / T).
    """
    return max(0.0, 1 - view.objective.slo_s / (view.boot_s + view.learned.tick_s))


def _slots_ahead(view: View, rate_hz: float) -> float:
    return slots_ahead(
        in_service=view.crew.busy,
        rate_hz=rate_hz,
        service_s=view.crew.service_s,
        variability=view.learned.service.variability,
        blind_s=view.blind_s,
        slo_s=view.objective.slo_s,
        late_share=view.objective.late_share / view.cold.late_alone,
        most=view.slots,
    )


def _return(view: View) -> float:
    """Return the slots that must be there, or on their way, for when work comes back.

    Without a pattern it is one, or as many as the few idle times known ask for, for as long as who finds nobody is
    late; if he is not always, the sooner they may go. What has just come is for `lateness`: more of it is no reason for
    another plan.
    """
    idle, late_share = view.before.idleness, view.objective.late_share
    planned = 0.0
    if idle.compares and view.learned.service_s is not None:
        planned = float(wanted(idle.gaps, _means(view), idle.quiet_s(view.seen.now_s)))
        if idle.foretells:
            return planned
    if view.cold.late <= late_share:
        return 0.0
    unknown = idle.unknown(view.seen.now_s, view.slow_s, 100 * (1 - late_share / view.cold.late))
    return max(planned, 1.0) if unknown else 0.0


def _means(view: View) -> Means:
    """Return what a plan has to go by; what is measured to a few digits, so that few plans are ever made."""
    return Means(
        boots_s=tuple(_rounded(view.boot_s * boot) for boot in thinned(view.seen.boot_spread, _BOOTS)),
        tick_s=_rounded(view.learned.tick_s),
        service_s=math.pow(_GRID, round(math.log(view.crew.service_s, _GRID))),
        slo_s=view.objective.slo_s,
        late_share=view.objective.late_share,
        minimum_s=view.minimum_s,
        first=view.cold.workers,
        cold=_rounded(view.cold.late),
        slots=view.slots,
        sigmas=view.crew.sigmas,
    )


@lru_cache(maxsize=256)
def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _lone(view: View) -> bool:
    """Return whether nothing is to do and requests come so seldom that each is for `_return`, or to be hedged."""
    idle = view.learned.idleness
    seldom = view.learned.rate_hz(0.0) * view.boot_s < 1
    return seldom and (idle.foretells or view.cold.workers > 1) and idle.since_s is not None
