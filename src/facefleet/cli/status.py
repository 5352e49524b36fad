"""`facefleet status`: the queue and the fleet at one glance."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from facefleet.cli import tables
from facefleet.cli.connection import connect
from facefleet.cli.examples import examples
from facefleet.cli.options import AsJson, Url

commands = typer.Typer()

_SILENT_S = 180.0  # a controller looks once a minute at least


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
    silence = silence_of_controller(fleet)
    controller = [("controller", silence, "", "")] if silence else []
    workers = [_worker(worker, "last seen " if silence else "") for worker in fleet["workers"]]
    parts = [_queue(queue), *controller, *workers]
    tables.print_table(("part", "state", "for", "work"), parts, long=("work",))


def _queue(queue: dict[str, Any]) -> tuple[str, ...]:
    state = f"{queue['visible']} waiting, {queue['in_flight']} in work, {queue['dead']} dead"
    return "queue", state, f"{queue['oldest_age_s']:.1f} s", ""


def silence_of_controller(told: dict[str, Any]) -> str:
    """Return for how long no controller has looked at the fleet, or nothing if one does."""
    looked_s_ago = told.get("looked_s_ago", 0.0)  # an older service does not say
    if looked_s_ago is None:
        return "none has yet"
    return f"silent for {looked_s_ago:.0f} s" if looked_s_ago > _SILENT_S else ""


def _worker(worker: dict[str, Any], seen: str) -> tuple[str, ...]:
    age_s = (datetime.now(UTC) - datetime.fromisoformat(worker["since"])).total_seconds()
    return worker["id"], seen + worker["state"], f"{age_s:.0f} s", _work(worker["jobs"])


def _work(jobs: Sequence[str]) -> str:
    """Return the job by its id, of several how many there are; --json has all ids."""
    return tables.counted(len(jobs), "job") if len(jobs) > 1 else "".join(jobs)
