"""Whose photos are where: a folder per person, one person's photos, or a CSV that says it.

A name in a folder is no proof of a photo, so files are chosen by their suffix and the rest is reported as skipped; a
photo that is named one by one, or in a CSV, is always sent and judged by the service.
"""

import csv
import os
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facefleet.cli.exits import Failure
from facefleet.core.names import has_place_in_url, is_printable

PHOTO_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".hif",
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedPhoto:
    """A photo and whom it shows."""

    file: Path
    person: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What is to be enrolled.

    Attributes:
        root: folder that file names are shown relative to.
        skipped: files and folders that were left out, with the reason.
    """

    root: Path
    photos: tuple[NamedPhoto, ...]
    skipped: tuple[tuple[Path, str], ...] = ()

    def shown(self, file: Path) -> str:
        """Return a file's name as the summary shows it."""
        return str(file.relative_to(self.root)) if file.is_relative_to(self.root) else str(file)


def read(path: Path, person: str | None) -> Source:
    """Find out what to enrol.

    Args:
        path: a folder with a folder per person; with `person` a photo, or a folder of photos of that person; or a CSV.

    Raises:
        Failure: there is nothing of the kind, it cannot be read, or a CSV is wrong (its line is named).
    """
    try:
        return _read(path, person)
    except OSError as error:
        raise Failure(f"{error.filename or path} cannot be read: {error.strerror}.") from error


def _read(path: Path, person: str | None) -> Source:
    if not path.exists():
        raise Failure(f"There is no file or folder {path}.")
    if path.is_dir():
        source = _people(path) if person is None else _one_person(path, _name(person, "--person"))
    elif path.suffix.lower() == ".csv":
        if person is not None:
            raise Failure(f"{path} says itself who is in each photo; leave out --person.")
        source = _csv(path)
    elif person is None:
        raise Failure(f"{path} is one photo; say who it shows with --person NAME.")
    else:
        source = Source(root=path.parent, photos=(NamedPhoto(file=path, person=_name(person, "--person")),))
    if not source.photos:
        raise Failure(f"{path} holds no photos to enrol; photos end in .jpg, .png, .webp, .heic and the like.")
    return source


def _people(root: Path) -> Source:
    photos: list[NamedPhoto] = []
    skipped: list[tuple[Path, str]] = []
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            mine = _one_person(entry, _name(entry.name, f"The folder {str(entry)!r}"))
            photos += mine.photos
            skipped += mine.skipped
        else:
            skipped.append((entry, "not in a person's folder"))
    if not photos and any(file.suffix.lower() in PHOTO_SUFFIXES for file, _ in skipped):
        raise Failure(
            f"{root} holds photos but no folder per person; put each person's photos into a folder with their name, "
            "or say whose they all are with --person NAME."
        )
    return Source(root=root, photos=tuple(photos), skipped=tuple(skipped))


def _one_person(root: Path, person: str) -> Source:
    photos: list[NamedPhoto] = []
    skipped: list[tuple[Path, str]] = []

    def pass_over(error: OSError) -> None:
        skipped.append((Path(error.filename), "not readable"))

    for name, folders, files in os.walk(root, onerror=pass_over):
        folder = Path(name)
        folders[:] = _shown(folders)
        skipped += [(folder / one, "a link") for one in folders if (folder / one).is_symlink()]
        for file in (folder / one for one in _shown(files)):
            if file.suffix.lower() not in PHOTO_SUFFIXES:
                skipped.append((file, "no photo by its name"))
            elif _may_never_end(file):
                skipped.append((file, "a pipe, socket or device"))
            else:
                photos.append(NamedPhoto(file=file, person=person))
    return Source(root=root, photos=tuple(photos), skipped=tuple(skipped))


def _may_never_end(file: Path) -> bool:
    try:
        return not stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return False  # read like a photo it is rejected, with the reason


def _shown(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _csv(path: Path) -> Source:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            if not {"file", "person"} <= set(rows.fieldnames or ()):
                raise Failure(f"{path} line 1: the first line names the columns, among them file and person.")
            photos = tuple(_row(path, rows.line_num, row) for row in rows)
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text; save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise Failure(f"{path} line {rows.reader.line_num}: {error}.") from error
    return Source(root=path.parent, photos=photos)


def _row(path: Path, line: int, row: dict[str, str | None]) -> NamedPhoto:
    name, person = (row["file"] or "").strip(), (row["person"] or "").strip()
    if not name or not person:
        raise Failure(f"{path} line {line}: the {'person' if name else 'file'} is missing.")
    file = path.parent / name
    if not file.is_file():
        raise Failure(f"{path} line {line}: there is no file {name!r} in the folder of the CSV.")
    return NamedPhoto(file=file, person=_name(person, f"{path} line {line}: the person"))


def _name(text: str, where: str) -> str:
    """Return a person's name in one spelling: macOS writes the same name in other code points (NFD) than keyboards."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name or not all(map(is_printable, name)):
        raise Failure(
            f"{where} is not a name: it is empty, or holds a line break, bidirectional formatting or bytes that are "
            "no text."
        )
    if not has_place_in_url(name):
        raise Failure(f"{where} is not a name: it is . or .., or has them or nothing beside a slash.")
    return name
