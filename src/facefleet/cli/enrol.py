"""`facefleet enrol`: many people's photos into a collection, several at once."""

import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facefleet.cli import sources, tables
from facefleet.cli.connection import api, connect
from facefleet.cli.examples import examples
from facefleet.cli.exits import ExitStatus, Failure, ends_the_run
from facefleet.cli.options import AsJson, AtOnce, Url, read_photo
from facefleet.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FacefleetError,
    FaceTooSmall,
    InvalidImage,
    NoFace,
    SeveralFaces,
    Unavailable,
)

if TYPE_CHECKING:
    from facefleet.cli.client import Client

commands = typer.Typer()

_REASONS: dict[type[FacefleetError], str] = {
    NoFace: "no face",
    SeveralFaces: "several faces",
    FaceTooSmall: "too small",
    InvalidImage: "unreadable",
    DeadlineExceeded: "no answer",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A photo that was not enrolled, and why."""

    photo: sources.NamedPhoto
    error: FacefleetError

    @property
    def reason(self) -> str:
        """The reason in a word or two."""
        return next((_REASONS[kind] for kind in type(self.error).__mro__ if kind in _REASONS), "refused")


@dataclass(slots=True)
class Tally:
    """What has become of the photos so far; filled from several threads."""

    total: int
    enrolled: int = 0
    already: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def done(self) -> int:
        """Photos that have their answer."""
        return self.enrolled + self.already + len(self.rejected)


@commands.command(
    epilog=examples("""
        facefleet enrol default PEOPLE/            # PEOPLE/Ada Lovelace/1.jpg, PEOPLE/Alan Turing/me.heic …
        facefleet enrol default ada.jpg --person "Ada Lovelace"
        facefleet enrol staff badges.csv           # first line: file,person; files relative to the CSV
        facefleet enrol staff PEOPLE/ --json | jq '.rejected[].file'

        A photo that is enrolled already is not enrolled again: repeat the command after Ctrl-C, or
        after adding photos. Exit status: 0 all enrolled, 1 some photo rejected, 2 nothing to enrol,
        3 no service, 130 stopped by Ctrl-C.
    """)
)
def enrol(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection; made if there is none.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder per person, one photo, or a CSV.")],
    *,
    person: Annotated[str | None, typer.Option(metavar="NAME", help="Who is in the photo, or in all of PATH.")] = None,
    jobs: AtOnce = 8,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Add people's photos to a collection, one face a photo."""
    source = sources.read(path, person)
    with connect(url) as client:
        created = _create(client, collection)
        if created:
            tables.say(f"Made the collection {collection}.")
        tally = Tally(total=len(source.photos))
        began_s = time.monotonic()
        stopped = _enrol_all(client, collection, source, tally, jobs)
    took_s = time.monotonic() - began_s
    tally.rejected.sort(key=lambda rejected: rejected.photo.file)
    if as_json:
        tables.print_json(_document(collection, source, tally, took_s, created=created))
    else:
        _print_summary(collection, source, tally, took_s)
    if stopped is not None:
        rest = tables.counted(tally.total - tally.done, "photo")
        raise Failure(f"{stopped[0]} {rest} left; run the same command again to go on.", stopped[1])
    if tally.rejected:
        raise typer.Exit(ExitStatus.REFUSED)


def _create(client: "Client", collection: str) -> bool:
    """Make the collection unless it exists; return whether it is new."""
    try:
        client.request("POST", "/v1/collections", body={"collection_id": collection})
    except AlreadyExists:
        return False
    return True


def _enrol_all(
    client: "Client", collection: str, source: sources.Source, tally: Tally, jobs: int
) -> tuple[str, ExitStatus] | None:
    """Send every photo; return why it ended early, or None."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("enrol", total=tally.total, rate="")
        began_s = time.monotonic()

        def send(photo: sources.NamedPhoto) -> None:
            _enrol_one(client, collection, photo, tally)
            rate = tally.done / (time.monotonic() - began_s)
            progress.update(bar, completed=tally.done, rate=f"{rate:.1f} photos/s")

        try:
            with closing(client.each(send, source.photos, at_once=jobs)) as sent:
                for _ in sent:
                    pass
        except KeyboardInterrupt:
            return "Stopped.", ExitStatus.INTERRUPTED
        except Unavailable as error:
            return error.detail, ExitStatus.UNAVAILABLE
    return None


def _enrol_one(client: "Client", collection: str, photo: sources.NamedPhoto, tally: Tally) -> None:
    try:
        answer = client.ask(
            api("collections", collection, "faces"),
            {"image": read_photo(photo.file)},
            person=photo.person,
            lane="bulk",
        )
    except FacefleetError as error:
        if ends_the_run(error):
            raise
        with tally.lock:
            tally.rejected.append(Rejected(photo=photo, error=error))
        return
    with tally.lock:
        if any(face["new"] for face in answer["faces"]):
            tally.enrolled += 1
        else:
            tally.already += 1


def _print_summary(collection: str, source: sources.Source, tally: Tally, took_s: float) -> None:
    people = len({photo.person for photo in source.photos})
    typer.echo(
        f"{collection}: {tally.enrolled} enrolled, {tally.already} already enrolled, {len(tally.rejected)} rejected; "
        f"{tally.done} of {tables.counted(tally.total, 'photo')} of {tables.counted(people, 'person', 'persons')} "
        f"in {took_s:.1f} s ({tally.done / took_s:.1f} photos/s)."
    )
    for (reason, kind), count in sorted(_skipped(source).items()):
        typer.echo(f"Skipped {tables.counted(count, kind)}: {reason}.")
    if tally.rejected:
        typer.echo()
        tables.print_table(
            ("rejected", "why", "what to do"),
            [
                (source.shown(rejected.photo.file), rejected.reason, rejected.error.detail)
                for rejected in tally.rejected
            ],
            long=("rejected", "what to do"),
        )


def _skipped(source: sources.Source) -> Counter[tuple[str, str]]:
    return Counter((reason, _kind(file)) for file, reason in source.skipped)


def _kind(file: Path) -> str:
    with suppress(OSError):  # of a closed folder the names may be known, and no more
        if file.is_dir():
            return "folder"
    return f"{file.suffix.lower() or 'nameless'} file"


def _document(collection: str, source: sources.Source, tally: Tally, took_s: float, *, created: bool) -> dict[str, Any]:
    return {
        "collection": collection,
        "created": created,
        "photos": tally.total,
        "enrolled": tally.enrolled,
        "already_enrolled": tally.already,
        "rejected": [
            {
                "file": str(rejected.photo.file),
                "person": rejected.photo.person,
                "reason": rejected.reason,
                **rejected.error.to_dict(),
            }
            for rejected in tally.rejected
        ],
        "skipped": [{"file": str(file), "reason": reason} for file, reason in source.skipped],
        "took_s": round(took_s, 3),
    }
