"""The list of pairs to evaluate: a CSV with the columns `same,a,b`.

`same` is 1 where both photos show the same person and 0 where not; `a` and `b` are photos, relative to a folder. Whose
photo it is the folder it lies in says: `Ada Lovelace/1.jpg`.
"""

import csv
from dataclasses import dataclass
from pathlib import Path, PurePath

from facefleet.errors import InvalidInput

COLUMNS = ("same", "a", "b")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, relative to the folder of photos."""

    same: bool
    a: str
    b: str


def person_of(photo: str) -> str:
    """Return the folder that a photo lies in."""
    return str(PurePath(photo).parent)


def read_pairs(file: Path, photos: Path) -> list[Pair]:
    """Read and check a list of pairs.

    Raises:
        InvalidInput: the sentence names the file and line, what is there and what should be.
    """
    if not photos.is_dir():
        raise InvalidInput(f"There is no folder {photos}; give the one that the photos in {file.name} are relative to.")
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                found = ",".join(reader.fieldnames or ()) or "nothing"
                raise InvalidInput(f"{file}, line 1: the columns should be {','.join(COLUMNS)}, but there is {found}.")
            pairs = [_pair(row, photos, f"{file}, line {reader.line_num}") for row in reader]
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {file}; give a CSV with the columns {','.join(COLUMNS)}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{file} cannot be read as a CSV in UTF-8: {error}.") from error
    for same, missing in ((True, "the same person"), (False, "different people")):
        if not any(pair.same is same for pair in pairs):
            raise InvalidInput(f"{file} lists no pair of {missing}; error rates need pairs of both kinds.")
    return pairs


def _pair(row: dict[str | None, str | None], photos: Path, where: str) -> Pair:
    if None in row or None in row.values():
        raise InvalidInput(f"{where}: there should be three columns, {','.join(COLUMNS)}.")
    same, a, b = (str(row[column]).strip() for column in COLUMNS)
    if same not in ("0", "1"):
        raise InvalidInput(f"{where}: same should be 1 or 0, but is {same!r}.")
    for photo in (a, b):
        if not (photos / photo).is_file():
            raise InvalidInput(f"{where}: there is no photo {photo!r} in {photos}.")
    return Pair(same == "1", a, b)
