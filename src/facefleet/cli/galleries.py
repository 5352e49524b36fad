"""`facefleet collections` and `facefleet persons`: what is enrolled, and deleting it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from facefleet.cli import tables
from facefleet.cli.connection import api, connect
from facefleet.cli.examples import examples
from facefleet.cli.exits import ExitStatus, Failure
from facefleet.cli.options import AsJson, Url, Yes

commands = typer.Typer()


@commands.command(
    epilog=examples("""
        facefleet collections                       # all of them
        facefleet collections staff                 # one
        facefleet collections staff --delete        # asks first
        facefleet collections staff --delete --yes
    """)
)
def collections(
    collection: Annotated[str | None, typer.Argument(metavar="COLLECTION", help="Show this one alone.")] = None,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it with all its faces and persons.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List collections, show one, or delete one."""
    if delete and collection is None:
        raise Failure("Say which collection to delete: facefleet collections COLLECTION --delete.")
    with connect(url) as client:
        if collection is None:
            found = list(client.items("/v1/collections"))
        else:
            found = [client.get(api("collections", collection))]
        if delete and collection is not None:
            faces = tables.counted(found[0]["faces"], "face")
            persons = tables.counted(found[0]["persons"], "person", "persons")
            _ask(f"Delete the collection {collection} with {faces} of {persons}, for good?", yes=yes)
            client.delete(api("collections", collection))
            tables.say(f"Deleted the collection {collection}.")
            return
    if as_json:
        tables.print_json(found if collection is None else found[0])
        return
    _print(found, ("collection_id", "persons", "faces", "model_id", "created"))


@commands.command(
    epilog=examples("""
        facefleet persons staff
        facefleet persons staff --json | jq -r '.[].person'
        facefleet persons staff --delete "Ada Lovelace"      # asks first
    """)
)
def persons(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Whose persons.")],
    *,
    delete: Annotated[
        str | None, typer.Option("--delete", metavar="NAME", help="Delete this person with all their faces.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the persons of a collection, or delete one."""
    with connect(url) as client:
        if delete is not None:
            _ask(f"Delete {delete} with all their faces from the collection {collection}, for good?", yes=yes)
            gone = client.delete(api("collections", collection, "persons", delete))
            faces = "" if gone is None else f" with {tables.counted(gone['deleted'], 'face')}"
            tables.say(f"Deleted {delete}{faces}.")
            return
        found = list(client.items(api("collections", collection, "persons")))
    if as_json:
        tables.print_json(found)
        return
    _print(found, ("person", "faces", "created"))


def _print(found: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    rows = [{**one, "created": datetime.fromisoformat(one["created"]).isoformat(timespec="seconds")} for one in found]
    tables.print_table(columns, [[str(row[column]) for column in columns] for row in rows], long=columns[:1])


def _ask(question: str, *, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        raise Failure("Nothing was deleted.", ExitStatus.REFUSED)
