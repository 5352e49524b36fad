"""How long workers take to boot on average: a moving mean that begins with a guess."""

from dataclasses import dataclass

_REMEMBERED = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Boots:
    """A mean of measured boots and of what was expected before, so that the first two or three decide nothing alone.

    Attributes:
        mean_s: of the boots so far; at first, the guess.
        count: boots that it stands for; the guess counts as four.
    """

    mean_s: float
    count: int = 4

    def add(self, boot_s: float) -> "Boots":
        """Return what is known after one more boot; of those before only about the latest count."""
        count = min(self.count + 1, _REMEMBERED)
        return Boots(mean_s=self.mean_s + (boot_s - self.mean_s) / count, count=count)
