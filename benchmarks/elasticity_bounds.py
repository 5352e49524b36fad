"""What no rule can do better: the work, one who knows the future, and chance.

*Work*: no fleet pays for less than the work it does. *The clairvoyant* (`lab.simulate.clairvoyant`) knows the future
and pays for boots; a good schedule, not a proven optimum. *Chance*: if arrivals have no memory, they find somebody as
often as somebody is there (PASTA: Wolff, Operations Research 1982); a rule without foresight pays for that.
"""

import numpy as np

from elasticity_cells import BOUNDS, KNOWN, SEEDS, Setting, experiment, objective
from facefleet.lab.simulate.clairvoyant import clairvoyant_at
from facefleet.lab.simulate.engine import Run
from facefleet.lab.simulate.experiment import Experiment, after
from facefleet.lab.simulate.workload import Seconds, Workload

_SEED = SEEDS["report"][0]
_LATE = 0.01  # of the requests may wait longer than the 99th percentile
_BURST, _BURST_S, _EARLY_S = 100, 2.0, 30.0  # of `bursts`: how many, over how long, how far before the mean time


def bound(row: dict, setting: Setting, aim: str, trace: Workload) -> dict[str, float]:
    """Return what ours costs at one seed, and the bounds at its p99."""
    cell = experiment(setting, row["service"], row["workload"], objective(aim), trace)
    ours = cell.run("facefleet", _SEED)
    p99_s = float(np.percentile(ours.waits_s, 99))
    services_s = _counted(cell)[1]
    return {
        "p99": p99_s,
        "instance_s": ours.billed_s,
        "clairvoyant": _clairvoyant(cell, p99_s).billed_s,
        "work": float(services_s.sum()),
        "chance": _chance(cell, row["workload"], p99_s),
    }


def share_of_clairvoyant(row: dict, setting: Setting, policy: str, trace: Workload) -> float:
    """Return what the clairvoyant pays for a known rule's p99, as a share of what the rule pays, at one seed."""
    usual = objective(f"{setting.usual_slo_s:g}")
    cell = experiment(setting, row["service"], row["workload"], usual, trace)
    theirs = cell.run(policy, _SEED)
    return _clairvoyant(cell, float(np.percentile(theirs.waits_s, 99))).billed_s / theirs.billed_s


def _counted(cell: Experiment) -> tuple[Workload, Seconds]:
    workload, services_s = cell.draw(_SEED)
    counted = after(workload, cell.warmup_s)
    return counted, services_s[services_s.size - counted.arrivals_s.size :]


def _clairvoyant(cell: Experiment, p99_s: float) -> Run:
    workload, services_s = _counted(cell)
    return clairvoyant_at(p99_s, workload, services_s, bounds=BOUNDS, world=cell.world, seed=_SEED)


def _chance(cell: Experiment, name: str, p99_s: float) -> float:
    """Return what a rule without foresight pays on average at least, beyond the work: 0 where nothing is known.

    Of requests that find nobody, the share `cold` waits longer than `p99_s`, for the next look and a boot; so at most
    1 in 100 `cold` may find nobody (three standard deviations more, as the percentile is that of a sample). A trickle
    has no memory: somebody is there for the rest of the time. Bursts come at any moment of a minute: whoever shall be
    there for all but 1 % of them is ready half a minute too soon on average, and so many are needed as begin all but
    1 % of a burst in time.
    """
    rng = np.random.default_rng(0)
    boots_s = cell.world.boot.draw(rng, 20_000)
    cold = float(np.mean(boots_s + rng.uniform(0, cell.world.tick_s, boots_s.size) > p99_s))
    workload, _ = _counted(cell)
    if name == "trickle":
        late = _LATE + 3 * np.sqrt(_LATE * (1 - _LATE) / workload.arrivals_s.size)
        return max(0.0, 1 - late / max(cold, late)) * (workload.duration_s - cell.warmup_s)
    if name == "bursts" and cold == 1.0:
        crew = np.ceil((1 - _LATE) * _BURST / (1 + (_BURST_S + p99_s) / cell.service.mean_s))
        ready_s = cell.world.boot.mean_s + _EARLY_S * (1 - _LATE)
        return float(workload.arrivals_s.size / _BURST * (1 - _LATE) * crew * ready_s)
    return 0.0


def explain(row: dict, setting: Setting, misses: list[str], trace: Workload) -> dict:
    """Add the bounds to a row: at the objectives shown, and at each known rule that is missed."""
    for aim in setting.shown:
        if aim not in row["bound"]:
            row["bound"][aim] = bound(row, setting, aim, trace)
    row["missed"] = {policy: share_of_clairvoyant(row, setting, policy, trace) for policy in KNOWN if policy in misses}
    return row
