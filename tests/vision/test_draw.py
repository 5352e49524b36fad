"""Boxes and names on a photo."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from facefleet.core.faces import Box
from facefleet.vision.draw import Mark, encode, paint

WHITE = np.full((300, 400, 3), 255, np.uint8)


def mark(text="Ada", *, left=150.0, top=150.0, side=100.0, good=True):
    return Mark(box=Box(left=left, top=top, width=side, height=side), text=text, good=good)


def changed(photo, painted):
    """Return left, top, right, bottom of what was painted over."""
    rows, columns = np.nonzero((photo != painted).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def dark_pixels(painted):
    return int((painted.max(axis=2) < 100).sum())


def test_a_photo_keeps_its_size_and_is_not_changed_in_place():
    """The picture is a copy; only the marks differ."""
    photo = skimage.data.astronaut()
    before = photo.copy()
    painted = paint(photo, [mark()])
    assert painted.shape == photo.shape
    assert (photo == before).all()
    assert (painted != photo).any()
    assert (paint(photo, []) == photo).all()


def test_the_box_lies_where_the_face_is():
    """The outline runs along the box, and its inside stays to be seen."""
    painted = paint(WHITE, [mark()])
    left, top, right, bottom = changed(WHITE, painted)
    assert left == pytest.approx(150, abs=2)
    assert right == pytest.approx(250, abs=2)
    assert bottom == pytest.approx(250, abs=2)
    assert top < 140  # the name stands above
    assert (painted[160:240, 160:240] == 255).all()


@pytest.mark.parametrize("name", ["Zoë Łukasz", "Иван", "Ελένη", "王小明", "やまだ", "김철수", "عمر"])
def test_names_of_any_script_are_painted_as_they_are(name):
    """No name shows as question marks."""
    painted = paint(WHITE, [mark(name, left=10, side=200)])
    questions = paint(WHITE, [mark("?" * len(name), left=10, side=200)])
    assert dark_pixels(painted) > 30
    assert (painted != questions).any()


@pytest.mark.parametrize(("left", "top"), [(-20, -20), (350, -20), (-20, 250), (350, 250)])
def test_the_name_stays_inside_the_photo(left, top):
    """A face cut by the edge still has its whole name."""
    inside = dark_pixels(paint(WHITE, [mark("Ada Lovelace")]))
    assert dark_pixels(paint(WHITE, [mark("Ada Lovelace", left=left, top=top)])) == pytest.approx(inside, rel=0.1)


def test_text_grows_with_the_photo():
    """A name on a photo of a phone is as readable as on a thumbnail."""
    small = paint(WHITE, [mark("Ada")])
    large_photo = np.full((3000, 4000, 3), 255, np.uint8)
    large = paint(large_photo, [mark("Ada", left=1500, top=1500, side=1000)])
    assert dark_pixels(large) > 50 * dark_pixels(small)


def test_a_tiny_photo_with_a_long_name_is_painted():
    """64 x 64 pixels: the name is cut, nothing breaks."""
    photo = np.full((64, 64, 3), 255, np.uint8)
    assert paint(photo, [mark("Bartholomew Featherstonehaugh", left=2, top=2, side=60)]).shape == photo.shape


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".png", ".webp"])
def test_pictures_are_written_in_the_format_of_their_name(suffix):
    """Another program reads them, colours in order."""
    photo = np.zeros((20, 30, 3), np.uint8)
    photo[..., 0] = 200  # red
    image = Image.open(io.BytesIO(encode(photo, suffix)))
    assert image.size == (30, 20)
    assert np.asarray(image.convert("RGB"))[10, 15].tolist() == pytest.approx([200, 0, 0], abs=8)
