"""How long workers take to boot: the latest boots, of which the first four are guesses."""

from dataclasses import dataclass
from statistics import fmean, median

Spread = tuple[float, ...]  # boots as multiples of their mean, ascending, each as likely

GUESSED: Spread = (0.75, 0.92, 1.08, 1.25)
_REMEMBERED = 32
_SLOW_SHARE = 0.9
_WRONG = 2.0  # times what was guessed, or as much less
_MOST = 0.75  # of those timed must be out by so much
_ENOUGH_SLOW = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Boots:
    """The latest boots, so that two or three slow ones do not decide alone what is believed.

    Attributes:
        guessed_s: the mean of the guesses, as long as those timed do not show them to be of another kind of worker.
        timed_s: those that were timed, in their order, no more than 32.
        mean_s: of both; each one timed beyond the 28th takes the place of a guess.
        spread: each of both as a multiple of their mean.
    """

    guessed_s: float
    timed_s: tuple[float, ...]
    mean_s: float
    spread: Spread

    @staticmethod
    def expected(mean_s: float) -> "Boots":
        """Return what to reckon with before one was timed: boots that differ somewhat."""
        return _boots(mean_s, ())

    def add(self, boot_s: float) -> "Boots":
        """Return what is known after one more boot."""
        return _boots(self.guessed_s, (*self.timed_s, boot_s)[-_REMEMBERED:])


def slow(spread: Spread) -> float:
    """Return a slow boot, the 90th percentile, as a multiple of the mean; at least 1."""
    return max(1.0, spread[int(_SLOW_SHARE * len(spread))])


def slowest(spread: Spread) -> float:
    """Return the slowest boot, as a multiple of the mean; at least 1."""
    return max(1.0, spread[-1])


def thinned(spread: Spread, count: int) -> Spread:
    """Return so many boots that stand for all."""
    return tuple(spread[int((number + 0.5) / count * len(spread))] for number in range(count))


def _boots(guessed_s: float, timed_s: tuple[float, ...]) -> Boots:
    likely_s = median(timed_s) if _of_another_kind(guessed_s, timed_s) else guessed_s
    boots_s = (*(likely_s * guess for guess in GUESSED), *timed_s)[-_REMEMBERED:]
    mean_s = max(fmean(boots_s), 1e-3)
    spread = tuple(sorted(boot_s / mean_s for boot_s in boots_s))
    return Boots(guessed_s=guessed_s, timed_s=timed_s, mean_s=mean_s, spread=spread)


def _of_another_kind(guessed_s: float, timed_s: tuple[float, ...]) -> bool:
    """Return whether most of those timed took less than half of what was guessed, or more than twice as long.

    One that was fast is believed at once, for whoever believes in fast boots soon sees more of them. Four must have
    been slow: whoever believes in slow ones keeps a worker, and sees no more.
    """
    faster = sum(boot_s * _WRONG < guessed_s for boot_s in timed_s)
    slower = sum(boot_s > guessed_s * _WRONG for boot_s in timed_s)
    most = _MOST * len(timed_s)
    return faster >= max(1.0, most) or slower >= max(_ENOUGH_SLOW, most)
