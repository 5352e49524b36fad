"""`facefleet up | web | worker | controller`: the commands that run the service.

Imports stand where they are needed: `facefleet --help` and the client must not pay for the server's.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facefleet.errors import FacefleetError

if TYPE_CHECKING:
    from facefleet.config import Settings

Host = Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [default: 8000]")]
Data = Annotated[Path | None, typer.Option(help="Folder of the embedded database and the photos.")]
Database = Annotated[str | None, typer.Option(help="PostgreSQL with pgvector to use instead of the embedded one.")]
ListenDatabase = Annotated[
    str | None,
    typer.Option(
        "--listen-database", metavar="ADDRESS:PORT", help="Let other machines into the embedded database, over TLS."
    ),
]
DatabaseClients = Annotated[
    str | None, typer.Option(metavar="CIDR,…", help="The networks of those machines: 10.0.0.0/16")
]
Store = Annotated[
    str | None, typer.Option("--store-url", "--store", help="Where photos are kept: file:///folder, s3://bucket, …")
]
Queue = Annotated[
    str | None, typer.Option("--queue-url", "--queue", help="SQS queue of requests: sqs://NAME.  [default: PostgreSQL]")
]
Fleet = Annotated[
    str | None,
    typer.Option("--fleet-url", "--fleet", help="EC2 instances: ec2://NAME?template=…  [default: processes]"),
]
Profile = Annotated[str | None, typer.Option(help="aws: queues, buckets and instances called as --name says.")]
Name = Annotated[str | None, typer.Option(help="What the names of the AWS resources begin with.")]
Create = Annotated[bool | None, typer.Option("--create", help="Make AWS queues and buckets that are absent.")]
Responses = Annotated[str | None, typer.Option(help="SQS queue of responses, if this is the only web node.")]
Warm = Annotated[int | None, typer.Option(help="Stopped EC2 instances to keep.  [default: as many as workers]")]
Anonymous = Annotated[
    bool | None, typer.Option("--anonymous", help="Answer unsigned Rekognition requests (on this machine only).")
]
MinWorkers = Annotated[int | None, typer.Option(help="Workers kept running with no work.  [default: 1; on EC2 0]")]
MaxWorkers = Annotated[int | None, typer.Option(help="Most workers.  [default: the number of cores; on EC2 19]")]
Policy = Annotated[str | None, typer.Option(help="Scaling rule.  [default: facefleet]")]
Slo = Annotated[str | None, typer.Option(metavar="SPAN", help="How long a request may wait.  [default: 2s]")]
At = Annotated[
    float | None, typer.Option("--at", metavar="PERCENT", help="For how many that must hold.  [default: 99]")
]
Budget = Annotated[str | None, typer.Option(metavar="MONEY/h", help="The most to spend; needs --price.")]
Price = Annotated[float | None, typer.Option("--price", metavar="MONEY", help="What a worker costs an hour.")]
Config = Annotated[Path | None, typer.Option(help="TOML file with settings.  [default: facefleet.toml if it exists]")]


def up(
    *,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    database_url: Database = None,
    database_listen: ListenDatabase = None,
    database_clients: DatabaseClients = None,
    store_url: Store = None,
    anonymous: Anonymous = None,
    min_workers: MinWorkers = None,
    max_workers: MaxWorkers = None,
    policy: Policy = None,
    slo: Slo = None,
    slo_percent: At = None,
    budget: Budget = None,
    worker_price_per_hour: Price = None,
    queue_url: Queue = None,
    fleet_url: Fleet = None,
    profile: Profile = None,
    name: Name = None,
    create: Create = None,
    response_queue: Responses = None,
    warm: Warm = None,
    config: Config = None,
) -> None:
    """Run everything: web, database, controller and workers. Ctrl-C drains and stops all of it but EC2 instances.

    facefleet up

    facefleet up --port 9000 --data /srv/faces --max-workers 8 --slo 500ms --at 95

    facefleet up --profile aws --name 1225 --database-url postgresql://…
    """
    from facefleet.cli import rooms

    began_s = perf_counter()
    settings = read_settings(
        config,
        host=host,
        port=port,
        data=data,
        database_url=database_url,
        database_listen=database_listen,
        database_clients=database_clients,
        store_url=store_url,
        anonymous=anonymous,
        min_workers=min_workers,
        max_workers=max_workers,
        policy=policy,
        slo=slo,
        slo_percent=slo_percent,
        budget=budget,
        worker_price_per_hour=worker_price_per_hour,
        queue_url=queue_url,
        fleet_url=fleet_url,
        profile=profile,
        name=name,
        create=create,
        response_queue=response_queue,
        warm=warm,
    )
    _run(rooms.up(settings, lambda address: _welcome(address, perf_counter() - began_s)))


def web(
    *,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    database_url: Database = None,
    database_listen: ListenDatabase = None,
    database_clients: DatabaseClients = None,
    store_url: Store = None,
    anonymous: Anonymous = None,
    queue_url: Queue = None,
    profile: Profile = None,
    name: Name = None,
    create: Create = None,
    response_queue: Responses = None,
    config: Config = None,
) -> None:
    """Run the web tier alone; workers and a controller join it through the database."""
    from facefleet.cli import rooms

    settings = read_settings(
        config,
        host=host,
        port=port,
        data=data,
        database_url=database_url,
        database_listen=database_listen,
        database_clients=database_clients,
        store_url=store_url,
        anonymous=anonymous,
        queue_url=queue_url,
        profile=profile,
        name=name,
        create=create,
        response_queue=response_queue,
    )
    _run(rooms.web(settings, lambda address: typer.echo(f"web tier at {address}")))


def worker(
    *,
    worker_id: Annotated[str | None, typer.Option("--id", help="Name in the fleet.  [default: host-pid]")] = None,
    data: Data = None,
    database_url: Database = None,
    store_url: Store = None,
    queue_url: Queue = None,
    profile: Profile = None,
    name: Name = None,
    config: Config = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run one worker. SIGTERM lets it finish what it has."""
    from facefleet.cli import rooms

    settings = read_settings(
        config,
        data=data,
        database_url=database_url,
        store_url=store_url,
        queue_url=queue_url,
        profile=profile,
        name=name,
    )
    _run(rooms.worker(settings, worker_id or f"{os.uname().nodename}-{os.getpid()}", parent))


