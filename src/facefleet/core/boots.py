"""How long workers take to boot: the latest boots, of which the first four are guesses."""

from dataclasses import dataclass
from statistics import fmean, median

Spread = tuple[float, ...]  # boots as multiples of their mean, ascending, each as likely

GUESSED: Spread = (0.75, 0.92, 1.08, 1.25)
_REMEMBERED = 32
_SLOW_SHARE = 0.9
_WRONG = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Boots:
    """The latest boots, so that two or three slow ones do not decide alone what is believed.

    Attributes:
        guessed_s: the mean of the guesses.
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
        """Return what is known after one more boot.

        Where half of those timed are more than twice what was guessed, or half of them less than half of it, the guess
        was of another kind of worker: those timed are guessed from then on.
        """
        timed_s = (*self.timed_s, boot_s)[-_REMEMBERED:]
        usual_s = median(timed_s)
        wrong = not self.guessed_s / _WRONG <= usual_s <= self.guessed_s * _WRONG
        return _boots(usual_s if wrong else self.guessed_s, timed_s)


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
    boots_s = (*(guessed_s * guess for guess in GUESSED), *timed_s)[-_REMEMBERED:]
    mean_s = max(fmean(boots_s), 1e-3)
    spread = tuple(sorted(boot_s / mean_s for boot_s in boots_s))
    return Boots(guessed_s=guessed_s, timed_s=timed_s, mean_s=mean_s, spread=spread)
