"""TIFF's directories of tags, of which EXIF is one, kept from costing more than a photo does.

Pillow makes a Python object of each number of a tag that it looks at, a fraction in 10 µs, and looks at the resolution
as soon as it opens a TIFF or a JPEG. A 15 MiB file whose resolution has two million fractions would hold up everybody
for half a minute.
"""

import struct
from collections.abc import Callable
from typing import Any

from PIL.TiffImagePlugin import STRIPOFFSETS, TILEOFFSETS, ImageFileDirectory_v2

from facefleet.errors import InvalidImage

# Pillow makes an object of each strip or tile, 2 µs a piece, as soon as it opens a TIFF.
_MAX_PARTS = 100_000
# A camera writes some hundred tags, and three fractions into one (GPS, EXIF 3.0).
_MAX_TAGS = 4096
_MAX_NUMBERS = 4 * _MAX_PARTS  # a strip's or tile's place has 2 to 8 bytes
_MAX_FRACTIONS = 1024

_BYTES = (1, 2, 7)  # types that Pillow hands over as they are (TIFF 6.0, section 2)
_FRACTIONS = (5, 10)


def check_directory(data: bytes) -> None:
    """Refuse a TIFF whose first directory is longer than that of any photo.

    Raises:
        InvalidImage: too many tags, strips or tiles.
        struct.error, ValueError, …: the header is damaged.
    """
    big_tiff = data[2:3] == b"\x2b"
    order = "<" if data.startswith(b"II") else ">"
    count, entry = (f"{order}Q", f"{order}HHQQ") if big_tiff else (f"{order}H", f"{order}HHII")
    at = ImageFileDirectory_v2(data[: 16 if big_tiff else 8]).next
    (tags,) = struct.unpack_from(count, data, at)
    if tags > _MAX_TAGS:
        raise InvalidImage(f"This TIFF has {tags:,} tags, more than {_MAX_TAGS:,}; save it anew without them.")
    at += struct.calcsize(count)
    entries = struct.iter_unpack(entry, data[at : at + tags * struct.calcsize(entry)])
    parts = max((numbers for tag, _, numbers, _ in entries if tag in (STRIPOFFSETS, TILEOFFSETS)), default=0)
    if parts > _MAX_PARTS:
        raise InvalidImage(
            f"This TIFF is in {parts:,} parts, more than {_MAX_PARTS:,}; save it anew with larger strips."
        )


def _bounded(load: Callable[..., Any], max_bytes: int) -> Callable[..., Any]:
    def bounded(directory: ImageFileDirectory_v2, data: bytes, legacy_api: bool = True) -> Any:
        if len(data) > max_bytes:
            raise ValueError("a tag has more numbers than any photo's")
        return load(directory, data, legacy_api)

    return bounded


_loaders = ImageFileDirectory_v2._load_dispatch  # noqa: SLF001 Pillow has no other place for a limit
for _kind, (_size, _load) in _loaders.items():
    if _kind not in _BYTES:
        _most = _MAX_FRACTIONS if _kind in _FRACTIONS else _MAX_NUMBERS
        _loaders[_kind] = _size, _bounded(_load, _size * _most)
