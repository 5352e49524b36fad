"""How long a request takes: the mean and how much it varies, from how much work was done in how many requests."""

import math
from dataclasses import dataclass, replace

_STEADY = 1000  # requests, and looks, after which old service times begin to be forgotten
_GUESSED = 30  # looks that the guess counts for with which it begins, that service times are exponential
_MOST = 50  # of more requests the mean says little of how single ones vary, and much of what they have in common
_FARTHEST = 100.0  # one look says no more than this of the variance, in squared means: the mean itself may have changed
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
    """

    mean_s: float | None = None
    measured: int = 0
    scv: float = 1.0
    looks: int = _GUESSED

    def add(self, count: int, spent_s: float) -> "Service":
        """Return what is known once `count` requests more are done that took `spent_s` together.

        All count alike at first, later on those of the last thousand or so. How far the mean of these is from the one
        before says how much they vary: its variance is that of one request, over their number and over the number that
        the mean before stands for. More than a few dozen at once say no more than the mean.
        """
        if count <= 0 or spent_s <= 0:
            return self
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
