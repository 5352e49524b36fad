"""Options that several commands share, and reading the photos they name."""

from pathlib import Path
from typing import Annotated

import typer

from facefleet.errors import InvalidImage

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Where the service is; default FACEFLEET_URL, or where the settings let it listen.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
AtOnce = Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, max=64, help="Photos on the way at once.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")]


def read_photo(file: Path) -> bytes:
    """Return a photo's bytes.

    Raises:
        InvalidImage: the file is not there or cannot be read.
    """
    try:
        return file.read_bytes()
    except IsADirectoryError as error:
        raise InvalidImage("This is a folder; name the photos in it.") from error
    except OSError as error:
        raise InvalidImage(f"The file cannot be read: {error.strerror}.") from error
