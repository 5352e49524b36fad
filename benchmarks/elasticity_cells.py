"""What benchmarks/elasticity.py measures: fleets, workloads, rules and objectives, a cell at a time."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facefleet.core.fleet import Bounds
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, Workload, synthetic

TRACE = Path(__file__).parent.parent.parent / "shared" / "traces" / "AzureLLMInferenceTrace_code.csv"
KNOWN = ("naive", "naive+pending", "backlog", "keda", "kpa", "hpa", "rayserve", "static 19", "static 10")
WORKLOADS = ("steady", "diurnal", "spiky", "trickle", "bursts", "single", "azure")
SEEDS = {"choose": (1, 7, 11, 12), "report": (601, 602, 603, 604)}
BOUNDS = Bounds(minimum=0, maximum=19)
# An hour to learn what repeats; elsewhere the cold start, alike for all, is left out. The trace is counted whole.
_WARMUP_S = {"trickle": 3600.0, "bursts": 3600.0, "steady": 300.0, "diurnal": 300.0, "spiky": 300.0}
BUDGET = " for "  # in an objective that is the money of so many workers
CLEARLY = 0.8  # of another's wait or cost
FLOOR_S = 0.1  # waits below are alike to anybody
_PRICE_PER_H = 0.1


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of fleet, and the objectives that are tried on it.

    Attributes:
        usual_slo_s: the objective of the rules that take one.
        aims: the objectives of ours, in seconds, "at" a percentage other than 99, "for" the money of so many workers.
        shown: those with a column of their own: the default, near the others', and one that a boot fits into.
        loose: one with more room than that; what it costs is set against the clairvoyant too.
        seeds: those that choose objectives, and those that give the figures.
        trickle_h: for how long a trickle is counted: of forty requests p99 is the longest wait, that is, chance.
    """

    title: str
    world: World
    services: tuple[str, ...]
    usual_slo_s: float
    aims: tuple[str, ...]
    shown: tuple[str, str, str]
    loose: str
    seeds: dict[str, tuple[int, ...]] = field(default_factory=lambda: SEEDS)
    trickle_h: float = 6.0


def _aims(slos_s: str, at: str, workers: tuple[float, ...]) -> tuple[str, ...]:
    """Return the seconds at 99 %, others as "seconds@percentage", and all that so many workers' money buys."""
    bought = (f"0{BUDGET}{count}" for count in workers)
    return (*slos_s.split(), *(aim.replace("@", " at ") for aim in at.split()), *bought)


SETTINGS = {
    "ec2": Setting(
        title="boot 30-60 s, as EC2; at least 60 s charged, looked at every 5 s",
        world=World(
            boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(price_per_h=_PRICE_PER_H, minimum_s=60.0)
        ),
        services=("exp:0.05", "exp:1", "exp:5"),
        usual_slo_s=60.0,
        aims=(
            *_aims(
                "0 0.02 0.5 2 5 10 20 35 45 50 55 57 60 61 62 63 65 70 75 80 90 110 130 200 600",
                "20@50 45@50 55@50 45@80 60@90 0.02@95 2@95 20@95 60@95 2@97 10@98 2@99.9 65@99.9 75@99.9 90@99.9 "
                "0.02@99.99 20@99.99 45@99.99",
                (1.5, 1.7, 2, 2.5, 3, 4, 8, 10, 14, 16, 18),
            ),
            *(f"20{BUDGET}1.5", f"50{BUDGET}1.2"),
        ),
        shown=("2", "60", "75"),
        loose="130",
    ),
    "cloud": Setting(
        title="boot 15-25 s, at least 30 s charged, looked at every 3 s, log-normal work of 3 s (CV 2)",
        world=World(
            boot=durations("15-25"), stop_s=5.0, tick_s=3.0, billing=Billing(price_per_h=_PRICE_PER_H, minimum_s=30.0)
        ),
        services=("lognormal:3:2",),
        usual_slo_s=30.0,
        aims=_aims(
            "0 0.02 0.5 2 5 10 20 24 25 26 27 28 29 30 32 35 40 60 80 120 200",
            "20@50 26@90 24@95 20@90 0.02@95 0.02@97 2@98 0.02@98.5 0.02@99.5 0.02@99.9 "
            "2@99.9 5@99.9 10@99.9 20@99.9 5@99.99 24@99.99 28@99.99",
            (1.5, 2, 4, 10, 14, 18),
        ),
        shown=("2", "30", "35"),
        loose="60",
    ),
    "processes": Setting(
        title="boot 1 s, as local processes; looked at every second",
        world=World(boot=durations("1"), stop_s=1.0, tick_s=1.0, billing=Billing(price_per_h=_PRICE_PER_H)),
        services=("exp:0.05", "exp:1", "exp:5"),
        usual_slo_s=2.0,
        aims=_aims(
            "0 0.02 0.1 0.2 0.5 1 1.5 1.8 1.9 1.95 2 2.1 2.4 2.7 3 5",
            "1.5@80 1@90 1.5@90 1.8@90 1.9@90 0.02@97 2.4@98 0.02@99.7 3@99.7 1.5@99.9 2@99.9 0.02@99.99",
            (1.8, 2, 10),
        ),
        shown=("2", "2.1", "2.4"),
        loose="2.4",
        # Every look takes its time to simulate.
        seeds={"choose": SEEDS["choose"][:2], "report": SEEDS["report"][:3]},
        trickle_h=4.0,
    ),
}


