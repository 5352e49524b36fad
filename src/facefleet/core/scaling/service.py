"""How long a request takes: the mean and how much it varies, from how much work was done in how many requests."""

import math
from dataclasses import dataclass, replace

_STEADY = 1000  # requests, and looks, after which old service times begin to be forgotten
_GUESSED = 30  # looks that the guess counts for with which it begins, that service times are exponential
_MOST = 50  # of more requests the mean says little of how single ones vary, and much of what they have in common
_FARTHEST = 100.0  # one look says no more than this of the variance, in squared means: the mean itself may have changed
_FEW, _ENOUGH = 8, 64  # requests by which a change is noticed, or not any more
_SURE = 18.0  # nats: chance makes as much of it once in a hundred million looks
_LEAST = 0.5  # nothing is taken for more regular than this, for neither is the load


@dataclass(frozen=True, kw_only=True)
class Service:
    """Service times.

    Attributes:
        mean_s: of one request; None before the first.
        measured: how many it is the mean of.
        scv: squared coefficient of variation, the variance in squared means; 1 for exponential service times. Of work
            that varies much more than that it is too low, for lack of the longest.
        looks: how many it is the mean of.
        latest: requests done at the last looks, and the time they took together, oldest first.
    """

    mean_s: float | None = None
    measured: int = 0
    scv: float = 1.0
    looks: int = _GUESSED
    latest: tuple[tuple[int, float], ...] = ()

    def add(self, count: int, spent_s: float) -> "Service":
        """Return what is known once `count` requests more are done that took `spent_s` together.

        All count alike at first, later on those of the last thousand or so. How far the mean of these is from the one
        before says how much they vary: its variance is that of one request, over their number and over the number that
        the mean before stands for. More than a few dozen at once say no more than the mean. After a change, as by
        another model, only those since count.
        """
        if count <= 0 or spent_s <= 0:
            return self
        return _since_change(replace(self._counted(count, spent_s), latest=_latest((*self.latest, (count, spent_s)))))

    def _counted(self, count: int, spent_s: float) -> "Service":
        measured = min(self.measured + count, max(_STEADY, count))
        if self.mean_s is None:
            return Service(mean_s=spent_s / count, measured=measured)
        mean_s = self.mean_s + (spent_s - count * self.mean_s) / measured
        if count > _MOST:
            return replace(self, mean_s=mean_s, measured=measured)
        # Old ones fade, they do not end.
        stands_for = self.measured if self.measured < _STEADY else 2 * measured - count
        varies = (spent_s / count / self.mean_s - 1) ** 2 / (1 / count + 1 / stands_for)
        looks = min(self.looks + 1, _STEADY)
        scv = self.scv + (min(varies, _FARTHEST) - self.scv) / looks
        return Service(mean_s=mean_s, measured=measured, scv=scv, looks=looks)

    @property
    def variability(self) -> float:
        """What to reckon with in place of the squared coefficient of variation where it is about single requests.

        That is it below 1, and its root above: beside one that takes very long, others are begun on time.
        """
        return max(_LEAST, min(self.scv, math.sqrt(self.scv)))


def _latest(looks: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    """Return the last of these, two at least, with as many requests as tell a change."""
    requests = 0
    for number in range(len(looks) - 1, -1, -1):
        requests += looks[number][0]
        if requests >= _ENOUGH and number < len(looks) - 1:
            return looks[number:]
    return looks


def _since_change(known: Service) -> Service:
    """Return what is known with the mean of the latest requests alone, if they cannot be of the mean before.

    The mean of n gamma-distributed times is x times as long, or longer, with a probability of exp(-n (x - 1 - ln x) /
    scv) at most (Chernoff), and so for shorter. It must be without the look that differs most, too: single requests
    may take far longer.
    """
    mean_s = known.mean_s or 0.0
    requests, spent_s, asked, farthest = 0, 0.0, _FEW, (0, 0.0)
    for left, (count, took_s) in zip(range(len(known.latest) - 1, -1, -1), reversed(known.latest), strict=True):
        requests, spent_s = requests + count, spent_s + took_s
        if abs(took_s - count * mean_s) >= abs(farthest[1] - farthest[0] * mean_s):
            farthest = count, took_s
        if requests < asked and (left or requests < _FEW):
            continue
        asked = 2 * requests
        rest = _unlike(known, requests - farthest[0], spent_s - farthest[1])
        if rest > _SURE < _unlike(known, requests, spent_s):
            return replace(known, mean_s=spent_s / requests, measured=requests, latest=())
    return known


def _unlike(known: Service, requests: int, spent_s: float) -> float:
    """Return how unlikely so much time for so many requests is, in nats."""
    if not requests or known.mean_s is None or spent_s <= 0:
        return 0.0
    times = spent_s / requests / known.mean_s
    return requests / max(1.0, known.scv) * (times - 1 - math.log(times))
