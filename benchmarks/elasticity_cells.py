"""What benchmarks/elasticity.py measures: fleets, workloads, rules and objectives, a cell at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from elasticity_aims import BUDGET, PRICE_PER_H, aims, between, objective, paid_with
from elasticity_choice import candidates, margin, ranked, too_dear
from facefleet.core.fleet import Bounds
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Shape, Workload, synthetic

TRACE = Path(__file__).parent.parent.parent / "shared" / "traces" / "AzureLLMInferenceTrace_code.csv"
KNOWN = ("naive", "naive+pending", "backlog", "keda", "kpa", "hpa", "rayserve", "static 19", "static 10")
WORKLOADS = ("steady", "diurnal", "spiky", "trickle", "bursts", "single", "azure")
# Seeds by what they are for, and the workload. More of single and Azure, where few boots decide. Workloads that were
# measured anew after a look at the others, for a change of the rule or of how objectives are chosen, have new ones.
SEEDS: dict[str, dict[str, Sequence[int]]] = {
    "choose": {"usual": (1, 7, 11), "single": range(1, 13), "azure": range(1, 13)},
    "report": {
        "usual": range(1701, 1705),
        "spiky": range(1901, 1905),
        "single": range(1701, 1713),
        "azure": range(1901, 1913),
    },
}
FEW: dict[str, dict[str, Sequence[int]]] = {
    "choose": {"usual": (1, 7, 11)},
    "report": {
        "usual": range(1701, 1704),
        "spiky": range(1901, 1904),
        "trickle": range(2001, 2004),
        "single": range(1704, 1710),
        "azure": range(1904, 1910),
    },
}
BOUNDS = Bounds(minimum=0, maximum=19)
# An hour to learn what repeats; elsewhere the cold start, alike for all, is left out. The trace is counted whole.
_WARMUP_S = {"trickle": 3600.0, "bursts": 3600.0, "spiky": 3600.0, "steady": 300.0, "diurnal": 300.0}
_ROUNDS, _LOSES = 2, 1.001  # ways to find a better objective against a rule, as long as the best loses
_CLOSE = 0.9  # the best may turn out to lose on other seeds
_MONEY = 3  # of those that wait no longer but cost more, and 0 s, are tried with what the other rule costs ...
_LESS = (1.0, 0.97)  # ... or a little less


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of fleet, and the objectives that are tried on it.

    Attributes:
        usual_slo_s: the objective of the rules that take one.
        aims: the objectives of ours, in seconds, "at" a percentage other than 99, "for" the money of so many workers.
        shown: those with a column of their own: the default, near the others', and one that a boot fits into.
        loose: one with more room than that; what it costs is set against the clairvoyant too.
        seeds: those that choose objectives, and those that give the figures, of each workload.
        trickle_h: for how long a trickle is counted: of forty requests p99 is the longest wait, that is, chance.
    """

    title: str
    world: World
    services: tuple[str, ...]
    usual_slo_s: float
    aims: tuple[str, ...]
    shown: tuple[str, str, str]
    loose: str
    seeds: dict[str, dict[str, Sequence[int]]] = field(default_factory=lambda: SEEDS)
    trickle_h: dict[str, float] = field(default_factory=lambda: {"choose": 10.0, "report": 20.0})

    def seeds_of(self, workload: str, purpose: str) -> tuple[int, ...]:
        """Return the seeds that a workload is run with, to "choose" or to "report"."""
        named = self.seeds[purpose]
        return tuple(named.get(workload, named["usual"]))

    def shown_seed(self, workload: str) -> int:
        """Return the reported one whose bounds are worked out."""
        return self.seeds_of(workload, "report")[0]


