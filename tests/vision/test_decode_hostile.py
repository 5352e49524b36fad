"""Files made to crash, hang or fill the memory of whoever opens them get a clear answer instead."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefleet.errors import ImageTooLarge, InvalidImage
from facefleet.vision.decode import decode, sniff

PLENTY = 50_000_000
NASTY = Path("../shared/faces/nasty")
GIBIBYTE_KB = 1 << 20

# Prints a line for each file it begins, so that a crash names its file, and at the end the peak resident memory.
READ_ALL = """
import signal, sys
from facefleet.errors import InvalidImage
from facefleet.vision.decode import decode, sniff

for path in sys.argv[2:]:
    print(path, end=" ", flush=True)
    with open(path, "rb") as file:
        data = file.read()
    signal.alarm(int(sys.argv[1]))  # kills the process in the middle of C code too
    for read in (sniff, lambda data: decode(data, max_pixels=50_000_000)):
        try:
            answer = read(data)
            shape = getattr(answer, "shape", None)
        except InvalidImage as error:
            shape = error.detail
    signal.alarm(0)
    print("|", shape)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def read_all(paths, *, each_s: int = 5) -> tuple[list[str], int]:
    """Decode files in a process of their own; return what it printed of each, and its peak memory in KiB."""
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", READ_ALL, str(each_s), *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"died at {run.stdout.splitlines()[-1]}: {run.stderr}"
    assert run.stderr == ""
    *lines, peak_kb = run.stdout.splitlines()
    assert len(lines) == len(paths)
    return lines, int(peak_kb)


def test_every_nasty_file_gets_an_answer():
    """No crash, no hang over 5 s, under 1 GiB, nothing on stderr: a picture, or a sentence that says what to send."""
    if not NASTY.is_dir():
        pytest.skip(f"needs the photos of {NASTY}")
    paths = sorted(path for path in NASTY.rglob("*") if path.is_file())
    assert len(paths) == 376
    lines, peak_kb = read_all(paths)
    answers = [line.split(" | ")[1] for line in lines]
    assert all(answer.endswith((", 3)", ".")) for answer in answers)
    assert sum(answer.endswith(", 3)") for answer in answers) >= 100  # most of the odd ones are proper pictures
    assert peak_kb < GIBIBYTE_KB


def big(kind: str, mode: str, **options) -> bytes:
    image = Image.new(mode, (10_000, 5_000))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the peak memory from /proc")  # noqa: PTH110
def test_fifty_megapixels_fit_into_a_gibibyte_in_every_format(tmp_path):
    """The largest photo that is allowed costs a worker less than 1 GiB, in the costliest variant of each format."""
    largest = {
        "progressive.jpg": big("JPEG", "RGB", progressive=True, subsampling=0),
        "cmyk.jpg": big("JPEG", "CMYK", progressive=True),
        "alpha.png": big("PNG", "RGBA"),
        "alpha.webp": big("WEBP", "RGBA", method=0),
        "alpha.tiff": big("TIFF", "RGBA", compression="tiff_lzw"),
        "alpha.avif": big("AVIF", "RGBA", speed=10),
    }
    for name, data in largest.items():
        (tmp_path / name).write_bytes(data)
    lines, peak_kb = read_all(sorted(tmp_path.iterdir()), each_s=60)
    assert all(line.endswith("(5000, 10000, 3)") for line in lines)
    assert peak_kb < GIBIBYTE_KB


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *more: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + body + png_chunk(b"IEND", b"")


def webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size


def bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


@pytest.mark.parametrize("bomb", [png(60_000, 60_000), webp(16_383, 16_383), bmp(60_000, 60_000)])
def test_a_decompression_bomb_is_refused_by_its_header(bomb):
    """A few bytes that promise gigabytes are not believed."""
    with pytest.raises(ImageTooLarge):
        decode(bomb, max_pixels=PLENTY)


def test_sniffing_a_bomb_opens_nothing():
    """The web tier may sniff a bomb: it learns the size, or that no setting would allow it."""
    assert sniff(webp(16_383, 16_383)).width == 16_383
    with pytest.raises(ImageTooLarge):
        sniff(png(60_000, 60_000))


@pytest.mark.parametrize("empty", [png(0, 5), bmp(0, 5), bmp(5, 0)])
def test_a_photo_without_pixels_is_refused(empty):
    """0 x 0 never reaches the engine."""
    with pytest.raises(InvalidImage):
        decode(empty, max_pixels=PLENTY)


def test_text_that_inflates_beyond_measure_is_refused():
    """A compressed comment of 1 GB is not read."""
    comment = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 24)))
    with pytest.raises(InvalidImage):
        decode(png(10, 10, comment), max_pixels=PLENTY)


@pytest.mark.parametrize(
    "data",
    [
        png(10, 10, png_chunk(b"tEXt", b"a\0b") * 200_000),
        b"\xff\xd8" + b"\xff\xfe\x00\x02" * 500_000,
        b"GIF89a\x0a\0\x0a\0\0\0\0" + b"!\xfe\x01a\0" * 500_000,
    ],
    ids=["png", "jpeg", "gif"],
)
def test_a_file_of_endless_small_parts_is_refused(data):
    """Headers are read part by part in Python: millions of empty ones must not keep a web node busy."""
    with pytest.raises(InvalidImage):
        sniff(data)


