"""Makes the tables and pictures of docs/elasticity.md: every scaling rule on every workload.

    python benchmarks/elasticity.py [--trace FILE] [--fresh]

Seed 1 chooses which objective of ours is set against each other rule; seeds 101-103, which were not looked at while
the rule was made, give every figure. Takes about half an hour on one core; each cell is kept in
benchmarks/elasticity.json as soon as it is measured, and a second run adds what is missing.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from facefleet.core.fleet import Bounds
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate import plot
from facefleet.lab.simulate.clairvoyant import clairvoyant_at
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.experiment import Experiment, after
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, Workload, from_csv, synthetic

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
RESULTS = HERE / "elasticity.json"
TRACE = HERE.parent.parent / "shared" / "traces" / "AzureLLMInferenceTrace_code.csv"

KNOWN = ("naive", "naive+pending", "backlog", "keda", "kpa", "hpa", "rayserve", "static 19", "static 10")
WORKLOADS = ("steady", "diurnal", "spiky", "trickle", "bursts", "single", "azure")
CHOOSE, REPORT = (1,), (101, 102, 103)
BOUNDS = Bounds(minimum=0, maximum=19)
TOLERANCE, CLEARLY = 1.02, 0.8
# An hour to learn what repeats; elsewhere the cold start, alike for all, is left out. The trace is counted whole.
_WARMUP_S = {"trickle": 3600.0, "bursts": 3600.0, "steady": 300.0, "diurnal": 300.0, "spiky": 300.0}
FLOOR_S = 0.1  # waits below are alike to anybody


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of fleet, and the objectives that are tried on it.

    Attributes:
        usual_slo_s: the objective of the rules that take one.
        slos_s: those of ours; the first is the default.
    """

    title: str
    world: World
    services: tuple[str, ...]
    usual_slo_s: float
    slos_s: tuple[float, ...]


SETTINGS = {
    "ec2": Setting(
        title="boot 30-60 s, as EC2; at least 60 s charged, looked at every 5 s",
        world=World(boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(price_per_h=0.1, minimum_s=60.0)),
        services=("exp:0.05", "exp:1", "exp:5"),
        usual_slo_s=60.0,
        slos_s=(2.0, 0.1, 0.5, 5.0, 10.0, 20.0, 30.0, 45.0, 55.0, 60.0, 65.0, 70.0, 80.0, 90.0, 150.0, 300.0),
    ),
    "unseen": Setting(
        title="boot 15-25 s, at least 30 s charged, looked at every 3 s, log-normal work of 3 s (CV 2): never tuned on",
        world=World(boot=durations("15-25"), stop_s=5.0, tick_s=3.0, billing=Billing(price_per_h=0.1, minimum_s=30.0)),
        services=("lognormal:3:2",),
        usual_slo_s=30.0,
        slos_s=(2.0, 0.1, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 28.0, 30.0, 35.0, 60.0, 120.0),
    ),
    "processes": Setting(
        title="boot 1 s, as local processes; looked at every second",
        world=World(boot=durations("1"), stop_s=1.0, tick_s=1.0),
        services=("exp:0.05", "exp:1", "exp:5"),
        usual_slo_s=2.0,
        slos_s=(2.0, 0.05, 0.5, 1.5, 2.2, 3.0, 5.0, 20.0),
    ),
}


def experiment(setting: Setting, service: str, name: str, slo_s: float, trace: Workload) -> Experiment:
    """Return one cell of the tables; what learns gets an hour of the repeating workloads to learn from."""
    work = durations(service)
    quick = work.mean_s < 0.5  # as many requests, a shorter time
    long = 2.0 if setting.world.tick_s < 2 else 3.0  # every look takes its time to simulate
    hours = {"diurnal": 2.0, "trickle": long, "bursts": long}.get(name, 1.0)
    scale = {"steady": 0.25, "diurnal": 0.25, "spiky": 0.5}.get(name, 1.0) if quick else 1.0
    shape = Shape(
        rate_hz=(8 if name == "diurnal" else 10) / work.mean_s,
        duration_s=3600 * hours * scale,
        period_s=3600 * scale,
    )
    return Experiment(
        workload=lambda seed: trace if name == "azure" else synthetic(name, shape, seed),
        service=work,
        world=setting.world,
        bounds=BOUNDS,
        objective=Objective(slo_s=slo_s),
        warmup_s=_WARMUP_S.get(name, 0.0),
    )


def measure(cell: Experiment, policy: str, seeds: tuple[int, ...]) -> dict[str, float]:
    """Return the means over the seeds."""
    outcome = cell.compare([policy], seeds)[0]
    return {
        "p50": outcome.p50_s.mean,
        "p99": outcome.p99_s.mean,
        "p99_pm": outcome.p99_s.plus_minus,
        "instance_s": outcome.instance_s.mean,
        "late": outcome.late_percent.mean,
    }


