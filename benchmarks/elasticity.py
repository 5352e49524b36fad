"""Makes the tables and pictures of docs/elasticity.md: every scaling rule on every workload.

    python benchmarks/elasticity.py [--trace FILE] [--fresh] [--jobs 2]

Some seeds choose which objectives of ours are set against each other rule; others, which were never looked at before,
give every figure (`elasticity_cells.SEEDS`). Takes about nine hours of processor time; each row is kept in
benchmarks/elasticity.json as soon as it is measured, and a second run adds what is missing.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure

from elasticity_aims import objective
from elasticity_bounds import explain
from elasticity_cells import SETTINGS, TRACE, WORKLOADS, Measuring, experiment
from elasticity_choice import FLOOR_S
from elasticity_tables import Results, lateness, missed, shortfalls, summary, tables
from facefleet.lab.simulate import plot
from facefleet.lab.simulate.recording import from_csv
from facefleet.lab.simulate.workload import Workload

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
RESULTS = HERE / "elasticity.json"


def measured(key: str, row: dict, trace: Workload) -> dict:
    """Return a row with all its figures and bounds; nothing that is of other seeds or hours is kept of it."""
    conditions = Measuring(row, SETTINGS[key], trace).conditions()
    if row.get("conditions") != conditions:
        row = {"service": row["service"], "workload": row["workload"], "conditions": conditions}
        row |= {part: {} for part in ("known", "ours", "bound", "missed")}
    Measuring(row, SETTINGS[key], trace).fill()
    return explain(row, SETTINGS[key], missed(row), trace)


def pictures(trace: Workload) -> None:
    """Draw what the rules do, and the frontier of ours against the points of the others."""
    for key, service, name, aim in (
        ("ec2", "exp:5", "spiky", "30"),
        ("ec2", "exp:5", "bursts", "45"),
        ("ec2", "exp:5", "azure", "2"),
        ("processes", "exp:1", "diurnal", "2.4"),
    ):
        cell = experiment(SETTINGS[key], service, name, objective(aim), trace)
        runs = [cell.run(policy, SETTINGS[key].shown_seed(name)) for policy in ("facefleet", "naive", "keda")]
        plot.draw(
            runs,
            mean_service_s=cell.service.mean_s,
            objective=cell.objective,
            title=f"{name}, work {cell.service.mean_s:g} s, {SETTINGS[key].title}",
            file=DOCS / "img" / f"elasticity-{key}-{name}.png",
        )


def frontier(results: Results) -> None:
    """Draw p99 against instance-seconds: a line for the objectives of ours, a mark for each other rule."""
    shown = ("steady", "diurnal", "spiky", "trickle", "bursts", "azure")
    for key, rows in results.items():
        service = SETTINGS[key].services[-1]
        figure = Figure(figsize=(12, 7), dpi=130, layout="constrained")
        axes = figure.subplots(2, 3).ravel()
        figure.suptitle(f"work {service}, {SETTINGS[key].title}", x=0.01, ha="left", fontsize=12, fontweight="bold")
        for one, name in zip(axes, shown, strict=True):
            row = next(row for row in rows if row["service"] == service and row["workload"] == name)
            tried = [cell["report"] for cell in row["ours"].values() if "report" in cell]
            ours = sorted((cell["p99"], cell["instance_s"]) for cell in tried)
            best = [
                point for number, point in enumerate(ours) if point[1] <= min(cost for _, cost in ours[: number + 1])
            ]
            one.plot(*zip(*ours, strict=True), "o", color="#2f6f9f", markersize=3, alpha=0.35)
            one.plot(*zip(*best, strict=True), "o-", color="#2f6f9f", markersize=4, label="ours, by objective")
            for policy, cell in row["known"].items():
                point = (max(cell["report"]["p99"], FLOOR_S), cell["report"]["instance_s"])
                one.plot(*point, "x", color="#c2410c", markersize=6)
                one.annotate(policy, point, fontsize=7, xytext=(4, 3), textcoords="offset points", color="#57606a")
            one.set_title(name, fontsize=10)
            one.set_xscale("symlog", linthresh=1)
            one.set_yscale("log")
            one.spines[["top", "right"]].set_visible(False)
        for one in axes[3:]:
            one.set_xlabel("p99 wait, s")
        for one in axes[::3]:
            one.set_ylabel("instance-seconds")
        axes[0].legend(fontsize=8, frameon=False)
        figure.savefig(DOCS / "img" / f"elasticity-frontier-{key}.png")


def keep(results: Results) -> None:
    """Write the results, a line a cell, to three decimals."""

    def rounded(value: object) -> object:
        if isinstance(value, dict):
            return {key: rounded(one) for key, one in value.items()}
        if isinstance(value, list):
            return [rounded(one) for one in value]
        return round(value, 3) if isinstance(value, float) else value

    fleets = (
        f"{json.dumps(key)}: [\n" + ",\n".join(json.dumps(rounded(row)) for row in rows) + "\n]"
        for key, rows in results.items()
    )
    RESULTS.write_text("{\n" + ",\n".join(fleets) + "\n}\n", encoding="utf-8")


def insert(text: str, name: str) -> None:
    """Replace what stands between the markers of this name in docs/elasticity.md."""
    page = DOCS / "elasticity.md"
    head, _, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, _, tail = rest.partition(f"<!-- end of {name} -->")
    page.write_text(f"{head}<!-- {name} -->\n{text}\n<!-- end of {name} -->{tail}", encoding="utf-8")


def main() -> None:
    """Measure what is asked for, and write the page's tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=TRACE, help="AzureLLMInferenceTrace_code.csv")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    parser.add_argument("--jobs", type=int, default=1, help="processes that measure")
    options = parser.parse_args()
    trace = from_csv(options.trace)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() and not options.fresh else {}
    rows = {(key, row["service"], row["workload"]): row for key, fleet in before.items() for row in fleet}
    order = [(key, *pair) for key in SETTINGS for pair in product(SETTINGS[key].services, WORKLOADS)]
    with ProcessPoolExecutor(options.jobs) as pool:
        jobs = {}
        for name in order:
            empty = {"service": name[1], "workload": name[2]}
            jobs[pool.submit(measured, name[0], rows.get(name, empty), trace)] = name
        for done in as_completed(jobs):
            rows[jobs[done]] = done.result()
            print(*jobs[done], flush=True)
            keep({key: [rows[name] for name in order if name[0] == key and name in rows] for key in SETTINGS})
    results = {key: [rows[name] for name in order if name[0] == key] for key in SETTINGS}
    insert(summary(results), "summary")
    insert(lateness(results), "lateness")
    insert(shortfalls(results), "shortfalls")
    insert(tables(results), "tables")
    pictures(trace)
    frontier(results)


if __name__ == "__main__":
    main()