def test_a_tiff_of_endless_tiles_is_refused():
    """A picture cut into a million tiles of one pixel is not laid out tile by tile."""

    def tag(number, kind, count, value):
        return struct.pack("<HHII", number, kind, count, value)

    tiles = 1_000_000
    size = [tag(256, 4, 1, 1000), tag(257, 4, 1, 1000), tag(258, 3, 1, 8), tag(259, 3, 1, 1), tag(262, 3, 1, 1)]
    layout = [tag(322, 4, 1, 1), tag(323, 4, 1, 1), tag(324, 4, tiles, 8 + 2 + 9 * 12 + 4), tag(325, 3, 1, 1)]
    data = struct.pack("<2sHIH", b"II", 42, 8, 9) + b"".join(size + layout) + bytes(4) + struct.pack("<I", 8) * tiles
    with pytest.raises(InvalidImage, match="1,000,000 parts, more than 100,000; save"):
        sniff(data)


def fractions(size: int) -> bytes:
    """A TIFF of 8 x 8 pixels, which is EXIF too, whose resolution is all the fractions there is room for."""
    pixels = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 200)]
    layout = [(277, 3, 1, 1), (278, 4, 1, 8), (279, 4, 1, 64), (282, 5, (size - 200) // 8, 200), (296, 3, 1, 2)]
    tags = [struct.pack("<HHII", *tag) for tag in pixels + layout]
    return (struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + b"".join(tags)).ljust(size, b"a")


def test_a_resolution_of_a_million_fractions_is_not_read(tmp_path):
    """Not of a TIFF, nor of a JPEG in pieces that Pillow joins: each would hold up a web node for half a minute."""
    image = io.BytesIO()
    Image.new("RGB", (64, 64)).save(image, "JPEG")
    exif = fractions(6 << 20)
    pieces = [b"Exif\0\0" + exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    segments = b"".join(struct.pack(">HH", 0xFFE1, len(piece) + 2) + piece for piece in pieces)
    (tmp_path / "fractions.jpeg").write_bytes(b"\xff\xd8" + segments + image.getvalue()[20:])
    (tmp_path / "fractions.tiff").write_bytes(fractions(8 << 20))
    lines, _ = read_all([tmp_path / "fractions.jpeg", tmp_path / "fractions.tiff"])
    assert "(64, 64, 3)" in lines[0]  # broken metadata is forgiven
    assert "This file begins like TIFF but is" in lines[1]


def test_a_jpeg_with_its_exif_in_endless_pieces_is_refused():
    """Joining them one by one would hold up a web node for 15 s."""
    piece = struct.pack(">HH", 0xFFE1, 608) + b"Exif\0\0".ljust(606, b"a")
    with pytest.raises(InvalidImage, match="EXIF in more than 100 pieces; save"):
        sniff(b"\xff\xd8" + piece * 20_000)


def test_what_comes_behind_a_photo_with_exif_of_its_own_is_not_looked_at():
    """That would take the web tier, which opens a photo in 0.1 ms, milliseconds more for each."""
    image = io.BytesIO()
    Image.new("RGB", (64, 64)).save(image, "JPEG", exif=b"Exif\0\0")
    assert sniff(image.getvalue() * 200).format == "JPEG"


def test_a_tiff_of_endless_tags_is_refused():
    """Each is a warning of Pillow's, 40 µs: a megabyte of them would hold up a web node for two seconds."""
    tags = 50_000
    entries = b"".join(struct.pack("<HHII", 1000 + tag % 60_000, 1, 1_000_000, 16) for tag in range(tags))
    with pytest.raises(InvalidImage, match="50,000 tags, more than 4,096; save"):
        sniff(struct.pack("<2sHIH", b"II", 42, 8, tags) + entries + bytes(1 << 20))


def test_tags_that_share_their_bytes_do_not_multiply(tmp_path):
    """A block of EXIF whose every tag points at the same megabytes is not copied once a tag."""
    tags, shared_bytes = 500, 4 << 20
    entries = b"".join(struct.pack("<HHII", 0x9000 + tag, 7, shared_bytes, 8) for tag in range(tags))
    block = struct.pack("<2sHIH", b"II", 42, 8, tags) + entries + bytes(shared_bytes)
    (tmp_path / "exif.png").write_bytes(png(10, 10, png_chunk(b"eXIf", block)))
    _, peak_kb = read_all([tmp_path / "exif.png"])
    assert peak_kb < GIBIBYTE_KB


def test_a_jpeg_of_endless_scans_is_refused():
    """Each scan costs a pass over all pixels however short it is, so that a small file could take hours."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    assert decode(data[:-2] + last_scan * 20 + b"\xff\xd9", max_pixels=PLENTY).shape == (32, 32, 3)
    with pytest.raises(InvalidImage, match="passes, more than 100; save the photo anew"):
        decode(data[:-2] + last_scan * 200 + b"\xff\xd9", max_pixels=PLENTY)
