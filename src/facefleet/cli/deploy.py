"""`facefleet deploy aws`: make, change or delete an installation in the AWS account that the credentials open."""

import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from facefleet.cli import tables
from facefleet.cli.examples import examples
from facefleet.cli.exits import ExitStatus, Failure
from facefleet.cli.options import AsJson
from facefleet.errors import NotFound

if TYPE_CHECKING:
    from facefleet.adapters.aws_stack.calls import Calls
    from facefleet.adapters.aws_stack.stack import Event, Stack
    from facefleet.core.aws_costs import HourlyCost, Prices

commands = typer.Typer()
_deploy = typer.Typer(help="Install facefleet elsewhere.", no_args_is_help=True)
commands.add_typer(_deploy, name="deploy")

_IMAGES = "facefleet-*"
_NAME = "[a-z0-9][a-z0-9-]{1,30}[a-z0-9]"  # as in the template
_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_SOUND = _DONE | {"UPDATE_ROLLBACK_COMPLETE"}


@_deploy.callback()
def _choose() -> None:
    """Keep `aws` a command of its own: without a callback typer would fold the only command away."""


@_deploy.command(
    epilog=examples("""
        facefleet deploy aws --name 1225 --clients 203.0.113.7/32 --email me@example.org
        facefleet deploy aws --name 1225 --set WorkerType=c7a.large --set MaxWorkers=40    # changes it
        facefleet deploy aws --name 1225 --delete

        Credentials and region come from where AWS's own tools look: environment, AWS_PROFILE, instance role. Every
        parameter of deploy/aws/facefleet.yaml can be --set; what is not said stays as it is. docs/aws.md begins with an
        empty account.
    """)
)
def aws(
    *,
    name: Annotated[str, typer.Option(metavar="ID", help="What the names of all resources begin with.")],
    image: Annotated[
        str | None, typer.Option(metavar="AMI", help="Machine image; default: the account's newest facefleet-*.")
    ] = None,
    clients: Annotated[
        str | None, typer.Option(metavar="CIDR", help="Who may call the service; default: nobody outside the VPC.")
    ] = None,
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where alarms are sent.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PARAMETER=VALUE", help="Any other parameter of the template.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(metavar="TOML", help="Prices other than those that come along.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it, with all photos and answers.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before acting.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make, change or delete an installation on AWS; says what it costs and asks before it acts."""
    if re.fullmatch(_NAME, name) is None:
        raise Failure(f"{name!r} is no name for buckets: 3 to 32 lower-case letters, digits and dashes.")
    calls, stack = _open(name)
    status = stack.status()
    if status is not None and status.endswith("_IN_PROGRESS"):
        sentence = f"AWS is still at work on the stack {stack.name} ({status}): wait until it is done."
        raise Failure(sentence, ExitStatus.UNAVAILABLE)
    if delete:
        if status is None:
            raise Failure(f"There is no stack {stack.name} in the region {calls.region}.")
        _delete(stack, yes=yes, as_json=as_json)
        return
    if status is not None and status not in _SOUND:
        raise Failure(f"The stack {stack.name} is left over from a failure ({status}): --delete it first.")
    given = {"Name": name} | _given(Image=image, Clients=clients, AlarmEmail=email) | _pairs(settings or [])
    _deploy_stack(calls, stack, given, _prices(prices), exists=status is not None, yes=yes, as_json=as_json)


def _deploy_stack(
    calls: "Calls", stack: "Stack", given: dict[str, str], prices: "Prices", *, exists: bool, yes: bool, as_json: bool
) -> None:
    from facefleet.adapters.aws_stack import template

    text = template()
    defaults = stack.known_parameters(text)
    if unknown := sorted(given.keys() - defaults.keys()):
        raise Failure(f"The template has no parameter {', '.join(unknown)}; it has {', '.join(sorted(defaults))}.")
    before = {name: value for name, value in stack.parameters().items() if name in defaults} if exists else {}
    if "Image" not in given | before:
        given["Image"] = _newest_image(calls)
    whole = {name: value or "" for name, value in defaults.items()} | before | given
    if other := stack.namesake(whole["Instances"]):
        raise Failure(
            f"The workers of {other} are called {whole['Instances']}, too, and each would command the other's: "
            "give these another name with --set Instances=NAME."
        )
    cost = _cost(prices, whole)
    _tell_cost(cost, prices, whole, calls.region)
    _ask(f"{'Change' if exists else 'Make'} the stack {stack.name} in {calls.region}?", yes=yes)
    if not exists:
        stack.create(text, whole)
    elif not stack.update(text, whole):
        tables.say("Nothing is to be changed.")
        _print(stack, cost, as_json=as_json)
        return
    failures = _show(stack.follow())
    status = stack.status()
    if status not in _DONE:
        raise Failure(_failed(stack, status, failures), ExitStatus.REFUSED)
    _print(stack, cost, as_json=as_json)


def _delete(stack: "Stack", *, yes: bool, as_json: bool) -> None:
    tables.say("All photos, answers and crops go for good, and the workers, working or not.")
    tables.say("Of a database that the stack made, AWS keeps a last snapshot until you delete it.")
    _ask(f"Delete the stack {stack.name}?", yes=yes)
    for step in stack.delete():
        tables.say(step)
    failures = _show(stack.follow())
    status = stack.status()
    if status is not None:
        raise Failure(_failed(stack, status, failures), ExitStatus.REFUSED)
    tables.say(f"The stack {stack.name} is deleted.")
    if as_json:
        tables.print_json({"stack": stack.name, "status": "DELETE_COMPLETE"})


def _open(name: str) -> "tuple[Calls, Stack]":
    try:
        from facefleet.adapters.aws_stack.calls import Calls
        from facefleet.adapters.aws_stack.stack import Stack
    except ModuleNotFoundError as error:
        raise Failure("AWS needs boto3: .venv/bin/pip install -e '.[aws]'.") from error
    from facefleet.config import aws_region

    calls = Calls(aws_region())
    return calls, Stack(calls, f"facefleet-{name}", pause=time.sleep, new_id=lambda: str(uuid.uuid4()))


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _pairs(settings: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in settings]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise Failure(f"--set {wrong[0]} says no value: --set {wrong[0]}=VALUE.")
    return {name: value for name, _, value in pairs}


def _newest_image(calls: "Calls") -> str:
    from facefleet.adapters.aws_stack.contents import newest_image

    try:
        return newest_image(calls, _IMAGES)
    except NotFound as error:
        raise Failure(f"{error.detail} Bake one (docs/aws.md), or name one with --image.") from error


def _prices(file: Path | None) -> "Prices":
    import tomllib

    from facefleet.adapters.aws_stack import prices
    from facefleet.core.aws_costs import Prices

    if file is None:
        return prices()
    try:
        return Prices.from_dict(tomllib.loads(file.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"{file} holds no prices like those of deploy/aws/prices.toml: {error}.") from error


def _cost(prices: "Prices", parameters: Mapping[str, str]) -> "HourlyCost":
    try:
        return prices.hourly(
            web=parameters["WebType"],
            worker=parameters["WorkerType"],
            database=None if parameters["DatabaseSecret"] else parameters["DatabaseClass"],
            max_workers=int(parameters["MaxWorkers"]),
        )
    except NotFound as error:
        raise Failure(f"{error.detail} Name a list that has it with --prices.") from error
    except ValueError as error:
        raise Failure(f"MaxWorkers is a number, not {parameters['MaxWorkers']}.") from error


def _tell_cost(cost: "HourlyCost", prices: "Prices", parameters: Mapping[str, str], region: str | None) -> None:
    most, worker = parameters["MaxWorkers"], parameters["WorkerType"]
    where = "" if region == prices.region else f" Those of {region} differ."
    tables.say(
        f"With no work: ${cost.idle:.3f} an hour (web instance {parameters['WebType']}, database, address, disk)."
    )
    tables.say(
        f"Each running worker ({worker}): ${cost.worker:.3f} more; each stopped one: ${cost.stopped_worker:.4f}."
    )
    tables.say(f"With all {most} workers running: ${cost.full:.2f} an hour. Requests to S3 and SQS come on top.")
    tables.say(f"Prices of {prices.region} on {prices.as_of}; AWS's bill counts.{where}")


def _ask(question: str, *, yes: bool) -> None:
    try:
        agreed = yes or typer.confirm(question, err=True)
    except typer.Abort:  # nobody is there to answer
        agreed = False
    if not agreed:
        raise Failure("Nothing was changed. (--yes agrees beforehand.)", ExitStatus.REFUSED)


def _show(events: "Iterator[Event]") -> "list[Event]":
    """Tell what happens as it happens; return the causes of failure."""
    console = Console(stderr=True, highlight=False)
    under_way: dict[str, None] = {}
    failures: list[Event] = []
    with console.status("waiting for AWS") as spinner:
        try:
            for event in events:
                if event.status.endswith("_IN_PROGRESS"):
                    under_way[event.resource] = None
                else:
                    under_way.pop(event.resource, None)
                    reason = f": {event.reason}" if event.reason else ""
                    line = f"{event.status:<20} {event.resource} ({event.kind}){reason}"
                    console.print(tables.harmless(line), markup=False, soft_wrap=True)
                if event.failed:
                    failures.append(event)
                spinner.update(f"AWS is at work on {', '.join(under_way)}")
        except KeyboardInterrupt:
            tables.say("AWS goes on with it. The same command tells whether it is done.")
            raise
    return failures


def _failed(stack: "Stack", status: str | None, failures: "list[Event]") -> str:
    causes = "; ".join(f"{one.resource} ({one.kind}): {one.reason}" for one in failures) or "AWS gave no reason"
    left = {None: "nothing of it is left", "UPDATE_ROLLBACK_COMPLETE": "it is as it was before"}.get(
        status, f"AWS left it as {status}: --delete it"
    )
    return f"The stack {stack.name} failed, and {left}. {causes}."


def _print(stack: "Stack", cost: "HourlyCost", *, as_json: bool) -> None:
    outputs = stack.outputs()
    if as_json:
        usd = {"idle": cost.idle, "worker": cost.worker, "stopped_worker": cost.stopped_worker, "full": cost.full}
        tables.print_json({"stack": stack.name, "status": stack.status(), "outputs": outputs, "usd_per_hour": usd})
        return
    tables.print_table(("what", "where"), sorted(outputs.items()), long=("where",))
