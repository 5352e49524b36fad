"""The first question of our rule: who will be late unless a worker is ordered now?

Requests have a deadline, their arrival plus the objective. A worker ordered now begins one request a service time from
one boot on. The fewest workers that keep every deadline, given what those there and on their way will have begun, are
the cheapest order, for each pays a boot and the billing minimum. It can be put off for as long as that makes it no
larger: perhaps more requests come to share it, perhaps somebody comes free.
"""

import math

from facefleet.core.scaling.moves import committed
from facefleet.core.scaling.persistence import Outlook
from facefleet.core.scaling.staffing import Missing
from facefleet.core.scaling.view import View

_LATE = 0.2  # those who are late anyway are begun within this share of the objective after the boot
_LATE_BOOT = 0.1  # or within this share of the boot: they waited for one, and to hurry takes many
_NO_LATER = 0.9  # but within this share of what a slow boot at the next look adds, or they would be put off for ever
_UNSEEN = 0.25  # of the variance of what is to come is allowed for now: later looks can order for most of it
_STEPS = 6  # moments at which deadlines are checked
_AHEAD = 4  # workers to time the work: the more, the sooner the first boots, and the more may be for nothing
_TIMED_BOOT = 0.1  # of a boot is spent on timing it
SLIVER = 0.3  # of a worker, not worth one


def workers_against_lateness(view: View) -> int:
    """Return how many workers there should be so that no order comes too late; 0 where those there are enough.

    While no request has been timed, those for a first request go ahead for as long as others can still follow in time,
    and then a few until somebody has worked for a while: how many it takes nobody knows yet.
    """
    if view.over and not view.seen.visible:
        return 0  # what a rate promises that is over is not to come
    there, more = committed(view.seen), 0.0
    if view.learned.service_s is not None or _slack_s(view) <= 0:
        more = min(_to_order(view, _missing(view)), _most_ahead(view))
    if _alone(view) and (more or _no_sharing(view)):
        more = max(more, view.cold.workers - there, 1)
    return there + int(more) if more else 0


def _most_ahead(view: View) -> float:
    """Return how many more may be ordered: few until somebody had a while to time the work, then any number.

    Work that is not done by then says by that that it takes many.
    """
    learned, crew = view.learned, view.crew
    if learned.service_s is not None:
        return math.inf
    if learned.tried_s is not None and view.seen.now_s - learned.tried_s >= _TIMED_BOOT * view.boot_s:
        return math.inf
    return max(0, _AHEAD - (crew.free + crew.busy + len(crew.ready_s)) // view.seen.capacity)


def _missing(view: View) -> dict[float, Missing]:
    """Return how many of those who wait and are to come are late if nobody is ordered, by when they should begin.

    On average, and how many more to be sure enough: those to come and those that are finished are taken for Poisson.
    """
    slo_s, crew, outlook = view.objective.slo_s, view.crew, view.learned.outlook(view.blind_s)
    hurry_s = max(_LATE * min(slo_s, view.boot_s), _LATE_BOOT * view.boot_s)
    soonest_s = view.boot_s + min(hurry_s, _NO_LATER * (view.slow_s - view.boot_s))
    last_s = max(soonest_s, slo_s + view.slow_s)
    growth = (last_s / soonest_s) ** (1 / _STEPS)
    moments = {soonest_s * growth**step for step in range(_STEPS + 1)}
    moments |= {max(soonest_s, due_s) for due_s in (slo_s - view.seen.oldest_age_s, slo_s, view.slow_s)}
    short = {}
    for at_s in moments:
        waiting, coming = _due(view, outlook, at_s - slo_s)
        at_once, finished = crew.begins(at_s)
        unseen = _UNSEEN * max(0.0, coming - 1)  # one that comes is no crowd
        missing = waiting + coming - at_once - finished
        spread = crew.sigmas * math.sqrt(unseen + finished)
        most = waiting + coming - at_once + crew.sigmas * math.sqrt(unseen)
        if most > 0 and missing + spread > 0:
            short[at_s] = Missing(mean=missing, spread=spread, most=most)
    return short


def _to_order(view: View, missing: dict[float, Missing]) -> int:
    """Return how many workers it takes now, so that no more would have to be ordered at the next look."""
    now = _workers(view, missing, view.boot_s)
    if not now or _workers(view, missing, view.slow_s) > now:
        return int(now)
    return int(now) - 1  # putting off one of them never needs two


def _workers(view: View, missing: dict[float, Missing], ready_s: float) -> float:
    """Return the fewest workers, there in `ready_s`, that keep the deadlines of so many more, by when they are due."""
    slots = (view.crew.more_slots(count, within_s=at_s, ready_s=ready_s) for at_s, count in missing.items())
    most = max(slots, default=0.0)
    return math.inf if math.isinf(most) else max(0, math.ceil(most / view.seen.capacity - SLIVER))


def _due(view: View, outlook: Outlook, after_s: float) -> tuple[float, float]:
    """Return the waiting and the coming requests that arrive no later than `after_s` from now."""
    seen = view.seen
    if after_s >= 0:
        return seen.visible, outlook.coming(after_s)
    if seen.oldest_age_s < -after_s:
        return 0.0, 0.0
    return max(0.0, seen.visible - view.learned.arrivals.within(-after_s)), 0.0


def _slack_s(view: View) -> float:
    """Return for how long an order for those who wait can be put off."""
    return view.objective.slo_s - view.seen.oldest_age_s - view.slow_s


def _alone(view: View) -> bool:
    """Return whether requests wait for nobody."""
    return view.seen.visible > 0 and not view.crew.free + view.crew.busy + len(view.crew.ready_s)


def _no_sharing(view: View) -> bool:
    """Return whether no more requests than wait are to be expected to share a boot with them if they wait on.

    The rate is that of before this look, so that a request more never argues for waiting.
    """
    return view.before.rate_hz(0.0) * max(0.0, _slack_s(view)) <= view.seen.visible
