"""`facefleet evaluate`: how accurate the engine is on photos whose people are known, without a service."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from facefleet.cli import tables
from facefleet.cli.examples import examples
from facefleet.cli.exits import ExitStatus, Failure
from facefleet.cli.options import AsJson
from facefleet.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from facefleet.core.faces import Template
    from facefleet.lab.bootstrap import Interval
    from facefleet.lab.evaluate import Acquired, Protocol, Report

commands = typer.Typer()

_SEED = 0  # the same photos give the same confidence intervals


@commands.command(
    epilog=examples("""
        facefleet evaluate pairs.csv --photos PEOPLE/                 # rates, with 95 % confidence intervals
        facefleet evaluate pairs.csv --photos PEOPLE/ --det det.png
        facefleet evaluate pairs.csv --photos PEOPLE/ --json | jq .accuracy
        facefleet evaluate pairs.csv --photos PEOPLE/ --calibrate model.json

        PAIRS has the columns same,a,b: 1 or 0, and two photos relative to --photos. Where the photos lie in a
        folder per person, all pairs that they can form are evaluated as well. Exit status: 0 all photos showed a
        face, 1 some did not, 2 nothing to evaluate.
    """)
)
def evaluate(
    pairs: Annotated[Path, typer.Argument(metavar="PAIRS", help="CSV with the columns same,a,b.")],
    *,
    photos: Annotated[Path, typer.Option(metavar="DIR", help="Folder that the photos are relative to.")],
    det: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw the DET curve.")] = None,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Write the model's similarity scale, from all pairs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the engine's accuracy on pairs of photos."""
    try:
        report = _evaluate(pairs, photos, det, calibrate)
    except InvalidInput as error:
        raise Failure(error.detail) from error
    if as_json:
        tables.print_json(asdict(report))
    else:
        _print_report(report)
    if report.rejected:
        raise typer.Exit(ExitStatus.REFUSED)


def _evaluate(file: Path, folder: Path, det: Path | None, calibrate: Path | None) -> "Report":
    # The engine takes half a second to import; other commands do without.
    import numpy as np

    from facefleet import config
    from facefleet.lab import det_curve
    from facefleet.lab import evaluate as lab
    from facefleet.lab.pairs import read_pairs
    from facefleet.vision.engine import Engine

    pairs = read_pairs(file, folder)
    for output in (det, calibrate):
        if output is not None and not output.parent.is_dir():
            raise InvalidInput(f"There is no folder {output.parent} to write {output.name} to.")
    if det is not None:
        det_curve.require_matplotlib()
    settings = config.load()
    engine = Engine(settings.cache, max_pixels=settings.max_image_pixels)
    names = lab.photos_of(pairs)
    acquired = list(_with_progress(lab.acquire(engine, names, folder), len(names)))
    report = lab.evaluate(pairs, acquired, engine.model_id, np.random.default_rng(_SEED))
    templates = lab.templates_of(acquired)
    if calibrate is not None:
        _calibrate(templates, report, calibrate, data=folder.resolve().name)
    if det is not None:
        det_curve.draw(lab.compare_all(pairs, templates), f"{report.model_id} on {folder.resolve().name}", det)
    return report


def _calibrate(templates: "dict[str, Template]", report: "Report", file: Path, *, data: str) -> None:
    from facefleet.lab import calibrate as lab
    from facefleet.lab.evaluate import all_comparisons

    if "all pairs" not in report.protocols:
        raise InvalidInput("A calibration needs the photos in a folder per person, as PEOPLE/Ada Lovelace/1.jpg.")
    table = lab.calibrate(all_comparisons(templates), model_id=report.model_id, data=data).to_dict()
    try:
        file.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.") from error


class _Rate(ProgressColumn):
    """Photos per second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.0f} photos/s")


def _with_progress(acquired: "Iterable[Acquired]", total: int) -> "Iterator[Acquired]":
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield from progress.track(acquired, total=total, description="templates")


def _print_report(report: "Report") -> None:
    typer.echo(f"{report.model_id}, {tables.counted(report.photos, 'photo')}, {len(report.rejected)} without a face")
    for photo, reason in report.rejected.items():
        typer.echo(f"  {photo}: {reason}")
    if report.pairs_left_out:
        typer.echo(f"Left out with them: {tables.counted(report.pairs_left_out, 'pair')}")
    typer.echo(f"Accuracy over ten folds: {report.accuracy:.2%} ± {report.accuracy_se:.2%} (standard error)")
    for name, protocol in report.protocols.items():
        typer.echo(f"{name.capitalize()}: {protocol.genuine_pairs:,} genuine, {protocol.impostor_pairs:,} impostor")
    tables.print_table(
        ("pairs", "rate", "value", "95 % interval"),
        [(name, *row) for name, protocol in report.protocols.items() for row in _rates(protocol)],
    )


def _rates(protocol: "Protocol") -> "Iterator[tuple[str, str, str]]":
    """Yield (rate, value, interval), with a dash for what so few pairs cannot show."""
    from facefleet.lab.evaluate import FALSE_MATCH_RATES

    yield "EER", f"{protocol.eer:.2%}", _interval(protocol.eer_95)
    measured = {point.fmr: point for point in protocol.points}
    for fmr in FALSE_MATCH_RATES:
        name = f"FNMR at FMR {fmr:.0e}".replace("e-0", "e-")
        if fmr in measured:
            yield name, f"{measured[fmr].fnmr:.2%}", _interval(measured[fmr].fnmr_95)
        else:
            yield name, "-", "too few pairs to measure"


def _interval(interval: "Interval") -> str:
    return f"{interval.low:.2%} to {interval.high:.2%}"