SETTINGS = {
    "ec2": Setting(
        title="boot 30-60 s, as EC2; at least 60 s charged, looked at every 5 s",
        world=World(
            boot=durations("30-60"), stop_s=10.0, tick_s=5.0, billing=Billing(price_per_h=PRICE_PER_H, minimum_s=60.0)
        ),
        services=("exp:0.05", "exp:1", "exp:5"),
        usual_slo_s=60.0,
        aims=(
            *aims(
                "0 0.02 0.5 2 5 10 20 25 30 35 40 45 50 55 60 62 70 75 80 90 130 200",
                "2@50 20@50 45@50 55@50 2@70 0.02@95 2@95 20@95 2@97 10@98 2@99.9 65@99.9 90@99.9 0.02@99.99 20@99.99",
                (1.5, 2, 2.5, 3, 4, 8, 10, 14, 18),
            ),
            *(f"20{BUDGET}1.5", f"50{BUDGET}1.2"),
        ),
        shown=("2", "60", "75"),
        loose="130",
    ),
    "cloud": Setting(
        title="boot 15-25 s, at least 30 s charged, looked at every 3 s, log-normal work of 3 s (CV 2)",
        world=World(
            boot=durations("15-25"), stop_s=5.0, tick_s=3.0, billing=Billing(price_per_h=PRICE_PER_H, minimum_s=30.0)
        ),
        services=("lognormal:3:2",),
        usual_slo_s=30.0,
        aims=aims(
            "0 0.02 2 5 10 15 18 20 24 27 28 29 30 32 35 60 200",
            "2@70 26@90 20@90 10@90 0.02@97 2@98 0.02@99.5 0.02@99.9 5@99.9 10@99.9",
            (10, 14),
        ),
        shown=("2", "30", "35"),
        loose="60",
        trickle_h={"choose": 5.0, "report": 10.0},
    ),
    "processes": Setting(
        title="boot 1 s, as local processes; at least 30 s charged, looked at every second",
        world=World(
            boot=durations("1"), stop_s=1.0, tick_s=1.0, billing=Billing(price_per_h=PRICE_PER_H, minimum_s=30.0)
        ),
        services=("exp:0.05", "exp:1", "exp:5"),
        usual_slo_s=2.0,
        aims=aims(
            "0 0.02 0.1 0.2 0.5 1 1.5 1.8 1.9 1.95 2 2.1 2.4 2.7 3 5",
            "1.5@80 0.02@90 0.5@90 1@90 1.5@90 1.8@90 1.9@90 0.02@95 0.5@95 0.02@97 0.5@97 0.02@99.7 3@99.7 "
            "1.5@99.9 2@99.9 0.02@99.99",
            (2, 10),
        ),
        shown=("2", "2.1", "2.4"),
        loose="5",
        # Every look takes its time to simulate.
        seeds=FEW,
        trickle_h={"choose": 12.0, "report": 12.0},
    ),
}


def experiment(
    setting: Setting, service: str, name: str, aim: Objective, trace: Workload, *, counted_h: float = 0.0
) -> Experiment:
    """Return one cell of the tables; what learns gets an hour of the repeating workloads to learn from.

    With `counted_h` given, those are counted for so many hours.
    """
    work = durations(service)
    quick = work.mean_s < 0.5  # as many requests, a shorter time
    usually_h = {
        "trickle": setting.trickle_h["report"],
        "bursts": 3.0,
        "spiky": 1.0,
    }
    once_h = 2.0 if name == "diurnal" else 1.0
    hours = 1 + (counted_h or usually_h[name]) if name in usually_h else once_h
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
        warmup_s=min(_WARMUP_S.get(name, 0.0), shape.duration_s / 2),
    )


