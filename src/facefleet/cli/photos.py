"""`facefleet identify`, `verify` and `detect`: photos in, names, a verdict or boxes out."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facefleet.cli import tables
from facefleet.cli.connection import connect
from facefleet.cli.drawing import Drawing
from facefleet.cli.examples import examples
from facefleet.cli.exits import ExitStatus, Failure, ends_the_run
from facefleet.cli.options import AsJson, AtOnce, Url, read_photo
from facefleet.errors import FacefleetError, InvalidImage, InvalidInput

if TYPE_CHECKING:
    from facefleet.cli.client import Client

commands = typer.Typer()

Photos = Annotated[list[Path], typer.Argument(metavar="PHOTO", help="One photo or several.")]
Threshold = Annotated[
    float | None,
    typer.Option(min=0, max=100, metavar="T", help="Similarity that makes it the same person; default: the service's."),
]
Draw = Annotated[
    Path | None,
    typer.Option("--draw", metavar="OUT", help="Write the photo with boxes; with several photos OUT is a folder."),
]
Row = tuple[str, ...]

_OTHERS = 2  # further candidates shown in a row of the table


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """What is asked about a photo, and how the answer is shown.

    Attributes:
        cells: from a face and its number, the cells of its row but the first, the photo's name.
        label: what to write beside a face's box, and whether it is good news.
    """

    path: str
    columns: Row
    cells: Callable[[int, dict[str, Any]], Row]
    label: Callable[[dict[str, Any]], tuple[str, bool]]


@commands.command(
    epilog=examples("""
        facefleet identify party.jpg
        facefleet identify party.jpg --draw named.jpg
        facefleet identify album/*.jpg --collection staff --threshold 80 --draw named/
        facefleet identify album/*.jpg --json | jq -r '[.photo, .faces[].person] | @tsv'

        A face that nobody in the collection resembles enough is called unknown. In a pipe the table is
        lines of cells parted by tabs; --json prints one document a line, a photo each, in order. Exit
        status: 0 all answered, 1 some photo refused (the reason is on stderr), 3 no service.
    """)
)
def identify(
    photos: Photos,
    *,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", metavar="C", help="Whom to look for; default: the service's.")
    ] = None,
    threshold: Threshold = None,
    draw: Draw = None,
    as_json: AsJson = False,
    jobs: AtOnce = 8,
    url: Url = None,
) -> None:
    """Say who is in each photo."""
    question = _Question(
        path="/v1/identify",
        columns=("photo", "face", "person", "similarity", "box", "others"),
        cells=_identity,
        label=_name_and_similarity,
    )
    _recognise(
        question,
        photos,
        draw=draw,
        as_json=as_json,
        jobs=jobs,
        url=url,
        collection=collection,
        threshold=threshold,
    )


@commands.command(
    epilog=examples("""
        facefleet detect party.jpg
        facefleet detect album/*.jpg --draw boxes/
        facefleet detect party.jpg --json | jq '.faces | length'
    """)
)
def detect(photos: Photos, *, draw: Draw = None, as_json: AsJson = False, jobs: AtOnce = 8, url: Url = None) -> None:
    """Find the faces in each photo."""
    question = _Question(
        path="/v1/detect",
        columns=("photo", "face", "box", "confidence", "sharpness", "brightness"),
        cells=_finding,
        label=lambda _: ("", True),
    )
    _recognise(question, photos, draw=draw, as_json=as_json, jobs=jobs, url=url)


@commands.command(
    epilog=examples("""
        facefleet verify passport.jpg selfie.jpg
        facefleet verify passport.jpg selfie.jpg --json | jq -e .same      # status 0 only if the same
        facefleet verify passport.jpg crowd.jpg --draw found.jpg           # paints the faces of crowd.jpg

        The largest face of SOURCE is compared with every face of TARGET. The exit status is 0 whether
        or not they are the same person.
    """)
)
def verify(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A photo of one person.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A photo to find that person in.")],
    *,
    threshold: Threshold = None,
    draw: Draw = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say whether two photos show the same person."""
    drawing = Drawing.plan(draw, [target], sources=[source])
    with connect(url) as client:
        photos = {"source": _read(source, read_photo), "target": _read(target, drawing.read)}
        answer = client.ask("/v1/verify", photos, threshold=threshold)
    if as_json:
        tables.print_json({"source_photo": str(source), "target_photo": str(target)} | answer)
    else:
        verdict = "the same person" if answer["same"] else "not the same person"
        typer.echo(f"{verdict}: similarity {answer['similarity']:.1f}, threshold {answer['threshold']:g}")
    try:
        drawing.write(target, answer["target"], lambda face: _match(face, answer["threshold"]))
    except InvalidInput as error:
        raise Failure(f"{target}: {error.detail}", ExitStatus.REFUSED) from error


def _match(face: dict[str, Any], threshold: float) -> tuple[str, bool]:
    return f"{face['similarity']:.1f}", face["similarity"] >= threshold


def _read(photo: Path, read: Callable[[Path], bytes]) -> bytes:
    try:
        return read(photo)
    except InvalidImage as error:
        raise Failure(f"{photo}: {error.detail}", ExitStatus.REFUSED) from error


def _recognise(
    question: _Question,
    photos: Sequence[Path],
    *,
    draw: Path | None,
    as_json: bool,
    jobs: int,
    url: str | None,
    **query: Any,
) -> None:
    """Ask about each photo; print what the service says and draw it.

    Raises:
        typer.Exit: a photo was refused.
    """
    drawing = Drawing.plan(draw, photos)
    rows: list[Row] = []
    refused = False
    try:
        with connect(url) as client:

            def ask(photo: Path) -> dict[str, Any]:
                answer: dict[str, Any] = client.ask(question.path, {"image": drawing.read(photo)}, **query)
                return answer

            for photo, answer in _answers(client, ask, photos, jobs):
                if isinstance(answer, FacefleetError):
                    refused = True
                    tables.complain(f"{photo}: {answer.detail}")
                    if as_json:
                        tables.print_json({"photo": str(photo), "error": answer.to_dict()})
                    continue
                if as_json:
                    tables.print_json({"photo": str(photo)} | answer)
                rows += _rows(photo, answer["faces"], question)
                try:
                    drawing.write(photo, answer["faces"], question.label)
                except InvalidInput as error:
                    refused = True
                    tables.complain(f"{photo}: {error.detail}")
    finally:
        if rows and not as_json:
            tables.print_table(question.columns, rows, long=("photo", "person", "others"))
    if refused:
        raise typer.Exit(ExitStatus.REFUSED)


def _answers(
    client: "Client", ask: Callable[[Path], dict[str, Any]], photos: Sequence[Path], jobs: int
) -> Generator[tuple[Path, dict[str, Any] | FacefleetError]]:
    """Yield each photo with its answer, or with why it was refused; raises only what concerns every photo."""

    def answer(photo: Path) -> dict[str, Any] | FacefleetError:
        try:
            return ask(photo)
        except FacefleetError as error:
            if ends_the_run(error):
                raise
            return error

    with closing(client.each(answer, photos, at_once=jobs)) as answers:
        yield from answers


def _rows(photo: Path, faces: Sequence[dict[str, Any]], question: _Question) -> list[Row]:
    if not faces:
        row = (str(photo), "0", "no face")
        return [row + ("",) * (len(question.columns) - len(row))]
    return [(str(photo), *question.cells(number, face)) for number, face in enumerate(faces, start=1)]


def _identity(number: int, face: dict[str, Any]) -> Row:
    named = [one for one in face["candidates"] if one["person"] is not None]
    chosen = next((one for one in named if one["person"] == face["person"]), None)
    others = [one for one in named if one is not chosen][:_OTHERS]
    return (
        str(number),
        face["person"] or "unknown",
        f"{chosen['similarity']:.1f}" if chosen else "",
        _box(face),
        ", ".join(f"{one['person']} {one['similarity']:.1f}" for one in others),
    )


def _finding(number: int, face: dict[str, Any]) -> Row:
    quality = face["quality"] or {}
    figures = (quality.get(name) for name in ("sharpness", "brightness"))
    return (
        str(number),
        _box(face),
        f"{face['confidence']:.3f}",
        *("" if figure is None else f"{figure:.0f}" for figure in figures),
    )


def _box(face: dict[str, Any]) -> str:
    box = face["box"]
    return f"{box['width']:.0f}x{box['height']:.0f}{box['left']:+.0f}{box['top']:+.0f}"


def _name_and_similarity(face: dict[str, Any]) -> tuple[str, bool]:
    for candidate in face["candidates"]:
        if candidate["person"] is not None and candidate["person"] == face["person"]:
            return f"{face['person']} {candidate['similarity']:.0f}", True
    return face["person"] or "unknown", False