def fill(row: dict, setting: Setting, trace: Workload) -> None:
    """Measure what one cell lacks: rules, objectives of ours, and the clairvoyant at two of these."""

    def cell(slo_s: float) -> Experiment:
        return experiment(setting, row["service"], row["workload"], slo_s, trace)

    for policy in KNOWN:
        if policy not in row["known"]:
            usual = cell(setting.usual_slo_s)
            row["known"][policy] = {s: measure(usual, policy, seeds) for s, seeds in SEEDS.items()}
    for slo_s in setting.slos_s:
        if (slo := f"{slo_s:g}") not in row["ours"]:
            row["ours"][slo] = {s: measure(cell(slo_s), "facefleet", seeds) for s, seeds in SEEDS.items()}
    for slo_s in (setting.slos_s[0], _nearest(setting)):
        if (slo := f"{slo_s:g}") not in row["bound"]:
            row["bound"][slo] = bound(cell(slo_s), REPORT[0])


SEEDS = {"choose": CHOOSE, "report": REPORT}


def bound(cell: Experiment, seed: int) -> dict[str, float]:
    """Return what ours costs, what the clairvoyant costs at the same p99, and the work itself."""
    ours = cell.run("facefleet", seed)
    workload, services_s = cell.draw(seed)
    counted = after(workload, cell.warmup_s)
    services_s = services_s[services_s.size - counted.arrivals_s.size :]
    p99_s = float(np.percentile(ours.waits_s, 99))
    best = clairvoyant_at(p99_s, counted, services_s, bounds=BOUNDS, world=cell.world, seed=seed)
    return {
        "p99": p99_s,
        "instance_s": ours.billed_s,
        "clairvoyant": best.billed_s,
        "work": float(services_s.sum()),
    }


def ratios(ours: dict[str, float], other: dict[str, float]) -> tuple[float, float]:
    """Return our p99 and instance-seconds relative to another's."""
    return max(ours["p99"], FLOOR_S) / max(other["p99"], FLOOR_S), ours["instance_s"] / other["instance_s"]


def match(row: dict, policy: str) -> tuple[str, float, float]:
    """Return the objective chosen against a rule on the choosing seeds, and the ratios on the others."""
    rival = row["known"][policy]
    tried = {slo: ratios(cell["choose"], rival["choose"]) for slo, cell in row["ours"].items()}
    fine = [slo for slo, pair in tried.items() if max(pair) <= 1]
    slo = min(fine, key=lambda slo: math.prod(tried[slo])) if fine else min(tried, key=lambda slo: max(tried[slo]))
    return slo, *ratios(row["ours"][slo]["report"], rival["report"])


def tables(results: dict[str, list[dict]]) -> str:
    """Return the Markdown between the markers of docs/elasticity.md."""
    return "\n".join(part for key, rows in results.items() for part in (*_figures(key, rows), *_verdict(rows)))


def _figures(key: str, rows: list[dict]) -> Iterator[str]:
    setting = SETTINGS[key]
    first, usual = f"{setting.slos_s[0]:g}", f"{_nearest(setting):g}"
    for service in setting.services:
        yield f"\n### Work {service}, {setting.title}\n"
        yield "| workload | " + " | ".join((*KNOWN, f"**ours** {first} s", f"**ours** {usual} s")) + " |"
        yield "|---" * (len(KNOWN) + 3) + "|"
        for row in rows:
            if row["service"] == service:
                cells = [row["known"][policy]["report"] for policy in KNOWN]
                cells += [row["ours"][slo]["report"] for slo in (first, usual)]
                yield f"| {row['workload']} | " + " | ".join(map(_figure, cells)) + " |"


def _nearest(setting: Setting) -> float:
    """Return the objective of ours that is nearest to the one the others have, above it."""
    return min(slo for slo in setting.slos_s[1:] if slo >= setting.usual_slo_s)


def _figure(cell: dict[str, float]) -> str:
    digits = 2 if cell["p99"] < 10 else 0
    return f"{cell['p99']:.{digits}f} / {cell['instance_s']:,.0f}"


def nearest(row: dict, policy: str) -> tuple[str, float, float]:
    """Return the objective that comes nearest to a rule on the reporting seeds themselves, and its ratios."""
    tried = {slo: ratios(cell["report"], row["known"][policy]["report"]) for slo, cell in row["ours"].items()}
    slo = min(tried, key=lambda slo: max(tried[slo]))
    return slo, *tried[slo]


