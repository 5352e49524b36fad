"""The second and third question of our rule: who must be there for requests that have not come yet?

*Headroom*: while requests come, those of the near future are late already unless somebody is there for them; a reserve
for jumps is part of it, where past ones say that too many requests would be late without. *Return*: after the fleet
went idle, work may come back before a worker ordered then would be there. Where a boot fits into the objective nobody
need wait for those who have not come, so there is no headroom, and somebody is back in time only where that is cheaper;
the same where requests are seldom and the fastest of a few boots fits (`cold`).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from facefleet.core.boots import thinned
from facefleet.core.scaling.prewarm import wanted
from facefleet.core.scaling.rehearsal import Means
from facefleet.core.scaling.staffing import settled, slots_ahead
from facefleet.core.scaling.view import View

_BOOTS = 4  # that stand for all
_GRID = 1.05
_RISE = 4.0  # times as many may come, of a load that rises, before somebody ordered for it is there; tuned


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Who should be there before they are asked for.

    Attributes:
        slots: so many.
        risen_hz: the rate that they are kept for, if that is what asks for the most: the load may jump to it; else 0.
    """

    slots: float
    risen_hz: float = 0.0


def readiness(view: View) -> Readiness:
    """Return who should be there before they are asked for."""
    if view.objective.slo_s <= 0:
        return Readiness(slots=view.slots)  # nobody may wait, whatever comes
    back = _return(view)
    if view.cold.late_alone <= view.objective.late_share:
        return Readiness(slots=back)
    if not back and _lone(view):
        return Readiness(slots=0.0)
    usual, reserve = max(back, _headroom(view)), _reserve(view)
    return reserve if reserve.slots > usual else Readiness(slots=usual)


def _headroom(view: View) -> float:
    """Return the slots for requests that will come while no order can help them.

    These can be begun until one who is ordered after them is there: at the rate as it is, so many need the share
    `blind_s / slow_s` of the slots that would begin each within the objective for ever, unless a slot begins no second
    one in that time. The rest is for `lateness`.
    """
    if view.blind_s <= 0 or view.learned.service_s is None:
        return 0.0
    slots = _slots_ahead(view, view.learned.lasting_hz(view.boot_s))
    if view.learned.service_s > view.slow_s:
        return slots
    return max(min(1.0, slots), min(1.0, _RISE * view.blind_s / view.slow_s) * slots)


def kept_hz(view: View) -> float:
    """Return the highest rate that the headroom as it is begins in time if the load jumps to it; infinite for none.

    That is where there is no load, a boot fits, or no more can be kept.
    """
    share = _share_of_risen(view)
    if not share or not view.learned.persistence.goes_on or view.cold.late_alone <= view.objective.late_share:
        return math.inf
    slots = _headroom(view)
    return slots / view.crew.service_s / share if slots < view.slots else math.inf


def _reserve(view: View) -> Readiness:
    """Return the slots for a jump that nothing foretells, beside a load that goes on.

    What has just come is for `lateness`. Where a budget could not keep so many for ever, what it saves is for the jump.
    """
    share, service_s = _share_of_risen(view), view.crew.service_s
    if not share or not view.learned.persistence.goes_on:
        return Readiness(slots=0.0)
    level_hz, beyond_hz = view.jumps.heights_hz(
        view.seen.now_s,
        view.before.total,
        view.objective.late_share,
        clear_s=share * (view.objective.slo_s + service_s) * settled(view.blind_s, service_s),
    )
    rate_hz = view.learned.lasting_hz(view.boot_s)
    risen_hz = min(level_hz, rate_hz + beyond_hz)
    if risen_hz <= rate_hz or share * level_hz * service_s > view.sustained * view.seen.capacity:
        return Readiness(slots=0.0)
    return Readiness(slots=share * _slots_ahead(view, risen_hz), risen_hz=risen_hz)


def _share_of_risen(view: View) -> float:
    """Return the share of the slots for a rate that must be there before the load jumps to it.

    If it jumps to r and c can be begun a second, one who comes after u seconds has to wait for u (r - c) / c, until as
    many are there as come: who were ordered for the jump, after a look and, as they are many, a mean boot, T. That is
    no longer than the objective w for anybody if c is r (1 - w / T). Unless a slot begins no second request in that
    time. None while no request was timed.
    """
    tick_s = min(view.before.tick_s, view.learned.tick_s)  # one late look is no reason to prepare for the next
    share = max(0.0, 1 - view.objective.slo_s / (view.boot_s + tick_s))
    if view.learned.service_s is None or not share:
        return 0.0
    return 1.0 if view.learned.service_s > view.slow_s else share


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
