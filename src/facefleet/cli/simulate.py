"""`facefleet simulate`: what a scaling rule would do and cost, without a fleet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from facefleet.cli import limits, outcomes_table, tables
from facefleet.cli.examples import examples
from facefleet.cli.exits import Failure
from facefleet.cli.options import AsJson
from facefleet.core.fleet import Bounds
from facefleet.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from facefleet.lab.simulate.experiment import Experiment
    from facefleet.lab.simulate.outcome import Outcome
    from facefleet.lab.simulate.workload import Workload

commands = typer.Typer()
_Read = TypeVar("_Read")

_POLICIES = "facefleet,naive,naive+pending,backlog,keda,kpa,hpa,rayserve,static MAX,clairvoyant"
_SHORTEST_S = 1e-6  # the times that some spans fit into others must be a number
_DEAREST = 1e9  # of prices and budgets; the squares of far greater costs end in infinity, which JSON has no word for
_SHAPING = ("--rate", "--duration", "--day")  # options of synthetic workloads
_SHAPELESS = {"steady": ("--day",), "spiky": ("--day",), "diurnal": ()}  # of these they leave no mark; else:
_ONLY_SO_LONG = ("--rate", "--day")
_USUAL_LOAD = 0.55  # of what the maximum can do, where no rate is given


@commands.command(
    epilog=examples("""
        facefleet simulate spiky                                        # every policy, processes on one machine
        facefleet simulate diurnal --boot 30-60 --minimum-bill 60 --slo 20s --policy facefleet,naive
        facefleet simulate trace.csv --service exp:5 --plot fleet.png
        facefleet simulate --from-history history.jsonl --budget 3/h --price 0.10

        WORKLOAD is steady, diurnal, spiky, trickle, bursts, single, or a CSV file whose first column is when each
        request arrived. A history is JSON lines, {"arrived_s": 12.5} for each request, or the controller's decisions,
        {"at_s": 10.0, "seen": {"enqueued_total": 40}}. Durations are seconds, LOW-HIGH, exp:MEAN, lognormal:MEAN:CV or
        measured:FILE. A wait ends when a worker begins the request; late are those that wait longer than --slo.
        Instance-s is worker time as it is charged, from the order to start until the end of the drain. After ± stands
        half of a 95 % confidence interval over the seeds.
    """)
)
def simulate(
    context: typer.Context,
    workload: Annotated[str | None, typer.Argument(metavar="WORKLOAD", help="A name or a CSV file.")] = None,
    *,
    from_history: Annotated[Path | None, typer.Option(metavar="FILE", help="Arrivals from the service's own.")] = None,
    policy: Annotated[str, typer.Option(metavar="A,B,…", help="Scaling rules to compare.")] = _POLICIES,
    slo: Annotated[str, typer.Option(metavar="SPAN", help="How long a request may wait.")] = "2s",
    at: Annotated[float, typer.Option(metavar="PERCENT", min=50, max=99.99, help="For how many that must hold.")] = 99,
    budget: Annotated[str | None, typer.Option(metavar="MONEY/h", help="The most to spend.")] = None,
    service: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Work that one request takes.  [default: as in the history, or exp:1]"),
    ] = None,
    boot: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="From start to the first request.  [default: as in the history, or 1]"),
    ] = None,
    stop: Annotated[str, typer.Option(metavar="SPAN", help="From the end of a drain until the place is free.")] = "1s",
    warm: Annotated[int, typer.Option(metavar="N", min=0, max=10_000, help="Stopped workers kept for restart.")] = 0,
    warm_boot: Annotated[str, typer.Option(metavar="DURATION", help="What a restart takes.")] = "1",
    tick: Annotated[str, typer.Option(metavar="SPAN", help="How often the controller looks.")] = "1s",
    capacity: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Requests a worker works on at once.")
    ] = 1,
    minimum: Annotated[int, typer.Option("--min", metavar="N", min=0, help="Fewest workers.")] = 0,
    maximum: Annotated[int, typer.Option("--max", metavar="N", min=1, max=10_000, help="Most workers.")] = 19,
    price: Annotated[float, typer.Option(metavar="MONEY", min=0, help="Of a worker, an hour.")] = 0.0,
    minimum_bill: Annotated[str, typer.Option(metavar="SPAN", help="Charged for every start at least.")] = "30s",
    granularity: Annotated[str, typer.Option(metavar="SPAN", help="Charged time is rounded up to this.")] = "1s",
    rate: Annotated[float | None, typer.Option(metavar="HZ", min=0.0, help="Requests a second.")] = None,
    duration: Annotated[str, typer.Option(metavar="SPAN", help="Of a synthetic workload.")] = "1h",
    day: Annotated[str, typer.Option(metavar="SPAN", help="One day of the diurnal workload.")] = "1h",
    warmup: Annotated[str, typer.Option(metavar="SPAN", help="Beginning that does not count.")] = "0s",
    seeds: Annotated[int, typer.Option(metavar="N", min=1, max=1_000, help="Runs with different chance.")] = 3,
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw the first run of each policy.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate scaling rules over a workload: waits, lateness, worker time and cost."""
    from facefleet.core.scaling.terms import Billing, Objective
    from facefleet.lab.simulate import recording
    from facefleet.lab.simulate.durations import durations, span
    from facefleet.lab.simulate.experiment import Experiment
    from facefleet.lab.simulate.fleet import World
    from facefleet.lab.simulate.workload import Shape

    if (workload is None) == (from_history is None):
        raise Failure("Name one workload: one of those listed by --help, a CSV file, or --from-history FILE.")
    if minimum > maximum:
        raise Failure(f"--min {minimum} is more than --max {maximum}.")
    names = limits.read_policies(policy, minimum, maximum, budgeted=budget is not None)
    if budget is not None and not price:
        raise Failure("A --budget needs the --price of a worker.")
    if not price <= _DEAREST:
        raise Failure(f"--price must be a finite number, {_DEAREST:,.0f} at most.")
    if plot is not None:
        limits.check_picture(plot, names)
        _artist()
    given = [
        option for option in _SHAPING if getattr(context.get_parameter_source(option[2:]), "name", "") == "COMMANDLINE"
    ]
    try:
        lines = [] if from_history is None else recording.lines_of(from_history)
        told = recording.measured(lines)
        service, boot = service or told.service or "exp:1", boot or told.boot or "1"
        work = _read("--service", durations, service)
        if work.mean_s <= 0:
            raise Failure("--service must be longer than nothing.")
        usual_hz = _USUAL_LOAD * maximum * capacity / work.mean_s
        shape = Shape(
            rate_hz=usual_hz if rate is None else rate,
            duration_s=_positive("--duration", duration),
            period_s=_positive("--day", day),
        )
        experiment = Experiment(
            workload=_source(workload, from_history, lines, shape, given),
            service=work,
            world=World(
                boot=_read("--boot", durations, boot),
                stop_s=_read("--stop", span, stop),
                tick_s=_positive("--tick", tick),
                capacity=capacity,
                warm=warm,
                warm_boot=_read("--warm-boot", durations, warm_boot),
                billing=Billing(
                    price_per_h=price,
                    minimum_s=_read("--minimum-bill", span, minimum_bill),
                    granularity_s=_positive("--granularity", granularity),
                ),
            ),
            bounds=Bounds(minimum=minimum, maximum=maximum),
            objective=Objective(
                slo_s=_read("--slo", span, slo),
                at=at,
                budget_per_h=None if budget is None else _read("--budget", _money_per_h, budget),
            ),
            warmup_s=_read("--warmup", span, warmup),
        )
        limits.check_size(experiment, seeds)
        tables.say(_assumed(experiment, service, boot))
        outcomes = _compared(experiment, names, seeds)
    except InvalidInput as error:
        raise Failure(error.detail) from error
    if as_json:
        tables.print_json([outcome.to_dict() for outcome in outcomes])
    else:
        outcomes_table.show(outcomes, priced=price > 0)
    if plot is not None:
        _plot(experiment, names, plot)