def measure(cell: Experiment, policy: str, seeds: tuple[int, ...]) -> dict:
    """Return percentiles over the requests of all seeds together, the mean of what a seed costs, and each by itself.

    To three decimals, as they are kept, so that ties are the same when they are read again.
    """
    runs = [cell.run(policy, seed) for seed in seeds]
    waits_s = np.concatenate([run.waits_s for run in runs])
    return {
        "p50": _rounded(np.percentile(waits_s, 50)),
        "p99": _rounded(np.percentile(waits_s, 99)),
        "longest": _rounded(waits_s.max()),
        "instance_s": _rounded(np.mean([run.billed_s for run in runs])),
        "late": _rounded(100 * np.mean(waits_s > cell.objective.slo_s)),
        "each": [
            {"p99": _rounded(np.percentile(run.waits_s, 99)), "instance_s": _rounded(run.billed_s)} for run in runs
        ],
    }


def _rounded(value: float) -> float:
    return round(float(value), 3)


class Measuring:
    """Fills one row of the tables, a cell at a time."""

    def __init__(self, row: dict, setting: Setting, trace: Workload) -> None:
        self.row, self.setting, self.trace = row, setting, trace

    def fill(self) -> None:
        """Measure what is missing: known rules on all seeds, ours on the choosing ones, what is chosen on the others.

        Where the best objective against a rule does not win by far on the choosing seeds, more are tried with the money
        that the other rule takes; where it loses, what lies between the best and the next too.
        """
        for policy in KNOWN:
            cell = self.row["known"].setdefault(policy, {})
            for seeds in set(SEEDS) - set(cell):
                cell[seeds] = self._measured(policy, Objective(slo_s=self.setting.usual_slo_s), seeds)
        self._add(self.setting.aims, "choose")
        if not self.row.get("refined"):  # once, or a second run would go on where the first one ended
            self._refine()
            self.row["refined"] = True
        chosen = [aim for policy in KNOWN for aim in candidates(self.row, policy)]
        self._add((*self.setting.shown, self.setting.loose, *chosen), "report")

    def conditions(self) -> dict:
        """Return what the figures of the row are of; they say nothing beside those of other seeds or hours."""
        seeds = {purpose: list(self.setting.seeds_of(self.row["workload"], purpose)) for purpose in SEEDS}
        return {purpose: {"seeds": seeds[purpose], "counted_s": self._counted_s(purpose)} for purpose in SEEDS}

    def _refine(self) -> None:
        close = (policy for policy in KNOWN if self._worst(policy) > _CLOSE)
        for policy in close if self.row["workload"] != "single" else ():
            workers = self.row["known"][policy]["choose"]["instance_s"] / self._counted_s("choose")
            dear = too_dear(self.row, policy)[:_MONEY]
            self._add([paid_with(aim, share * workers) for aim in ("0", *dear) for share in _LESS], "choose")
        for policy in (policy for policy in KNOWN for _ in range(_ROUNDS)):
            if self._worst(policy) > _LOSES:
                self._add(between(ranked(self.row, policy)[0], list(self.row["ours"])), "choose")

    def _worst(self, policy: str) -> float:
        """Return how near the best objective so far is to losing to a rule on the choosing seeds; above 1 it does."""
        return margin(self.row, policy, ranked(self.row, policy)[0])[0]

    def _add(self, tried: Iterable[str], seeds: str) -> None:
        for aim in tried:
            cell = self.row["ours"].setdefault(aim, {})
            if seeds not in cell:
                cell[seeds] = self._measured("facefleet", objective(aim), seeds)

    def _measured(self, policy: str, aim: Objective, seeds: str) -> dict:
        return measure(self._cell(aim, seeds), policy, self.setting.seeds_of(self.row["workload"], seeds))

    def _counted_s(self, seeds: str) -> float:
        cell = self._cell(Objective(), seeds)
        workload = cell.workload(self.setting.seeds_of(self.row["workload"], seeds)[0])
        return _rounded(workload.duration_s - cell.warmup_s)

    def _cell(self, aim: Objective, seeds: str) -> Experiment:
        name, hours = self.row["workload"], self.setting.trickle_h[seeds]
        counted_h = hours if name == "trickle" else 0.0
        return experiment(self.setting, self.row["service"], name, aim, self.trace, counted_h=counted_h)
