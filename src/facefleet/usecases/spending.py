"""What the running fleet costs: totals from queue and roster, prices from the settings."""

from facefleet.config import Settings
from facefleet.core.cost import Cost, Prices, Totals, charged, cost, settled_s
from facefleet.core.scaling.terms import Billing
from facefleet.ports import Queue, Roster

_DAY_S = 86_400.0

HOW_TO_PRICE = (
    "Nobody said what a worker costs: set worker_price_per_hour (FACEFLEET_WORKER_PRICE_PER_HOUR), in the currency of "
    "managed_price_per_1000."
)


async def spending(queue: Queue, roster: Roster, settings: Settings, *, now_s: float) -> Cost:
    """Return what the fleet costs, averaged since the oldest reading of the last day.

    Args:
        queue: counts the photos answered.
        roster: counts the worker-seconds charged.
        settings: the prices; a worker's is unknown if 0.
        now_s: Unix time.
    """
    counts = await queue.counts()
    now = Totals(at_s=now_s, worker_s=await roster.worker_s_total(), answered=counts.finished_total)
    prices = Prices(
        worker_per_h=settings.worker_price_per_hour or None, managed_per_1000=settings.managed_price_per_1000
    )
    billing = Billing(minimum_s=settings.minimum_bill_s, granularity_s=settings.bill_granularity_s)
    before = await _oldest(roster, now_s)
    return cost(charged(await roster.workers()), now, before, prices, settles_s=settled_s(billing))


async def _oldest(roster: Roster, now_s: float) -> Totals | None:
    """Return the oldest reading of the last day; not one of a clock that was ahead, however long ago."""
    recorded = await roster.earliest(since_s=now_s - _DAY_S, until_s=now_s)
    if recorded is None:
        return None
    at_s, _, seen = recorded
    return Totals(at_s=at_s, worker_s=seen.get("worker_s_total", 0.0), answered=seen.get("finished_total", 0.0))
