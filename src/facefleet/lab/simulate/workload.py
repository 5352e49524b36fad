"""Workloads: when requests arrive. Here they are made up from a seed; `recording` reads them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefleet.errors import InvalidInput

Seconds = NDArray[np.float64]

_LONGEST_D = 366  # a synthetic workload is made second by second, in memory


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
