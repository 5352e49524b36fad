"""A photo's bytes become upright RGB pixels, whatever the format, or a sentence that says why not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage.data import astronaut

from facefleet.errors import ImageTooLarge, InvalidImage
from facefleet.vision import decode as decode_module
from facefleet.vision.decode import decode, sniff

PLENTY = 50_000_000
LOSSLESS = ["PNG", "BMP", "TIFF"]
LOSSY = ["JPEG", "WEBP", "AVIF", "HEIF"]
WITH_EXIF = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"]


def picture(side_px: int = 256) -> Image.Image:
    return Image.fromarray(astronaut()).resize((side_px, side_px * 3 // 4))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_photo_comes_back_as_it_was(kind):
    """No format changes a pixel, swaps channels or returns a view that C code cannot take."""
    image = picture()
    pixels = decode(encoded(image, kind), max_pixels=PLENTY)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(image))


@pytest.mark.parametrize("kind", [*LOSSY, "GIF"])
def test_a_lossy_photo_comes_back_nearly_as_it_was(kind):
    """Lossy formats lose detail and no more: swapped channels would differ by dozens of levels."""
    image = picture()
    assert mean_difference(decode(encoded(image, kind), max_pixels=PLENTY), np.asarray(image)) < 8


def test_a_heic_may_begin_with_the_brand_it_shares_with_avif():
    """Some cameras write the general brand first; what the file is stands further on."""
    data = encoded(picture(), "HEIF").replace(b"ftypheic", b"ftypmif1", 1)
    assert data[8:12] == b"mif1"
    assert sniff(data).format == "HEIF"
    assert decode(data, max_pixels=PLENTY).shape == (192, 256, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", WITH_EXIF)
def test_the_photo_is_turned_upright(kind, orientation):
    """EXIF orientation is honoured in every format that can carry it, as Pillow's own transposition does it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert mean_difference(decode(data, max_pixels=PLENTY), np.asarray(upright)) < 0.5
    if kind != "HEIF":  # whose own rotation property takes the tag's place
        assert upright.size == ((192, 256) if orientation >= 5 else (256, 192))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_quick_way_and_pillow_agree_on_jpeg(mode, options):
    """The short cut for clean JPEGs is a short cut only: every pixel equals what Pillow decodes."""
    data = encoded(picture().convert(mode), "JPEG", quality=90, **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode(data, max_pixels=PLENTY), expected)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_quick_way_and_pillow_agree_on_webp(mode, options):
    """Pillow, forced on the same file, finds the same pixels."""
    image = picture().convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = encoded(image, "WEBP", **options)
    slow = decode_module._decode_with_pillow(Image.open(io.BytesIO(data)), "WEBP", max_pixels=PLENTY)
    assert np.abs(decode(data, max_pixels=PLENTY).astype(int) - slow).max() <= 1


def test_clean_jpegs_take_the_quick_way(monkeypatch):
    """Ordinary photos never pay for Pillow's copies."""
    monkeypatch.setattr(decode_module, "_decode_with_pillow", None)
    for options in ({}, {"progressive": True}, {"subsampling": 0}):
        assert decode(encoded(picture(), "JPEG", **options), max_pixels=PLENTY).shape == (192, 256, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind):
    """Black stays black, white white, and a quarter is a quarter."""
    levels = np.array([[0, 16384, 32768, 65535]], np.uint16)
    pixels = decode(encoded(Image.fromarray(levels), kind), max_pixels=PLENTY)
    np.testing.assert_array_equal(pixels, np.repeat(np.array([[0, 64, 128, 255]], np.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_become_rgb(mode):
    """What has fewer than three channels looks the same with three."""
    image = picture().convert(mode)
    np.testing.assert_array_equal(decode(encoded(image, "PNG"), max_pixels=PLENTY), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparent_pixels_show_white(kind):
    """A cut-out portrait stands on white, and half transparency is half white."""
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((0, 0, 0, 128), (0, 0, 32, 64))
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode(encoded(image, kind, **options), max_pixels=PLENTY)
    assert pixels[32, 48].tolist() == [255, 255, 255]
    assert np.abs(pixels[32, 16].astype(int) - 127).max() <= 2


def test_a_transparent_palette_entry_shows_white():
    """GIF's and PNG's single transparent colour is transparent too."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 0)
    pixels = decode(encoded(image, "PNG", transparency=0), max_pixels=PLENTY)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [200, 100, 50]


def test_of_an_animation_the_first_picture_counts():
    """A GIF that moves is its first frame."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert mean_difference(decode(data, max_pixels=PLENTY), np.asarray(frames[0])) < 3


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY, "GIF"])
def test_sniffing_tells_kind_and_size_from_the_header(kind):
    """The web tier knows what it queues without decoding it."""
    info = sniff(encoded(picture(), kind))
    assert (info.format, info.width, info.height) == (kind, 256, 192)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0"}])
def test_each_kind_of_webp_header_tells_its_size(options):
    """Lossless, lossy and extended WebP write their size in three different ways."""
    info = sniff(encoded(picture(), "WEBP", **options))
    assert (info.width, info.height) == (256, 192)


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY, "GIF"])
def test_more_pixels_than_allowed_are_refused_with_both_numbers(kind):
    """The sentence says how many there are and how many there may be."""
    data = encoded(picture(), kind)
    with pytest.raises(ImageTooLarge, match=r"49,152.*at most 49,151"):
        decode(data, max_pixels=49_151)
    assert decode(data, max_pixels=49_152).shape == (192, 256, 3)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY, "GIF"])
def test_half_a_photo_is_refused(kind, kept):
    """The missing half may hold the face, so that half a photo is never answered as if it were whole."""
    data = encoded(picture(), kind)
    with pytest.raises(InvalidImage, match="send"):
        decode(data[: int(len(data) * kept)], max_pixels=PLENTY)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty; send a photo as JPEG, PNG"),
        (b"hello", "not a photo that can be read; send one as JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a photo"),
        (encoded(picture(), "ICO"), "not a photo"),
        (encoded(picture(), "PPM"), "not a photo"),
        (b"\xff\xd8\xff\xe0", "begins like JPEG"),
        (b"RIFF\x20\0\0\0WEBPVP8X", "begins like WEBP"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "32 bits a sample; save the photo with 8 or 16"),
    ],
)
def test_what_is_not_a_photo_is_refused_with_a_sentence_that_helps(data, expected):
    """The message says what was wrong and what would be right."""
    with pytest.raises(InvalidImage, match=expected):
        decode(data, max_pixels=PLENTY)


def test_metadata_after_the_picture_does_no_harm():
    """A motion photo carries a film behind its JPEG, whose bytes may look like markers."""
    data = encoded(picture(), "JPEG")
    film = np.random.default_rng(0).bytes(1000) + b"\xff\xda" * 200
    np.testing.assert_array_equal(decode(data + film, max_pixels=PLENTY), decode(data, max_pixels=PLENTY))
