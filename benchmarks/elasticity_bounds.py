"""What no rule can do better: the work, one who knows the future, and chance.

*Work*: no fleet pays for less than the work it does. *The clairvoyant* (`lab.simulate.clairvoyant`) knows the future
and pays for boots; a good schedule, not a proven optimum. *Chance* (`elasticity_chance`): what a rule without foresight
pays at least on average, even one that knows the laws by which the workload and the boots are drawn, if in the long run
no more than 1 % of its requests wait longer than this p99. *The reference* (`elasticity_references`): what a simple
rule pays that is told the law of the bursts, or the spikes, or is tuned to the trace; the cheapest that a search found,
no bound.
"""

import numpy as np

from elasticity_aims import objective
from elasticity_cells import BOUNDS, KNOWN, Setting, experiment
from elasticity_chance import CHANCE, Sample
from elasticity_references import REFERENCES
from elasticity_spikes import spiky
from elasticity_tables import NEAR
from facefleet.lab.simulate.clairvoyant import clairvoyant_at
from facefleet.lab.simulate.engine import Run
from facefleet.lab.simulate.experiment import Experiment, after
from facefleet.lab.simulate.workload import Seconds, Workload

_LOOKS = 17_280  # of what repeats, a day where one looks every 5 s: a few bursts prove nothing
_LOOKS_SPIKY = 4_320  # there are many more requests
_CHANCE = {**CHANCE, "spiky": spiky}


def bound(row: dict, setting: Setting, aim: str, trace: Workload) -> dict[str, float]:
    """Return what ours costs at one seed, and the bounds at its p99."""
    cell = experiment(setting, row["service"], row["workload"], objective(aim), trace, counted_h=_long_h(row, setting))
    seed = setting.shown_seed(row["workload"])
    ours = cell.run("facefleet", seed)
    p99_s = float(np.percentile(ours.waits_s, 99))
    services_s = _counted(cell, seed)[1]
    best_s = _clairvoyant(cell, p99_s, seed).billed_s
    chance_s = _chance(cell, row["workload"], p99_s, seed)
    asked = row["workload"] in REFERENCES.keys() - {"trickle"} and ours.billed_s > NEAR * best_s >= chance_s
    return {
        "p99": p99_s,
        "instance_s": ours.billed_s,
        "clairvoyant": best_s,
        "work": float(services_s.sum()),
        "chance": chance_s,
        "reference": REFERENCES[row["workload"]](cell, p99_s, seed) if asked else 0.0,
    }


def room(row: dict, setting: Setting, policy: str, trace: Workload, long: Experiment) -> dict[str, float]:
    """Return what the clairvoyant, chance and the reference ask for a known rule's p99, as shares of what it pays.

    The clairvoyant's share is that of one seed, that of chance of all reported ones, and that of the reference, which
    is asked about a trickle only, of a long one.
    """
    usual = objective(f"{setting.usual_slo_s:g}")
    cell = experiment(setting, row["service"], row["workload"], usual, trace)
    seed, reported = setting.shown_seed(row["workload"]), row["known"][policy]["report"]
    theirs = cell.run(policy, seed)
    best_s = _clairvoyant(cell, float(np.percentile(theirs.waits_s, 99)), seed).billed_s
    reference = _reference(row["workload"], long, reported["p99"], seed)
    return {
        "clairvoyant": best_s / theirs.billed_s,
        "chance": _chance(cell, row["workload"], reported["p99"], seed) / reported["instance_s"],
        "reference": reference * _span_s(cell, seed) / reported["instance_s"],
    }


def _long_h(row: dict, setting: Setting) -> float:
    return (_LOOKS_SPIKY if row["workload"] == "spiky" else _LOOKS) * setting.world.tick_s / 3600


def _span_s(cell: Experiment, seed: int) -> float:
    return cell.workload(seed).duration_s - cell.warmup_s


def _reference(name: str, long: Experiment, p99_s: float, seed: int) -> float:
    """Return how many workers the reference pays on average; infinite if none keeps it, 0 where it is not asked."""
    return REFERENCES[name](long, p99_s, seed) / _span_s(long, seed) if name == "trickle" else 0.0


def _counted(cell: Experiment, seed: int) -> tuple[Workload, Seconds]:
    workload, services_s = cell.draw(seed)
    counted = after(workload, cell.warmup_s)
    return counted, services_s[services_s.size - counted.arrivals_s.size :]


def _clairvoyant(cell: Experiment, p99_s: float, seed: int) -> Run:
    workload, services_s = _counted(cell, seed)
    return clairvoyant_at(p99_s, workload, services_s, bounds=BOUNDS, world=cell.world, seed=seed)


def _chance(cell: Experiment, name: str, p99_s: float, seed: int) -> float:
    """Return what a rule without foresight pays on average at least: 0 where nothing is known."""
    if name not in _CHANCE:
        return 0.0
    workload, services_s = _counted(cell, seed)
    sample = Sample(
        requests=services_s.size,
        work_s=float(services_s.sum()),
        span_s=workload.duration_s - cell.warmup_s,
        service=cell.service,
        world=cell.world,
        maximum=BOUNDS.maximum,
        p99_s=p99_s,
    )
    return _CHANCE[name](sample)


def explain(row: dict, setting: Setting, misses: list[str], trace: Workload) -> dict:
    """Add the bounds to a row: at the objectives shown and a loose one, and at each known rule that is missed."""
    for aim in (*setting.shown, setting.loose):
        if aim not in row["bound"]:
            row["bound"][aim] = bound(row, setting, aim, trace)
    usual = objective(f"{setting.usual_slo_s:g}")
    long = experiment(setting, row["service"], row["workload"], usual, trace, counted_h=_long_h(row, setting))
    row["missed"] = {policy: room(row, setting, policy, trace, long) for policy in KNOWN if policy in misses}
    return row
