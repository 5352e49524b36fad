"""How many workers a load needs so that few enough requests wait too long."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

_GRID = 1.02


@lru_cache(maxsize=4096)
def erlang_slots(offered: float, wait_in_services: float, late_share: float) -> float:
    """Return the fewest slots that keep P(wait > w) within `late_share`, for Poisson arrivals, exponential services.

    P(wait > w) = C(m, a) exp(-(m - a) w / S), with Erlang's C from the recursion for B; the standard result of M/M/m
    (Kleinrock, Queueing Systems I, 1975, sections 3.5 and 5.2). Between whole numbers, and down to the load, where all
    wait, its logarithm is taken for a straight line: so what is needed beyond the load grows with it.

    Args:
        offered: a, arrival rate times mean service time.
        wait_in_services: w / S.
        late_share: the probability allowed, in (0, 1].
    """
    if offered <= 0:
        return 0.0
    slots, blocked, aim = 0, 1.0, math.log(late_share)
    fewer, late_of_fewer = offered, 0.0
    while True:
        slots += 1
        blocked = offered * blocked / (slots + offered * blocked)
        if slots <= offered:
            continue
        waits = slots * blocked / (slots - offered * (1 - blocked))
        late = math.log(waits) - (slots - offered) * wait_in_services
        if late <= aim:
            return slots - (slots - fewer) * (aim - late) / (late_of_fewer - late)
        fewer, late_of_fewer = float(slots), late


@lru_cache
def sigmas(at: float) -> float:
    """Return how many standard deviations a normal variable stays below in `at` percent of cases."""
    return max(0.0, NormalDist().inv_cdf(at / 100))


def settled(after_s: float, service_s: float) -> float:
    """Return the share of those in service after a while who have come since (M/M/inf, transient)."""
    return 1.0 - math.exp(-after_s / service_s)


def slots_ahead(
    *,
    in_service: float,
    rate_hz: float,
    service_s: float,
    variability: float,
    blind_s: float,
    slo_s: float,
    late_share: float,
    most: int,
) -> float:
    """Return the slots needed `blind_s` from now, before which nothing ordered later can help; at most `most`.

    With enough slots, of the requests in service exp(-t/S) still are after t, and a (1 - exp(-t/S)) new ones have come
    (M/M/inf, transient). What steady state needs beyond the mean covers fluctuations whose variance has grown
    to a (1 - exp(-t/S)) by then. So a fleet that starts at once follows the requests one by one, and one that boots
    slowly keeps the headroom of steady state. How service times vary hardly changes how many wait; for how long is in
    proportion to (1 + variability) / 2 (Allen and Cunneen's approximation of M/G/m).

    Of loads that need the same number of slots m, the least counts, m - 1 less what that needs beyond: so the answer
    stays the same for these, and a fleet does not follow each quiver of the rate; and it never falls as the rate rises.
    """
    offered = rate_hz * service_s
    new = settled(blind_s, service_s)
    still = in_service * (1.0 - new)
    mean = still + offered * new
    if offered <= 0 or mean >= most:
        return min(mean, most)
    if offered >= most:  # the recursion would run on for as long as a wrong count is large
        return most
    rounded = _GRID ** math.ceil(math.log(offered, _GRID))  # up, so that few values are ever computed
    needed = erlang_slots(rounded, slo_s / (service_s * (1 + variability) / 2), late_share)
    whole, beyond = math.ceil(needed), needed - rounded
    least = whole - 1 - beyond
    return min(most, still + least * new + (whole - least) * math.sqrt(new))


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Requests that are late if nobody is ordered.

    Attributes:
        mean: on average; may be negative.
        spread: how many more it may be, to be sure enough; at least -mean.
        most: how many it is if nothing is finished in time.
    """

    mean: float
    spread: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Slots that can begin requests, and how fast they come free again.

    Attributes:
        free, busy: slots of running workers.
        ready_s: for each slot of a pending worker, in how many seconds it is there.
        service_s: mean service time; infinite while unknown.
        late_boot_s: how much longer than usual the slowest boot takes.
        sigmas: how surely.
    """

    free: int
    busy: int
    ready_s: tuple[float, ...]
    service_s: float
    late_boot_s: float
    sigmas: float

    def begins(self, within_s: float) -> tuple[float, float]:
        """Return how many requests are begun in that time if there are always enough: at once, and then on average.

        Each slot there begins one when it is free or comes, and another for each it finishes; the number of these is
        taken for Poisson.
        """
        coming = [within_s - ready_s for ready_s in self.ready_s if ready_s <= within_s]
        return self.free + len(coming), ((self.free + self.busy) * within_s + sum(coming)) / self.service_s

    def more_slots(self, missing: Missing, *, within_s: float, ready_s: float) -> float:
        """Return the slots to add, there after `ready_s`, so that so many requests more are begun in that time.

        No more than one slot a request; infinite if that is too late for any of them. All that is unsure is
        independent, so x slots must satisfy

            x each - sqrt(x late^2 + x sigmas^2 (each - 1) + spread^2) = mean

        where each is what one begins, all but the first of them taken for Poisson, and late what the slowest boot takes
        longer than usual, in service times: of several boots the mean is the surer the more they are.
        """
        if within_s < ready_s:
            return math.inf
        each = 1 + (within_s - ready_s) / self.service_s
        unsure = (self.late_boot_s / self.service_s) ** 2 + self.sigmas**2 * (each - 1)
        twice = 2 * each
        root = math.sqrt(max(0.0, unsure * unsure + 2 * twice * missing.mean * unsure + (twice * missing.spread) ** 2))
        slots = min(
            missing.mean + missing.spread, missing.most, (twice * missing.mean + unsure + root) / (twice * each)
        )
        return slots if self.free + self.busy + len(self.ready_s) else max(1.0, slots)
