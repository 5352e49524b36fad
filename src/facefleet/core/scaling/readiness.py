"""The second and third question of our rule: who must be there for requests that have not come yet?

*Headroom*: while requests come, those of the near future are late already unless somebody is there for them. *Return*:
after the fleet went idle, work may come back before a worker ordered then would be there. Neither is asked where a boot
fits into the objective, for then nobody need wait for those who have not come.
"""

from facefleet.core.scaling.staffing import slots_ahead
from facefleet.core.scaling.view import View


def slots_in_readiness(view: View) -> float:
    """Return the slots that should be there before they are asked for."""
    if view.objective.slo_s <= 0:
        return view.slots  # nobody may wait, whatever comes
    if view.cold <= view.objective.late_share:
        return 0.0
    back, ahead = _return(view), _headroom(view)
    if not back and view.cold < 1 and _lone(view):
        return 0.0
    return max(back, ahead)


def _headroom(view: View) -> float:
    """Return the slots for requests that will come while no order can help them."""
    if view.blind_s <= 0 or view.learned.service_s is None:
        return 0.0
    return slots_ahead(
        in_service=view.crew.busy,
        rate_hz=view.learned.lasting_hz(view.boot_s),
        service_s=view.learned.service_s,
        blind_s=view.blind_s,
        slo_s=view.objective.slo_s,
        late_share=view.objective.late_share / view.cold,
        most=view.slots,
    )


def _return(view: View) -> float:
    """Return the slots that must be there when work comes back, for those who come before an order helps.

    If the objective is kept for some of those who find nobody, as many more may find nobody.
    """
    slo_s = view.objective.slo_s
    caught = 100 * (1 - view.objective.late_share / view.cold)
    size = view.learned.idleness.expected(view.seen.now_s, view.slow_s, caught)
    return max(1.0, size / (1 + slo_s / view.crew.service_s)) if size else 0.0


def _lone(view: View) -> bool:
    """Return whether nothing is to do and requests come so seldom that idle times tell when the next does."""
    idle = view.learned.idleness
    seldom = view.learned.rate_hz(0.0) * view.boot_s < 1
    return seldom and idle.foretells and idle.since_s is not None
