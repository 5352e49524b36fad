"""A picture of simulated runs: demand, workers by state and queue age over time, one column a policy."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facefleet.core.scaling.terms import Objective
from facefleet.lab.simulate.engine import Look, Run
from facefleet.lab.simulate.workload import Seconds

mpl.use("Agg")

_DEMAND, _AGE, _SLO = "#30363d", "#c2410c", "#9ca3af"
_STATES = (("running", "#2f6f9f"), ("pending", "#f2b155"), ("leaving", "#c9ced6"))
_POINTS = 1500  # drawn at most, so that a long run stays a picture and not a smear
_SHARPNESS_DPI = 130


def draw(runs: Sequence[Run], *, mean_service_s: float, objective: Objective, title: str, file: Path) -> None:
    """Draw one run of each policy side by side; a run without looks, as the clairvoyant's, is left out."""
    shown = [run for run in runs if run.looks]
    figure = Figure(figsize=(max(6.4, 4.2 * len(shown)), 6.6), dpi=_SHARPNESS_DPI, layout="constrained")
    axes = figure.subplots(3, len(shown), sharex=True, sharey="row", squeeze=False, height_ratios=(2, 3, 2))
    figure.suptitle(title, fontsize=12, x=0.01, ha="left", fontweight="bold")
    for column, run in enumerate(shown):
        looks = run.looks[:: max(1, len(run.looks) // _POINTS)]
        minutes = np.array([look.at_s for look in looks]) / 60
        p99 = float(np.percentile(run.waits_s, 99))
        axes[0, column].set_title(f"{run.policy}\np99 {p99:.3g} s, {run.billed_s:,.0f} instance-s", fontsize=10)
        _demand(axes[0, column], minutes, looks, mean_service_s)
        _workers(axes[1, column], minutes, looks)
        _age(axes[2, column], minutes, looks, objective)
        axes[2, column].set_xlabel("minutes")
    for row, label in enumerate(("offered load\n(workers' worth)", "workers", "age of the oldest\nwaiting request, s")):
        axes[row, 0].set_ylabel(label)
    axes[1, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, frameon=False, ncols=3)
    for one in axes[:, 0]:
        one.set_ylim(bottom=0)  # shared along the row, so only once all of it is drawn
    figure.savefig(file)


def _demand(axes: Axes, minutes: Seconds, looks: Sequence[Look], service_s: float) -> None:
    arrived = np.array([look.arrived for look in looks], dtype=float)
    spans = np.diff(minutes, prepend=minutes[0] - (minutes[1] - minutes[0] if len(minutes) > 1 else 1)) * 60
    load = np.diff(arrived, prepend=0.0) / spans * service_s
    axes.fill_between(minutes, load, step="pre", color=_DEMAND, alpha=0.25, linewidth=0)
    width = max(1, len(load) // 60)
    axes.plot(minutes, np.convolve(load, np.full(width, 1 / width), mode="same"), color=_DEMAND, linewidth=1.2)
    _plain(axes)


def _workers(axes: Axes, minutes: Seconds, looks: Sequence[Look]) -> None:
    counts = [[getattr(look, state) for look in looks] for state, _ in _STATES]
    axes.stackplot(
        minutes, *counts, labels=[state for state, _ in _STATES], colors=[colour for _, colour in _STATES], step="post"
    )
    _plain(axes)


def _age(axes: Axes, minutes: Seconds, looks: Sequence[Look], objective: Objective) -> None:
    axes.plot(minutes, [look.oldest_age_s for look in looks], color=_AGE, linewidth=1)
    axes.axhline(objective.slo_s, color=_SLO, linewidth=1, linestyle="--")
    axes.annotate(
        f"objective {objective.slo_s:g} s", (1, objective.slo_s), xycoords=("axes fraction", "data"),
        ha="right", va="bottom", fontsize=8, color=_SLO,
    )  # fmt: skip
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