def _verdict(rows: list[dict]) -> Iterator[str]:
    yield "\n| work, workload | chosen | curve | off the curve: p99, instance-s, ours by theirs | by clairvoyant |"
    yield "|---|---|---|---|---|"
    for row in rows:
        chosen = sum(max(match(row, policy)[1:]) <= TOLERANCE for policy in KNOWN)
        closest = {policy: nearest(row, policy) for policy in KNOWN}
        misses = {policy: found for policy, found in closest.items() if max(found[1:]) > TOLERANCE}
        named = [f"{policy} (at {slo} s: {wait:.2f}, {cost:.2f})" for policy, (slo, wait, cost) in misses.items()]
        bound = ", ".join(f"{b['instance_s'] / b['clairvoyant']:.2f} at {slo} s" for slo, b in row["bound"].items())
        yield (
            f"| {row['service']} {row['workload']} | {chosen} of {len(KNOWN)} | {len(KNOWN) - len(misses)} | "
            f"{', '.join(named) or 'none'} | {bound} |"
        )


def summary(results: dict[str, list[dict]]) -> str:
    """Return one line a fleet: how often ours is no worse, clearly better, and near the clairvoyant."""
    columns = (
        *("fleet", "comparisons", "no worse, chosen before", "of these clearly better", "no worse, on the curve"),
        *("worse on both at the default", "within 1.5 x of the clairvoyant"),
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for key, rows in results.items():
        pairs = [match(row, policy)[1:] for row in rows for policy in KNOWN]
        fine = [pair for pair in pairs if max(pair) <= TOLERANCE]
        clear = sum(min(pair) <= CLEARLY for pair in fine)
        curve = sum(max(nearest(row, policy)[1:]) <= TOLERANCE for row in rows for policy in KNOWN)
        default = f"{SETTINGS[key].slos_s[0]:g}"
        dominated = sum(
            min(ratios(row["ours"][default]["report"], row["known"][policy]["report"])) > TOLERANCE
            for row in rows
            for policy in KNOWN
        )
        near = [b["instance_s"] <= 1.5 * b["clairvoyant"] for row in rows for b in row["bound"].values()]
        lines.append(
            f"| {key} | {len(pairs)} | {_share(len(fine), pairs)} | {_share(clear, pairs)} | {_share(curve, pairs)} | "
            f"{_share(dominated, pairs)} | {_share(sum(near), near)} |"
        )
    return "\n".join(lines)


def _share(count: int, whole: list) -> str:
    return f"{count} ({count / len(whole):.0%})"


def pictures(trace: Workload) -> None:
    """Draw what the rules do, and the frontier of ours against the points of the others."""
    for key, service, name, slo_s in (
        ("ec2", "exp:5", "spiky", 30.0),
        ("ec2", "exp:5", "bursts", 45.0),
        ("ec2", "exp:5", "azure", 2.0),
        ("processes", "exp:1", "diurnal", 2.3),
    ):
        cell = experiment(SETTINGS[key], service, name, slo_s, trace)
        runs = [cell.run(policy, REPORT[0]) for policy in ("facefleet", "naive", "keda")]
        plot.draw(
            runs,
            mean_service_s=cell.service.mean_s,
            objective=cell.objective,
            title=f"{name}, work {cell.service.mean_s:g} s, {SETTINGS[key].title}",
            file=DOCS / "img" / f"elasticity-{key}-{name}.png",
        )


def frontier(results: dict[str, list[dict]]) -> None:
    """Draw p99 against instance-seconds: a line for the objectives of ours, a mark for each other rule."""
    shown = ("steady", "diurnal", "spiky", "trickle", "bursts", "azure")
    for key, rows in results.items():
        service = SETTINGS[key].services[-1]
        figure = Figure(figsize=(12, 7), dpi=130, layout="constrained")
        axes = figure.subplots(2, 3).ravel()
        figure.suptitle(f"work {service}, {SETTINGS[key].title}", x=0.01, ha="left", fontsize=12, fontweight="bold")
        for one, name in zip(axes, shown, strict=True):
            row = next(row for row in rows if row["service"] == service and row["workload"] == name)
            ours = sorted((c["report"]["p99"], c["report"]["instance_s"]) for c in row["ours"].values())
            one.plot(*zip(*ours, strict=True), "o-", color="#2f6f9f", markersize=4, label="ours, by objective")
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


def keep(results: dict[str, list[dict]]) -> None:
    """Write the results, a line a cell, to three decimals."""

    def rounded(value: object) -> object:
        if isinstance(value, dict):
            return {key: rounded(one) for key, one in value.items()}
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
    options = parser.parse_args()
    trace = from_csv(options.trace)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() and not options.fresh else {}
    for key, setting in SETTINGS.items():
        rows = results.setdefault(key, [])
        for service, name in product(setting.services, WORKLOADS):
            found = [row for row in rows if (row["service"], row["workload"]) == (service, name)]
            row = found[0] if found else {"service": service, "workload": name, "known": {}, "ours": {}, "bound": {}}
            print(key, service, name, flush=True)
            fill(row, setting, trace)
            if not found:
                rows.append(row)
            keep(results)
    insert(summary(results), "summary")
    insert(tables(results), "tables")
    pictures(trace)
    frontier(results)


if __name__ == "__main__":
    main()
