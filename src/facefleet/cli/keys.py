"""`facefleet keys`: who may call the Rekognition interface.

Keys lie in the service's database, their secrets encrypted with its key file, so these commands run where the service
runs, beside it.
"""

import asyncio
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from facefleet.cli import tables
from facefleet.cli.examples import examples
from facefleet.cli.options import AsJson
from facefleet.cli.serve import Config, Data, Database, read_settings
from facefleet.core.keys import AccessKey, Scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from facefleet.ports import Keys, Vault

T = TypeVar("T")

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke access keys of the Rekognition interface.")
commands = typer.Typer()
commands.add_typer(keys, name="keys")


@keys.command(
    epilog=examples("""
        facefleet keys create --scope read                       # detect, compare, search, list
        facefleet keys create --scope enrol --collection staff   # and enrol, in this collection alone
        facefleet keys create --scope admin --json
    """)
)
def create(
    *,
    scope: Annotated[Scope, typer.Option(help="What it is for; each includes those before it.")],
    collection: Annotated[
        list[str] | None, typer.Option(metavar="COLLECTION", help="Only for this one; may be given several times.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
    database_url: Database = None,
    config: Config = None,
) -> None:
    """Make an access key and print it with its secret, which is shown this once."""
    from facefleet.usecases.access_keys import make_key

    async def make(store: "Keys", vault: "Vault") -> tuple[AccessKey, str]:
        return await make_key(
            store, vault, scope=scope, collections=collection or (), random=secrets.token_bytes, now_s=time.time()
        )

    key, secret = _with_keys(make, config, data, database_url)
    if as_json:
        tables.print_json({"access_key_id": key.access_key_id, "secret_access_key": secret})
        return
    tables.say("The secret is shown this once. For an AWS SDK or the AWS CLI:")
    typer.echo(f"export AWS_ACCESS_KEY_ID={key.access_key_id}")
    typer.echo(f"export AWS_SECRET_ACCESS_KEY={secret}")


@keys.command("list")
def list_keys(
    *, as_json: AsJson = False, data: Data = None, database_url: Database = None, config: Config = None
) -> None:
    """List the access keys; their secrets are not shown."""

    async def read(store: "Keys", _: "Vault") -> list[AccessKey]:
        return list(await store.keys())

    found = [_shown(key) for key in _with_keys(read, config, data, database_url)]
    if as_json:
        tables.print_json(found)
        return
    columns = ("access_key_id", "scope", "collections", "created")
    rows = [[key["access_key_id"], key["scope"], _named(key["collections"]), key["created"]] for key in found]
    tables.print_table(columns, [[str(cell) for cell in row] for row in rows], long=("collections",))


@keys.command()
def revoke(
    access_key_id: Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID", help="Which key.")],
    *,
    data: Data = None,
    database_url: Database = None,
    config: Config = None,
) -> None:
    """Delete an access key; requests signed with it are refused from now on."""

    async def delete(store: "Keys", _: "Vault") -> None:
        await store.revoke(access_key_id)

    _with_keys(delete, config, data, database_url)
    tables.say(f"Revoked {access_key_id}.")


def _with_keys(
    work: "Callable[[Keys, Vault], Awaitable[T]]", config: Path | None, data: Path | None, database_url: str | None
) -> T:
    from facefleet import wiring

    settings = read_settings(config, data=data, database_url=database_url)

    async def run() -> T:
        complete = wiring.running_database(settings)
        async with wiring.ports(complete) as ports:
            return await work(ports.keys, wiring.vault(complete))

    return asyncio.run(run())


def _shown(key: AccessKey) -> dict[str, str | list[str] | None]:
    only = key.grant.collections
    return {
        "access_key_id": key.access_key_id,
        "scope": key.grant.scope.value,
        "collections": None if only is None else sorted(only),
        "created": datetime.fromtimestamp(key.created_s, UTC).isoformat(timespec="seconds"),
    }


def _named(collections: str | list[str] | None) -> str:
    return "all" if collections is None else " ".join(collections)
