"""`--draw`: where the painted photos go, settled before anything is sent, and writing them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facefleet.cli import tables
from facefleet.cli.exits import Failure
from facefleet.cli.options import read_photo

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Drawing:
    """The file that each photo is painted to; empty without `--draw`."""

    outputs: Mapping[Path, Path] = field(default_factory=dict)
    _piped: dict[Path, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def plan(cls, out: Path | None, photos: Sequence[Path], *, sources: Sequence[Path] = ()) -> "Drawing":
        """Choose the files.

        Args:
            out: a file for one photo, a folder (made if need be) for several.
            sources: other photos that must not be overwritten.

        Raises:
            Failure: `out` is of a kind that is not written, cannot be reached, or would overwrite a photo.
        """
        if out is None:
            return cls()
        try:
            return cls._plan(out, photos, sources)
        except OSError as error:
            raise Failure(f"--draw {out} cannot be written: {error.strerror}.") from error

    @classmethod
    def _plan(cls, out: Path, photos: Sequence[Path], sources: Sequence[Path]) -> "Drawing":
        if len(photos) > 1 or out.is_dir():
            outputs = _in_folder(out, photos)
        elif out.suffix.lower() in _SUFFIXES:
            outputs = {photos[0]: out}
        else:
            raise Failure(f"--draw {out}: pictures are written as {', '.join(_SUFFIXES)}; give the file such a name.")
        originals = {_inode(photo) for photo in (*photos, *sources)}
        for painted in outputs.values():
            if painted.exists() and _inode(painted) in originals:
                raise Failure(f"--draw {out} would overwrite the photo {painted}; name another file or folder.")
        return cls(outputs)

    def read(self, photo: Path) -> bytes:
        """Return a photo's bytes; those of a pipe, which is read once, are kept until they are painted.

        Raises:
            InvalidImage: as `read_photo` does.
        """
        data = read_photo(photo)
        if photo in self.outputs and not photo.is_file():
            self._piped[photo] = data
        return data

    def write(self, photo: Path, faces: Sequence[Mapping[str, Any]], label: Callable[[Any], tuple[str, bool]]) -> None:
        """Paint the faces of one photo.

        Args:
            faces: as in the service's answer, largest first.
            label: from a face, what to write beside its box, and whether to paint it as good news.

        Raises:
            Failure: the file cannot be written.
            InvalidInput: the picture cannot be, in its format.
        """
        if photo not in self.outputs:
            return
        from facefleet.cli.painting import picture

        out = self.outputs[photo]
        labels = [label(face) for face in faces]
        original = self._piped.pop(photo, None) or read_photo(photo)
        data = picture(original, [face["box"] for face in faces], labels, out.suffix)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(data)
        except OSError as error:
            raise Failure(f"{out} cannot be written: {error.strerror}.") from error
        tables.say(f"Wrote {out}.")


def _inode(file: Path) -> tuple[int, int] | None:
    """Return what is the same for all names of a file, None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _in_folder(folder: Path, photos: Sequence[Path]) -> dict[Path, Path]:
    if folder.exists() and not folder.is_dir():
        raise Failure(f"--draw {folder} is a file, and there are several photos; name a folder.")
    outputs: dict[Path, Path] = {}
    taken: set[str] = set()
    numbers: Counter[str] = Counter()  # the last one given, by stem: a thousand people each have a 1.jpg
    for photo in photos:
        name = f"{photo.stem}.jpg"
        while name in taken:
            numbers[photo.stem] += 1
            name = f"{photo.stem}-{numbers[photo.stem] + 1}.jpg"
        taken.add(name)
        outputs[photo] = folder / name
    return outputs
