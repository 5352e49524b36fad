"""How long workers take to boot: the latest boots, of which the first four are guesses."""

from dataclasses import dataclass
from statistics import fmean

Spread = tuple[float, ...]  # boots as multiples of their mean, ascending, each as likely

GUESSED: Spread = (0.75, 0.92, 1.08, 1.25)
_REMEMBERED = 32
_SLOW_SHARE = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Boots:
    """The latest boots, so that two or three slow ones do not decide alone what is believed.

    Attributes:
        latest_s: in their order, no more than 32.
        mean_s: their mean.
        spread: each as a multiple of it.
    """

    latest_s: tuple[float, ...]
    mean_s: float
    spread: Spread

    @staticmethod
    def expected(mean_s: float) -> "Boots":
        """Return what to reckon with before one was timed: boots that differ somewhat."""
        return _boots(tuple(mean_s * boot for boot in GUESSED))

    def add(self, boot_s: float) -> "Boots":
        """Return what is known after one more boot."""
        return _boots((*self.latest_s, boot_s)[-_REMEMBERED:])


def slow(spread: Spread) -> float:
    """Return a slow boot, the 90th percentile, as a multiple of the mean; at least 1."""
    return max(1.0, spread[int(_SLOW_SHARE * len(spread))])


def slowest(spread: Spread) -> float:
    """Return the slowest boot, as a multiple of the mean; at least 1."""
    return max(1.0, spread[-1])


def thinned(spread: Spread, count: int) -> Spread:
    """Return so many boots that stand for all."""
    return tuple(spread[int((number + 0.5) / count * len(spread))] for number in range(count))


def _boots(latest_s: tuple[float, ...]) -> Boots:
    mean_s = max(fmean(latest_s), 1e-3)
    return Boots(latest_s=latest_s, mean_s=mean_s, spread=tuple(sorted(boot_s / mean_s for boot_s in latest_s)))
