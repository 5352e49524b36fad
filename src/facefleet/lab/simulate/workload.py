"""Workloads: when requests arrive. Made up from a seed, or read from a trace or the service's own history."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefleet.errors import InvalidInput

Seconds = NDArray[np.float64]

_LONGEST_D = 366  # a synthetic workload is made second by second, in memory
_MOST_REQUESTS = 50_000_000
_DIP = 0.5  # of a total; one that is smaller has begun anew


@dataclass(frozen=True, kw_only=True)
class Workload:
    """When requests arrive.

    Attributes:
        name: as the table shows it.
        arrivals_s: (N,) float64, ascending, counted from the beginning of the simulation.
        duration_s: how long it lasts; at least the last arrival.
    """

    name: str
    arrivals_s: Seconds
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The size of a synthetic workload.

    Attributes:
        rate_hz: mean requests a second where a workload has a steady part.
        duration_s: how long it lasts.
        period_s: the day of `diurnal`.
        burst: requests in one burst.
    """

    rate_hz: float
    duration_s: float = 3600.0
    period_s: float = 3600.0
    burst: int = 100


def synthetic(name: str, shape: Shape, seed: int) -> Workload:
    """Return the synthetic workload of this name, always the same for the same seed.

    Raises:
        InvalidInput: there is none of this name, or it would last for more than a year.
    """
    make = _SYNTHETIC.get(name)
    if make is None:
        raise InvalidInput(f"There is no workload {name!r}; choose among {', '.join(SYNTHETIC)}, or give a CSV file.")
    if shape.duration_s > _LONGEST_D * 86_400:
        raise InvalidInput(
            f"{name} for {shape.duration_s / 86_400:,.5g} days is too long; {_LONGEST_D} days are the most: "
            "shorten the --duration."
        )
    arrivals = make(shape, np.random.default_rng([seed, 1]))
    return Workload(name=name, arrivals_s=np.sort(arrivals), duration_s=shape.duration_s)


def _steady(shape: Shape, rng: np.random.Generator) -> Seconds:
    """Poisson arrivals at a constant rate."""
    return _poisson(np.full(_seconds(shape), shape.rate_hz), rng)


def _diurnal(shape: Shape, rng: np.random.Generator) -> Seconds:
    """A sine of one period a day, from 0.2 to 1.8 times the mean, beginning at its lowest."""
    second = np.arange(_seconds(shape))
    return _poisson(shape.rate_hz * (1 - 0.8 * np.cos(2 * np.pi * second / shape.period_s)), rng)


def _spiky(shape: Shape, rng: np.random.Generator) -> Seconds:
    """A quarter of the rate, with spikes to 1.5 times of it: 60-180 s each, one in 8 minutes on average, at random."""
    rates = np.full(_seconds(shape), shape.rate_hz / 4)
    start = rng.exponential(480)
    while start < shape.duration_s:
        length = rng.uniform(60, 180)
        rates[int(start) : int(start + length)] = shape.rate_hz * 1.5
        start += length + rng.exponential(480)
    return _poisson(rates, rng)


def _trickle(shape: Shape, rng: np.random.Generator) -> Seconds:
    """One request in 90 s on average, whatever the rate."""
    return _poisson(np.full(_seconds(shape), 1 / 90), rng)


def _bursts(shape: Shape, rng: np.random.Generator) -> Seconds:
    """All at once within 2 s, every 10 minutes give or take 5 %, and nothing between, whatever the rate."""
    begins = np.cumsum(rng.uniform(570, 630, int(shape.duration_s / 570) + 1))
    begins = begins[begins < shape.duration_s - 2]
    return (begins[:, None] + rng.uniform(0, 2, (begins.size, shape.burst))).ravel()


def _single(_shape: Shape, _rng: np.random.Generator) -> Seconds:
    """One request, after a minute."""
    return np.array([60.0])


_SYNTHETIC: Mapping[str, Callable[[Shape, np.random.Generator], Seconds]] = {
    "steady": _steady,
    "diurnal": _diurnal,
    "spiky": _spiky,
    "trickle": _trickle,
    "bursts": _bursts,
    "single": _single,
}
SYNTHETIC = tuple(_SYNTHETIC)