def _assumed(experiment: "Experiment", service: str, boot: str) -> str:
    """Say what is simulated: half of it the user may not have said."""
    load, bounds = experiment.workload(1), experiment.bounds
    return (
        f"{load.name}: {load.arrivals_s.size:,} requests in {load.duration_s:,.0f} s, work {service}, boot {boot}, "
        f"{bounds.minimum} to {bounds.maximum} workers, a look every {experiment.world.tick_s:g} s."
    )


def _read(option: str, reader: "Callable[[str], _Read]", text: str) -> "_Read":
    try:
        return reader(text)
    except InvalidInput as error:
        raise Failure(f"{option}: {error.detail}") from error


def _compared(experiment: "Experiment", names: list[str], seeds: int) -> "list[Outcome]":
    """Return what each policy did, with a bar on a terminal while it takes its time."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("simulate", total=len(names) * seeds)

        def passed(name: str, seed: int, share: float) -> None:
            completed = names.index(name) * seeds + seed - 1 + share
            progress.update(bar, description=f"{name}, seed {seed}", completed=completed)

        return experiment.compare(names, range(1, seeds + 1), passed=passed)


def _source(
    name: str | None, history: Path | None, lines: list[str], shape: Any, given: list[str]
) -> "Callable[[int], Workload]":
    """Return the workload of a seed: a synthetic one, or a recorded one whatever the seed and the options given."""
    from facefleet.lab.simulate import recording, workload

    if history is not None:
        recorded = recording.from_history(history, lines)
    elif name is not None and name not in workload.SYNTHETIC:
        recorded = (
            recording.from_csv(Path(name))
            if Path(name).suffix or Path(name).exists()
            else workload.synthetic(name, shape, 0)
        )
    else:
        limits.check_requests(str(name), shape.rate_hz * shape.duration_s)
        if useless := [option for option in _SHAPELESS.get(str(name), _ONLY_SO_LONG) if option in given]:
            tables.say(f"Ignored: {', '.join(useless)}, for {name} does not depend on that.")
        return lambda seed: workload.synthetic(str(name), shape, seed)
    if given:
        tables.say(f"Ignored: {', '.join(given)}, for {recorded.name} is a recorded workload.")
    return lambda _seed: recorded


def _positive(option: str, text: str) -> float:
    from facefleet.lab.simulate.durations import span

    value = _read(option, span, text)
    if value < _SHORTEST_S:
        raise Failure(f"{option} must be longer than nothing, a microsecond at least.")
    return value


def _money_per_h(text: str) -> float:
    from facefleet.core.scaling.terms import per_hour

    value = per_hour(text)
    if value > _DEAREST:
        raise InvalidInput(f"{text[:40]!r} is too much; {_DEAREST:,.0f} an hour are the most.")
    return value


def _artist() -> Any:
    try:
        from facefleet.lab.simulate import plot
    except ImportError as error:
        raise Failure("Pictures need matplotlib: .venv/bin/pip install -e '.[plot]'.") from error
    return plot


def _plot(experiment: "Experiment", names: list[str], file: Path) -> None:
    runs = [experiment.run(name, 1) for name in names if name != limits.UNDRAWN]
    title = (
        f"{experiment.workload(1).name}: work {experiment.service.mean_s:g} s, boot {experiment.world.boot.mean_s:g} s"
    )
    try:
        _artist().draw(
            runs,
            mean_service_s=experiment.service.mean_s / experiment.world.capacity,
            objective=experiment.objective,
            title=title,
            file=file,
        )
    except InvalidInput as error:
        raise Failure(error.detail) from error
    except (OSError, ValueError) as error:
        raise Failure(f"{file} cannot be drawn: {error}.") from error