def objective(aim: str) -> Objective:
    """Read an objective: seconds, and maybe "at" a percentage, and "for" the money of so many workers."""
    rest, _, workers = aim.partition(BUDGET)
    slo_s, _, at = rest.partition(" at ")
    budget_per_h = float(workers) * _PRICE_PER_H if workers else None
    return Objective(slo_s=float(slo_s), at=float(at or 99), budget_per_h=budget_per_h)


def experiment(
    setting: Setting, service: str, name: str, aim: Objective, trace: Workload, *, days: float = 0.0
) -> Experiment:
    """Return one cell of the tables; what learns gets an hour of the repeating workloads to learn from.

    With `days` given, those are counted for as long, so that what they show is what they come to in the long run.
    """
    work = durations(service)
    quick = work.mean_s < 0.5  # as many requests, a shorter time
    counted_h = {"trickle": setting.trickle_h, "bursts": 1.0 if setting.world.tick_s < 2 else 3.0}
    usual_h = 2.0 if name == "diurnal" else 1.0
    hours = 1 + (24 * days or counted_h[name]) if name in counted_h else usual_h
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
        objective=aim,
        warmup_s=_WARMUP_S.get(name, 0.0),
    )


def measure(cell: Experiment, policy: str, seeds: tuple[int, ...]) -> dict:
    """Return percentiles over the requests of all seeds together, the mean of what a seed costs, and each by itself."""
    runs = [cell.run(policy, seed) for seed in seeds]
    waits_s = np.concatenate([run.waits_s for run in runs])
    return {
        "p50": float(np.percentile(waits_s, 50)),
        "p99": float(np.percentile(waits_s, 99)),
        "longest": float(waits_s.max()),
        "instance_s": float(np.mean([run.billed_s for run in runs])),
        "late": 100 * float(np.mean(waits_s > cell.objective.slo_s)),
        "each": [{"p99": float(np.percentile(run.waits_s, 99)), "instance_s": run.billed_s} for run in runs],
    }


def fill(row: dict, setting: Setting, trace: Workload) -> dict:
    """Measure what a row lacks: known rules on all seeds, ours on the choosing ones, what is chosen on the others."""

    def measured(policy: str, aim: Objective, seeds: str) -> dict:
        return measure(experiment(setting, row["service"], row["workload"], aim, trace), policy, setting.seeds[seeds])

    for policy in KNOWN:
        cell, usual = row["known"].setdefault(policy, {}), Objective(slo_s=setting.usual_slo_s)
        for seeds in set(SEEDS) - set(cell):
            cell[seeds] = measured(policy, usual, seeds)
    for aim in setting.aims:
        if aim not in row["ours"]:
            row["ours"][aim] = {"choose": measured("facefleet", objective(aim), "choose")}
    for aim in {*setting.shown, setting.loose, *(aim for policy in KNOWN for aim in candidates(row, policy))}:
        if "report" not in row["ours"][aim]:
            row["ours"][aim]["report"] = measured("facefleet", objective(aim), "report")
    return row


def ratios(ours: dict, other: dict) -> tuple[float, float]:
    """Return our p99 and instance-seconds relative to another's."""
    return max(ours["p99"], FLOOR_S) / max(other["p99"], FLOOR_S), ours["instance_s"] / other["instance_s"]


def ranked(row: dict, policy: str) -> list[str]:
    """Return the objectives of ours, those first that on the choosing seeds are farthest from losing to a rule.

    Both meet the same arrivals on each seed, so they are compared seed by seed, and luck on one is not set off against
    a loss on another: clearly better is enough. Among equals, the one with the shortest of all longest waits is the
    least due to chance.
    """
    others = row["known"][policy]["choose"]["each"]

    def margin(aim: str) -> tuple[float, float, float]:
        ours = row["ours"][aim]["choose"]
        pairs = [ratios(mine, theirs) for mine, theirs in zip(ours["each"], others, strict=True)]
        dearer = np.mean([max(cost, CLEARLY) for _, cost in pairs])
        return float(np.mean([max(*pair, CLEARLY) for pair in pairs])), float(dearer), ours["longest"]

    return sorted(row["ours"], key=margin)


def candidates(row: dict, policy: str) -> list[str]:
    """Return the objectives set against a rule: the best three by the choosing seeds, and the best but for budgets."""
    order = ranked(row, policy)
    return list(dict.fromkeys((*order[:3], *[aim for aim in order if BUDGET not in aim][:1])))