def controller(
    *,
    data: Data = None,
    database_url: Database = None,
    store_url: Store = None,
    min_workers: MinWorkers = None,
    max_workers: MaxWorkers = None,
    policy: Policy = None,
    slo: Slo = None,
    slo_percent: At = None,
    budget: Budget = None,
    worker_price_per_hour: Price = None,
    queue_url: Queue = None,
    fleet_url: Fleet = None,
    profile: Profile = None,
    name: Name = None,
    create: Create = None,
    warm: Warm = None,
    config: Config = None,
) -> None:
    """Run the controller with a fleet of worker processes on this machine, or of EC2 instances.

    When it ends it drains its processes; instances go on working, and the next controller takes them over.
    """
    from facefleet.cli import rooms

    settings = read_settings(
        config,
        data=data,
        database_url=database_url,
        store_url=store_url,
        min_workers=min_workers,
        max_workers=max_workers,
        policy=policy,
        slo=slo,
        slo_percent=slo_percent,
        budget=budget,
        worker_price_per_hour=worker_price_per_hour,
        queue_url=queue_url,
        fleet_url=fleet_url,
        profile=profile,
        name=name,
        create=create,
        warm=warm,
    )
    _run(rooms.controller(settings))


def read_settings(config: Path | None, **given: Any) -> "Settings":
    """Return the settings, what was given on the command line first; logging follows them from then on."""
    from facefleet import telemetry
    from facefleet.config import load

    settings = load(config, **given)
    telemetry.configure(level=settings.log_level, json=settings.log_json)
    return settings


def _run(room: Coroutine[Any, Any, None]) -> None:
    """Run a room to its end; the first foreseeable error among its tasks is the one to tell."""
    try:
        asyncio.run(room)
    except* FacefleetError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        told = error
    else:
        return
    raise told


def _welcome(address: str, took_s: float) -> None:
    from rich.console import Console

    out = Console(highlight=False, soft_wrap=True)
    command = Path(sys.argv[0])
    name = "python -m facefleet" if command.name == "__main__.py" else command.name
    if name == command.name and shutil.which(name) is None:
        name = str(command)
    there = "" if address == "http://127.0.0.1:8000" else f" --url {address}"
    out.print(f"[bold green]facefleet is ready[/] at [bold]{address}[/] after {took_s:.1f} s. Ctrl-C stops it.\n")
    out.print("Try next, in another terminal:")
    steps = (
        (f"{name} enrol default PEOPLE/{there}", "a folder with a folder per person"),
        (f"{name} identify PHOTO.jpg{there}", "who is in it"),
        (f"curl -F myfile=@PHOTO.jpg {address}/", "the same, as plain text"),
        (f"open {address}/", "the page: drop a photo on it"),
        (f"open {address}/docs", "the HTTP interface"),
    )
    width = max(len(line) for line, _ in steps)
    for line, what in steps:
        out.print(f"  [cyan]{line:<{width}}[/]   {what}")
