"""A picture of simulated runs: demand, workers by state and age of the queue over time, one column a policy.

Between two looks of the controller a worker is drawn in the state it had once the earlier look's decision was carried
out. One that boots or leaves in less than a tick is thus drawn as doing so until the next look, which is more than it
did; drawn as the looks saw the fleet, before they decided, it would not appear at all.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from facefleet.core.scaling.terms import Objective
from facefleet.errors import InvalidInput
from facefleet.lab.simulate.engine import Look, Run
from facefleet.lab.simulate.workload import Seconds

mpl.use("Agg")

_DEMAND, _AGE, _SLO = "#30363d", "#c2410c", "#6b7280"
_STATES = (("running", "#2f6f9f"), ("pending", "#f2b155"), ("leaving", "#c9ced6"))
_LABELS = ("offered load\n(workers' worth)", "workers", "age of the oldest\nwaiting request, s")
_SPANS = 450  # drawn at most, about a pixel each: thinner ones would blend the colours of the states
_ABREAST = 5  # columns; more policies go on below, so that the words of a whole picture can still be read
_SHARPNESS_DPI = 130
_PAD_IN = 0.08


class _Course(NamedTuple):
    """One run over time, in K spans that each cover one tick, or several of a long run.

    Attributes:
        edges_min: (K + 1,) minutes, where the spans begin and the last one ends.
        load: (K,) the work that arrived, in workers kept busy by it.
        workers: (3, K) the mean number in each of `_STATES`.
        age_s: (K,) the greatest age of the oldest waiting request.
    """

    edges_min: Seconds
    load: Seconds
    workers: Seconds
    age_s: Seconds


def draw(runs: Sequence[Run], *, mean_service_s: float, objective: Objective, title: str, file: Path) -> None:
    """Write the picture of one run of each policy to a file whose suffix names the format.

    Args:
        mean_service_s: how long a request keeps a worker, on average; with several slots its share of one.

    Raises:
        InvalidInput: no run can be drawn.
    """
    picture(runs, mean_service_s=mean_service_s, objective=objective, title=title).savefig(file)


def picture(runs: Sequence[Run], *, mean_service_s: float, objective: Objective, title: str) -> Figure:
    """Draw one run of each policy side by side; runs of fewer than two looks, as the clairvoyant's, are left out.

    Raises:
        InvalidInput: no run is left.
    """
    shown = [run for run in runs if len(run.looks) > 1]
    if not shown:
        names = ", ".join(run.policy for run in runs) or "nobody"
        raise InvalidInput(f"Nothing to draw: a picture shows what a controller saw over time, and {names} saw none.")
    figure = Figure(dpi=_SHARPNESS_DPI, layout=ConstrainedLayoutEngine(h_pad=_PAD_IN))
    figure.suptitle(title, fontsize=12, x=0.01, ha="left", fontweight="bold", parse_math=False)
    panels = _panels(figure, len(shown))
    courses = [_course(run.looks, mean_service_s) for run in shown]
    for run, course, (demand, workers, age) in zip(shown, courses, panels, strict=True):
        p99 = f"p99 {np.percentile(run.waits_s, 99):.3g} s, " if run.waits_s.size else ""
        demand.set_title(f"{run.policy}\n{p99}{run.billed_s:,.0f} instance-s", fontsize=10)
        _demand(demand, course)
        _workers(workers, course)
        _age(age, course, objective)
    _legends(panels[0], courses)
    for one in panels[0]:
        one.set_ylim(bottom=0)  # shared by all of its kind, so only once they are drawn
    return figure


def _panels(figure: Figure, count: int) -> list[list[Axes]]:
    """Return for each run the axes of its demand, workers and age, each kind on one scale."""
    bands = math.ceil(count / _ABREAST)
    columns = math.ceil(count / bands)
    figure.set_size_inches(max(6.4, 4.2 * columns), 6.6 * bands)
    grid = figure.add_gridspec(3 * bands, columns, height_ratios=(2, 3, 2) * bands)
    panels: list[list[Axes]] = []
    for number in range(count):
        band, column = divmod(number, columns)
        own: list[Axes] = []
        for kind, label in enumerate(_LABELS):
            first = panels[0][kind] if panels else None
            one = figure.add_subplot(grid[3 * band + kind, column], sharex=first or next(iter(own), None), sharey=first)
            one.tick_params(labelleft=column == 0, labelbottom=kind == len(_LABELS) - 1)
            one.set_ylabel(label if column == 0 else "")
            one.spines[["top", "right"]].set_visible(False)
            one.margins(x=0)
            one.grid(axis="y", color="#e5e7eb", linewidth=0.6)
            one.set_axisbelow(True)
            own.append(one)
        own[-1].set_xlabel("minutes")
        panels.append(own)
    return panels


def _course(looks: Sequence[Look], service_s: float) -> _Course:
    """Return the course of a run of two looks or more; the last one only ends it."""
    last = len(looks) - 1
    begins = np.arange(0, last, math.ceil(last / _SPANS))
    edges = np.append(begins, last)
    at_s = np.array([look.at_s for look in looks])[edges]
    arrived = np.array([look.arrived for look in looks], dtype=float)[edges]
    arrived[0] = 0.0  # who is there at the first look came in the first span
    workers = np.array([_decided(look) for look in looks[:last]], dtype=float).T
    return _Course(
        edges_min=at_s / 60,
        load=np.diff(arrived) / np.diff(at_s) * service_s,
        workers=np.add.reduceat(workers, begins, axis=1) / np.diff(edges),
        age_s=np.maximum.reduceat([look.oldest_age_s for look in looks], begins),
    )


def _decided(look: Look) -> tuple[int, int, int]:
    """Return how many run, boot and leave once the look's decision is carried out."""
    return look.running - look.drain, look.pending + look.start, look.leaving + look.drain


def _demand(axes: Axes, course: _Course) -> None:
    load, begins = course.load, course.edges_min[:-1]
    axes.stairs(load, course.edges_min, fill=True, color=_DEMAND, alpha=0.25, linewidth=0)
    window = np.ones(max(1, len(load) // 60))
    inside = np.convolve(np.ones_like(load), window, mode="same")  # less than the window at both ends
    axes.plot(begins, np.convolve(load, window, mode="same") / inside, color=_DEMAND, linewidth=1.2)


def _workers(axes: Axes, course: _Course) -> None:
    counts = np.append(course.workers, course.workers[:, -1:], axis=1)
    names, colours = zip(*_STATES, strict=True)
    axes.stackplot(course.edges_min, counts, labels=names, colors=colours, step="post", linewidth=0)


def _age(axes: Axes, course: _Course, objective: Objective) -> None:
    axes.plot(course.edges_min[:-1], course.age_s, color=_AGE, linewidth=1)
    axes.axhline(objective.slo_s, color=_SLO, linewidth=1, linestyle="--", label=f"objective {objective.slo_s:g} s")


def _legends(panels: Sequence[Axes], courses: Sequence[_Course]) -> None:
    """Name, above the panels where they cover nothing, the states that occur in any run, and the objective."""
    _, workers, age = panels
    occur = np.any([course.workers.any(axis=1) for course in courses], axis=0)
    states = [Patch(color=colour, label=name) for (name, colour), seen in zip(_STATES, occur, strict=True) if seen]
    for axes, handles in ((workers, states), (age, age.get_legend_handles_labels()[0])):
        if handles:
            axes.legend(
                handles=handles, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=8, frameon=False,
                ncols=3,
            )  # fmt: skip
