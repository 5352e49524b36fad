"""Random durations as a user writes them: `5`, `30-60`, `exp:5`, `lognormal:5:0.8`, `measured:boots.txt`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefleet.errors import InvalidInput

FORMS = "SECONDS, LOW-HIGH, exp:MEAN, lognormal:MEAN:CV or measured:FILE (one number a line)"


@dataclass(frozen=True, kw_only=True)
class Durations:
    """A distribution of seconds.

    Attributes:
        mean_s: its mean.
        draw: (rng, count) → (count,) float64 seconds, all >= 0.
    """

    mean_s: float
    draw: Callable[[np.random.Generator, int], NDArray[np.float64]]


def durations(text: str) -> Durations:
    """Read a distribution as the user wrote it.

    Raises:
        InvalidInput: the text has none of the forms, or the file cannot be read.
    """
    kind, _, rest = text.partition(":")
    try:
        if kind == "exp":
            return exponential(float(rest))
        if kind == "lognormal":
            mean, _, cv = rest.partition(":")
            return lognormal(float(mean), float(cv or "1"))
        if kind == "measured":
            return _measured(Path(rest))
        low, dash, high = text.partition("-")
        return uniform(float(low), float(high)) if dash else fixed(float(text))
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no duration; write {FORMS}.") from error


def fixed(seconds: float) -> Durations:
    """Return durations that are always the same."""
    _require(seconds >= 0)
    return Durations(mean_s=seconds, draw=lambda _rng, count: np.full(count, seconds))


def uniform(low: float, high: float) -> Durations:
    """Return durations spread evenly from `low` to `high`."""
    _require(0 <= low <= high)
    return Durations(mean_s=(low + high) / 2, draw=lambda rng, count: rng.uniform(low, high, count))


def exponential(mean: float) -> Durations:
    """Return exponential durations (coefficient of variation 1)."""
    _require(mean > 0)
    return Durations(mean_s=mean, draw=lambda rng, count: rng.exponential(mean, count))


def lognormal(mean: float, cv: float) -> Durations:
    """Return log-normal durations with this mean and coefficient of variation."""
    _require(mean > 0 and cv > 0)
    sigma = math.sqrt(math.log1p(cv * cv))
    location = math.log(mean) - sigma * sigma / 2
    return Durations(mean_s=mean, draw=lambda rng, count: rng.lognormal(location, sigma, count))


def _measured(path: Path) -> Durations:
    """Return durations drawn from those in a file."""
    try:
        known: NDArray[Any] = np.array([float(line) for line in path.read_text().split()])
    except OSError as error:
        raise InvalidInput(f"Cannot read the durations in {path}: {error.strerror}.") from error
    _require(known.size > 0 and bool((known >= 0).all()))
    return Durations(mean_s=float(known.mean()), draw=lambda rng, count: rng.choice(known, count))


def _require(valid: bool) -> None:
    if not valid:
        raise ValueError
