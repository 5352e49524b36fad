"""Which files count as photos, and how large they are by their own header.

Only the formats listed here are ever opened: Pillow would otherwise try some fifty plugins on a stranger's bytes, and
one of them runs Ghostscript. A file is known by its first bytes, never by its name. Headers are cheap to read and are
judged before anything is allocated, so a decompression bomb costs nothing.
"""

import io
import logging
import struct
import warnings
import zlib
from dataclasses import dataclass

import pillow_heif
from PIL import (  # imported for their entries in Image.OPEN; asking for a missing one imports all fifty
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from facefleet.errors import ImageTooLarge, InvalidImage
from facefleet.vision.tiff import check_directory
from facefleet.vision.webp import stored_size

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"

# Everything that Pillow's plugins and the C libraries below them are known to raise on damaged files.
DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# A 15 MiB file of empty chunks would keep Pillow's chunk loops busy for ten seconds; a PNG of that size in ordinary
# 8 KiB chunks takes about 6,000 reads.
_MAX_READS = 50_000

# One is what cameras write into a JPEG. Pillow joins them, copying what it has each time: 24,000 take 15 s. They are
# counted as it reads them; to look for them in all bytes of a photo takes longer than to open it.
_MAX_EXIF_PIECES = 100

_KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")

# A worker has one inference thread; decoders that start their own would take the neighbours' cores.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)

# What is wrong with a photo goes into the error that its sender gets, not to the log of the service.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageInfo:
    """What a photo's header says.

    Attributes:
        format: one of JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIF.
        width, height: pixels as stored, before EXIF orientation; both at least 1.
    """

    format: str
    width: int
    height: int


class _BoundedReads(io.BytesIO):
    """A file in memory that can be read so many times and no more, pieces of EXIF fewer times."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = _MAX_READS
        self._exif_pieces_left = _MAX_EXIF_PIECES

    def read(self, size: int | None = -1) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise OSError("split into too many parts")
        found = super().read(size)
        if found.startswith(b"Exif\0\0"):
            self._exif_pieces_left -= 1
            if self._exif_pieces_left < 0:
                raise InvalidImage(
                    f"This photo has its EXIF in more than {_MAX_EXIF_PIECES} pieces; save it anew without it."
                )
        return found


def sniff(data: bytes) -> ImageInfo:
    """Say what kind of photo this is and how large, from its header alone.

    Raises:
        InvalidImage: the bytes are empty, of another kind, or their header is damaged or says 0 pixels.
        ImageTooLarge: it says so many pixels that no setting would allow them.
    """
    kind = _kind(data)
    width, height = _webp_size(data) if kind == "WEBP" else _open(data, kind).size
    _check_not_empty(width, height)
    return ImageInfo(format=kind, width=width, height=height)


def open_photo(data: bytes, *, max_pixels: int) -> tuple[ImageInfo, Image.Image]:
    """Return what `sniff` does, and the photo opened but not decoded.

    Raises:
        InvalidImage, ImageTooLarge: as `sniff`; also more than `max_pixels`.
    """
    kind = _kind(data)
    if kind == "WEBP":  # Pillow allocates two canvases on opening
        check_size(*_webp_size(data), max_pixels=max_pixels)
    image = _open(data, kind)
    check_size(*image.size, max_pixels=max_pixels)
    return ImageInfo(format=kind, width=image.width, height=image.height), image


def check_size(width: int, height: int, *, max_pixels: int) -> None:
    """Refuse a photo without pixels or with too many.

    Raises:
        InvalidImage: a side is 0.
        ImageTooLarge: the area exceeds `max_pixels`.
    """
    _check_not_empty(width, height)
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The photo has {width} x {height} pixels, {width * height:,} in all; send one with at most {max_pixels:,}."
        )


def _check_not_empty(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InvalidImage(f"The photo is {width} x {height} pixels; send one with at least one pixel each way.")


def _kind(data: bytes) -> str:
    if not data:
        raise InvalidImage(f"The file is empty; send a photo as {READABLE}.")
    for kind in _KINDS:
        accepts = Image.OPEN[kind][1]
        if accepts is not None and accepts(data[:16]) is True and (kind != "AVIF" or _is_avif(data)):
            return kind
    raise InvalidImage(f"This is not a photo that can be read; send one as {READABLE}.")


def _is_avif(data: bytes) -> bool:
    """Tell AVIF from a HEIC that begins with the brand they share, `mif1` (ISO/IEC 14496-12, 4.3)."""
    brands = data[8 : int.from_bytes(data[:4], "big")]
    return b"avif" in brands or b"avis" in brands


def _open(data: bytes, kind: str) -> Image.Image:
    try:
        if kind == "TIFF":
            check_directory(data)
        return Image.open(_BoundedReads(data), formats=(kind,))
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"The header of this {kind} promises more pixels than any photo has.") from error
    except DAMAGED as error:
        raise _unreadable_header(kind) from error


def _webp_size(data: bytes) -> tuple[int, int]:
    size = stored_size(data)
    if size is None:
        raise _unreadable_header("WEBP")
    return size


def _unreadable_header(kind: str) -> InvalidImage:
    return InvalidImage(
        f"This file begins like {kind} but is incomplete, damaged or of a rare kind; export the photo anew and send "
        "all of it."
    )
