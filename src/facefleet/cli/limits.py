"""What `facefleet simulate` refuses before it begins: what would not end, what says nothing, what cannot be drawn."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from facefleet.cli import tables
from facefleet.cli.exits import Failure

if TYPE_CHECKING:
    from facefleet.lab.simulate.experiment import Experiment

UNDRAWN = "clairvoyant"
_BUDGETED, _WHOLE = "facefleet", "static MAX"
_BY_RATE = ("steady", "diurnal", "spiky")
_MOST_LOOKS, _MOST_REQUESTS = 5_000_000, 50_000_000
_PICTURES = (".png", ".svg", ".pdf")


def check_requests(workload: str, expected: float) -> None:
    """Refuse more requests than memory and patience hold, where it is the rate that says how many come.

    Raises:
        Failure: so many are too many.
    """
    if workload in _BY_RATE and not expected <= _MOST_REQUESTS:
        raise Failure(
            f"{expected:,.3g} requests are expected, and no more than {_MOST_REQUESTS:,} are simulated: "
            "lower the --rate or the --duration."
        )


def check_size(experiment: "Experiment", seeds: int) -> None:
    """Refuse a workload that would take hours, for it is looked at every tick, and one that counts no request.

    Raises:
        Failure: it does.
    """
    tick_s, warmup_s = experiment.world.tick_s, experiment.warmup_s
    for seed in range(1, seeds + 1):
        load = experiment.workload(seed)
        looks = max([load.duration_s, *load.arrivals_s[-1:]]) / tick_s
        if looks > _MOST_LOOKS:
            raise Failure(
                f"{load.name} lasts {looks * tick_s / 86_400:.3g} days, {looks:,.0f} looks of {tick_s:g} s, and no "
                f"more than {_MOST_LOOKS:,} are simulated: cut it, or look less often with --tick."
            )
        if not load.arrivals_s.size or load.arrivals_s[-1] < warmup_s:
            left_out = f", of which --warmup leaves out {warmup_s:g}" if warmup_s else ""
            raise Failure(
                f"No request of {load.name} is counted with seed {seed}: {load.arrivals_s.size} come in "
                f"{load.duration_s:g} s{left_out}. {'Shorten --warmup.' if warmup_s else 'Raise --rate or --duration.'}"
            )


def read_policies(text: str, minimum: int, maximum: int, *, budgeted: bool) -> list[str]:
    """Return the names; say which fixed fleets are as large as the bounds allow, and who keeps no budget.

    Raises:
        Failure: there is no name.
    """
    names = [name.strip().replace(_WHOLE, f"static {maximum}") for name in text.split(",") if name.strip()]
    if not names:
        raise Failure("Name at least one policy.")
    if budgeted and set(names) != {_BUDGETED}:
        tables.say(f"The --budget is kept by {_BUDGETED} alone.")
    for name in names:
        called = re.fullmatch(r"static[ -]?(\d{1,9})", name)
        if called and not minimum <= int(called[1]) <= maximum:
            tables.say(f"{name} is a fleet of {min(max(int(called[1]), minimum), maximum)}: see --min and --max.")
    return names


def check_picture(file: Path, names: list[str]) -> None:
    """Refuse a picture that could not be written after all the work.

    Raises:
        Failure: the name, the folder or the policies allow none.
    """
    if file.suffix.lower() not in _PICTURES:
        raise Failure(f"The picture {file} must end in one of {', '.join(_PICTURES)}.")
    if file.is_dir():
        raise Failure(f"The picture {file} cannot be written: it is a folder.")
    if not file.parent.is_dir():
        raise Failure(f"The picture {file} cannot be written: there is no folder {file.parent}.")
    if set(names) == {UNDRAWN}:
        raise Failure(f"The {UNDRAWN} looks at no queue, so there is nothing to draw; name another policy beside it.")
    if UNDRAWN in names:
        tables.say(f"The {UNDRAWN} looks at no queue and is left out of the picture.")