def _seconds(shape: Shape) -> int:
    return max(1, round(shape.duration_s))


def _poisson(rates_hz: Seconds, rng: np.random.Generator) -> Seconds:
    """Draw arrivals from a rate that is constant within each second."""
    counts = rng.poisson(rates_hz)
    seconds = np.repeat(np.arange(rates_hz.size, dtype=np.float64), counts)
    return seconds + rng.random(seconds.size)


def from_csv(path: Path) -> Workload:
    """Read a trace: the first column is when a request arrived, as a date and time or as seconds.

    A first line that is neither, nor any number, is taken for the heading.

    Raises:
        InvalidInput: the file cannot be read, has no arrival, or a line has no timestamp (the detail says which).
    """
    times: list[float] = []
    dated = False
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        stamp = line.split(",", 1)[0].strip().strip('"')
        try:
            time_s, date = _timestamp(stamp)
        except ValueError as error:
            if number > 1 or _is_number(stamp):
                raise InvalidInput(f"Line {number} of {path} begins with {stamp!r}, which is no timestamp.") from error
            continue
        if times and date != dated:
            kinds = ("a date", "plain seconds") if date else ("plain seconds", "a date")
            raise InvalidInput(
                f"Line {number} of {path} begins with {kinds[0]}, those before with {kinds[1]}; use one."
            )
        dated = date
        times.append(time_s)
    return _recorded(path, np.array(times))


def from_history(path: Path) -> Workload:
    """Read arrivals from the service's own history: JSON lines of either form, oldest first.

    `{"arrived_s": 12.5}` is one request. `{"at_s": 10.0, "seen": {"enqueued_total": 40}}` is a decision as the
    controller records it; the requests enqueued between two of them are spread evenly over the time between.

    Raises:
        InvalidInput: the file cannot be read, has no arrival or too many, or a line has neither form (the detail says
            which).
    """
    times: list[float] = []
    before: tuple[float, float] | None = None
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if "arrived_s" in record:
                times.append(_finite(float(record["arrived_s"])))
                continue
            now = (_finite(float(record["at_s"])), _finite(float(record["seen"]["enqueued_total"]), least=0.0))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidInput(
                f'Line {number} of {path} has neither "arrived_s" nor "at_s" with "seen": {{"enqueued_total"}}.'
            ) from error
        if before is not None:
            if before[1] > now[1] >= _DIP * before[1]:
                now = (now[0], before[1])  # counts that lag
            came = now[1] - before[1] if now[1] >= before[1] else now[1]
            if len(times) + came > _MOST_REQUESTS:
                raise InvalidInput(
                    f"Line {number} of {path} makes it {len(times) + came:,.3g} requests, and no more than "
                    f"{_MOST_REQUESTS:,} are simulated: cut the history."
                )
            times.extend(np.linspace(before[0], now[0], int(came), endpoint=False))
        before = now
    return _recorded(path, np.array(times))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"Cannot read {path}: {why}.") from error


def _timestamp(text: str) -> tuple[float, bool]:
    """Return seconds, and if it is a date; fractions finer than a microsecond are cut off: `datetime` reads none."""
    try:
        return _finite(float(text)), False
    except ValueError:
        whole, dot, fraction = text.partition(".")
        digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
        return datetime.fromisoformat(whole + dot + digits[:6] + fraction[len(digits) :]).timestamp(), True


def _is_number(text: str) -> bool:
    """Return whether this is a number, be it none that a clock shows, such as nan."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _finite(value: float, *, least: float = -math.inf) -> float:
    if not math.isfinite(value) or value < least:
        raise ValueError(value)
    return value


def _recorded(path: Path, times_s: Seconds) -> Workload:
    if not times_s.size:
        raise InvalidInput(f"{path} holds no arrivals.")
    arrivals = np.sort(times_s - times_s.min())
    return Workload(name=path.stem, arrivals_s=arrivals, duration_s=float(arrivals[-1]) + 1.0)
