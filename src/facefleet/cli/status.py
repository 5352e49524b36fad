"""`facefleet status`: the queue and the fleet at one glance."""

from datetime import UTC, datetime
from typing import Any

import typer

from facefleet.cli import tables
from facefleet.cli.connection import connect
from facefleet.cli.examples import examples
from facefleet.cli.options import AsJson, Url

commands = typer.Typer()


@commands.command(
    epilog=examples("""
        facefleet status
        watch -n 1 facefleet status
        facefleet status --json | jq .queue.visible
    """)
)
def status(*, as_json: AsJson = False, url: Url = None) -> None:
    """Show how long the queue is and what each worker does."""
    with connect(url) as client:
        queue, fleet = client.get("/v1/queue"), client.get("/v1/fleet")
    if as_json:
        tables.print_json({"queue": queue, "fleet": fleet})
        return
    tables.print_table(
        ("part", "state", "for", "work"), [_queue(queue), *map(_worker, fleet["workers"])], long=("work",)
    )


def _queue(queue: dict[str, Any]) -> tuple[str, ...]:
    state = f"{queue['visible']} waiting, {queue['in_flight']} in work, {queue['dead']} dead"
    return "queue", state, f"{queue['oldest_age_s']:.1f} s", ""


def _worker(worker: dict[str, Any]) -> tuple[str, ...]:
    age_s = (datetime.now(UTC) - datetime.fromisoformat(worker["since"])).total_seconds()
    return worker["id"], worker["state"], f"{age_s:.0f} s", " ".join(worker["jobs"])
