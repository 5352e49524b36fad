"""Random durations as a user writes them: `5`, `30-60`, `exp:5`, `lognormal:5:0.8`, `measured:boots.txt`."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefleet.core.scaling.terms import seconds
from facefleet.errors import InvalidInput

FORMS = "SECONDS (or 500ms, 2m), LOW-HIGH, exp:MEAN, lognormal:MEAN:CV or measured:FILE (one number a line)"
LONGEST_S = 1e9  # 32 years: sums and squares of much longer ones end in infinity, which JSON has no word for

_BETWEEN = re.compile(r"(.+(?<!\de))-(.+)", re.IGNORECASE)  # the dash of 1e-3 parts nothing


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
            return exponential(_span_s(rest))
        if kind == "lognormal":
            mean, _, cv = rest.partition(":")
            return lognormal(_span_s(mean), float(cv or "1"))
        if kind == "measured":
            return _measured(Path(rest))
        if between := _BETWEEN.fullmatch(text):
            return uniform(_span_s(between[1]), _span_s(between[2]))
        return fixed(_span_s(text))
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no duration; write {FORMS}.") from error


def span(text: str) -> float:
    """Read a span of time, of `LONGEST_S` at most.

    Raises:
        InvalidInput: it is none, or longer.
    """
    value_s = seconds(text)
    if value_s > LONGEST_S:
        raise InvalidInput(f"{text[:40]!r} is too long; {LONGEST_S:,.0f} s are the most.")
    return value_s


def _span_s(text: str) -> float:
    """Return plain seconds, or a span with its unit."""
    try:
        return float(text)
    except ValueError:
        try:
            return seconds(text)
        except InvalidInput as error:
            raise ValueError(text) from error


def fixed(every_s: float) -> Durations:
    """Return durations that are always the same."""
    _require(0 <= every_s <= LONGEST_S)
    return Durations(mean_s=every_s, draw=lambda _rng, count: np.full(count, every_s))


def uniform(low: float, high: float) -> Durations:
    """Return durations spread evenly from `low` to `high`."""
    _require(0 <= low <= high <= LONGEST_S)
    return Durations(mean_s=(low + high) / 2, draw=lambda rng, count: rng.uniform(low, high, count))


def exponential(mean: float) -> Durations:
    """Return exponential durations (coefficient of variation 1)."""
    _require(0 < mean <= LONGEST_S)
    return Durations(mean_s=mean, draw=lambda rng, count: rng.exponential(mean, count))


def lognormal(mean: float, cv: float) -> Durations:
    """Return log-normal durations with this mean and coefficient of variation."""
    _require(0 < mean <= LONGEST_S and cv > 0 and cv * cv < math.inf)
    sigma = math.sqrt(math.log1p(cv * cv))
    location = math.log(mean) - sigma * sigma / 2
    return Durations(mean_s=mean, draw=lambda rng, count: rng.lognormal(location, sigma, count))


def _measured(path: Path) -> Durations:
    """Return durations drawn from those in a file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"Cannot read the durations in {path}: {why}.") from error
    known: NDArray[Any] = np.array(
        [_line_s(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    )
    if not known.size:
        raise InvalidInput(f"{path} holds no durations; write one number of seconds a line.")
    return Durations(mean_s=float(known.mean()), draw=lambda rng, count: rng.choice(known, count))


def _line_s(path: Path, number: int, line: str) -> float:
    try:
        value_s = float(line)
        _require(0 <= value_s <= LONGEST_S)
    except ValueError as error:
        raise InvalidInput(
            f"Line {number} of {path} is {line.strip()[:40]!r}, which is no number of seconds."
        ) from error
    return value_s


def _require(valid: bool) -> None:
    if not valid:
        raise ValueError
