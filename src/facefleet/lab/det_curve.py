"""The DET curve: FNMR against FMR on normal-deviate axes (ISO/IEC 19795-1), where good systems look straight.

Needs matplotlib, which the extra `plot` installs.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from facefleet.errors import InvalidInput
from facefleet.lab.rates import MIN_ERRORS, Comparisons, Scores, det_points, equal_error_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = (1e-5, 1e-4, 1e-3, 1e-2, 5e-2, 0.2, 0.4)
_LABELS = ("0.001 %", "0.01 %", "0.1 %", "1 %", "5 %", "20 %", "40 %")
_COLOURS = ("#0b6e99", "#c2571a", "#5a7d2a")
_INK, _GRID = "#333333", "#e3e3e3"
_MOST_POINTS = 2_000  # a line needs no more


def require_matplotlib() -> None:
    """Say early what a drawing needs.

    Raises:
        InvalidInput: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise InvalidInput("Drawing needs matplotlib; install it with: .venv/bin/pip install -e '.[plot]'.")


def draw(curves: Mapping[str, Comparisons], title: str, file: Path) -> None:
    """Write a picture of one curve for each set of pairs, as far as its pairs support it.

    Raises:
        InvalidInput: matplotlib is not installed, or the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415 - from the extra `plot`

    figure = Figure(figsize=(6.4, 6.0), layout="constrained")
    axes = figure.add_subplot()
    _prepare(axes, title)
    for colour, (name, comparisons) in zip(_COLOURS, curves.items(), strict=False):
        _draw_curve(axes, name, comparisons, colour)
    axes.legend(loc="lower left", labelcolor=_INK, framealpha=1, edgecolor="none")
    try:
        figure.savefig(file, format="png", dpi=150)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.") from error


def _prepare(axes: "Axes", title: str) -> None:
    at = _deviate(np.array(_TICKS))
    limits = _deviate(np.array([5e-6, 0.45]))
    axes.set_title(title, loc="left", color=_INK, fontsize=12)
    axes.set_xlabel("false match rate", color=_INK)
    axes.set_ylabel("false non-match rate", color=_INK)
    axes.set_xticks(at, _LABELS)
    axes.set_yticks(at, _LABELS)
    axes.set_xlim(*limits)
    axes.set_ylim(_deviate(np.array([5e-4]))[0], limits[1])
    axes.grid(color=_GRID, linewidth=0.8)
    axes.axline((limits[1], limits[1]), slope=1, color="#aaaaaa", linewidth=0.8, linestyle=(0, (4, 4)))
    axes.tick_params(color=_GRID, labelcolor=_INK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_curve(axes: "Axes", name: str, comparisons: Comparisons, colour: str) -> None:
    _, fmr, fnmr = det_points(comparisons)
    shown = (fmr * len(comparisons.impostor_scores) >= MIN_ERRORS) & (fmr < 1) & (fnmr > 0) & (fnmr < 1)
    x, y = (_deviate(rates) for rates in _thinned(fmr[shown], fnmr[shown]))
    eer = equal_error_rate(comparisons)
    genuine, impostor = len(comparisons.genuine_scores), len(comparisons.impostor_scores)
    label = f"{name}: EER {eer:.1%}\n{genuine:,} genuine, {impostor:,} impostor"
    axes.plot(x, y, color=colour, linewidth=2, label=label)
    if 0 < eer < 1:
        crossing = _deviate(np.array([eer]))
        axes.plot(crossing, crossing, "o", color=colour, markersize=6)


def _thinned(x: Scores, y: Scores) -> tuple[Scores, Scores]:
    """Keep points that are apart on the picture."""
    if len(x) <= _MOST_POINTS:
        return x, y
    grid = np.linspace(0, len(x) - 1, _MOST_POINTS).astype(int)
    tail = np.arange(len(x) - _MOST_POINTS, len(x))  # the low false match rates, where points are few
    keep = np.union1d(grid, tail)
    return x[keep], y[keep]


def _deviate(rate: Scores) -> Scores:
    inverse = NormalDist().inv_cdf
    return np.array([inverse(value) for value in rate.tolist()])
