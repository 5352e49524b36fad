"""`facefleet fleet`: why the fleet is as large as it is, and what it costs."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from facefleet.cli import tables
from facefleet.cli.connection import connect
from facefleet.cli.examples import examples
from facefleet.cli.options import AsJson, Url
from facefleet.cli.status import silence_of_controller

fleet = typer.Typer(no_args_is_help=True, help="Explain what the controller did, save its history, show the cost.")
commands = typer.Typer()
commands.add_typer(fleet, name="fleet")

# What the reasons leave out; all the numbers are in --json.
_NUMBERS = {"running": "running", "oldest s": "oldest_age_s", "boot s": "boot_s"}
_SOON = timedelta(hours=20)
_SMALL = 0.001  # amounts below have more zeros than are easily counted


@fleet.command(
    epilog=examples("""
        facefleet fleet explain                # why workers were started and stopped, the latest first
        facefleet fleet explain --all -n 5     # readings at which nothing was done, too
        facefleet fleet explain --json | jq -r '.[].reason'
    """)
)
def explain(
    *,
    limit: Annotated[int, typer.Option("-n", "--limit", metavar="N", min=1, max=1000, help="How many.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Also what led to nothing.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Show the controller's latest decisions, each with its reason and the numbers it was made from."""
    with connect(url) as client:
        decisions = client.get("/v1/fleet/decisions", limit=limit, acting_only=not everything)["decisions"]
    if as_json:
        tables.print_json(decisions)
        return
    tables.print_table(("when", "start", "drain", *_NUMBERS, "reason"), map(_decided, decisions), long=("reason",))


@fleet.command(
    epilog=examples("""
        facefleet fleet history > history.jsonl
        facefleet simulate --from-history history.jsonl --service exp:0.05 --max 4
    """)
)
def history(*, url: Url = None) -> None:
    """Print the decisions and readings of the last weeks, oldest first, as JSON lines."""
    with connect(url) as client:
        for line in client.lines("/v1/fleet/history"):
            typer.echo(line)


@fleet.command(
    epilog=examples("""
        facefleet fleet cost
        facefleet fleet cost --json | jq .per_1000

        Amounts are in the currency of the settings worker_price_per_hour and managed_price_per_1000.
    """)
)
def cost(*, as_json: AsJson = False, url: Url = None) -> None:
    """Show what the workers cost, and what a managed face API would have cost for the same photos."""
    with connect(url) as client:
        told = client.get("/v1/fleet/cost")
    if as_json:
        tables.print_json(told)
        return
    since = "" if told["since"] is None else f", average since {_when(told['since'])}"
    projected = ", by the workers there now" if told["managed_per_month"] is None else since
    tables.print_table(
        ("what", "this fleet", "managed API"),
        [
            (f"{tables.counted(told['workers'], 'worker')} now, an hour", _amount(told["per_hour"]), ""),
            (f"1,000 photos{since}", _amount(told["per_1000"]), ""),
            (f"a month{projected}", _amount(told["per_month"]), _amount(told["managed_per_month"])),
            (
                f"{tables.counted(told['answered'], 'request')} in {told['worker_hours']:,.2f} worker-hours so far",
                _amount(told["total"]),
                _amount(told["managed_total"]),
            ),
        ],
        long=("what",),
    )
    if told["note"] is not None:
        tables.say(told["note"])
    if silence := silence_of_controller(told):
        tables.say(f"No controller looks at the fleet ({silence}); what is said of now is what the last one saw.")


def _decided(decision: dict[str, Any]) -> tuple[str, ...]:
    numbers = (f"{decision['seen'].get(name, 0):g}" for name in _NUMBERS.values())
    return (
        _when(decision["at"]),
        str(decision["start"] or ""),
        str(len(decision["drain"]) or ""),
        *numbers,
        decision["reason"],
    )


def _when(timestamp: str) -> str:
    """Return the local time, with the date unless it is of the last hours."""
    at = datetime.fromisoformat(timestamp)
    return f"{at.astimezone():%H:%M:%S}" if datetime.now(UTC) - at < _SOON else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _amount(amount: float | None) -> str:
    if amount is None:
        return "unknown"
    if amount >= 1:
        return f"{amount:,.2f}"
    return f"{amount:,.4f}" if amount >= _SMALL or not amount else f"{amount:.3g}"
