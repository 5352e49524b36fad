"""Which faces are found, and which things are not faces."""

import hashlib
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest
import skimage.data
from PIL import Image

from facefleet.vision.decode import decode
from facefleet.vision.detect import Detector

SMALLEST_OVERLAP = 0.3  # annotated boxes are drawn around less of the head than MTCNN's


@pytest.fixture(scope="module")
def detector(models):
    return Detector(models, threads=1)


@pytest.fixture(scope="module")
def detect_file(detector):
    return lambda path: detector.detect(decode(path.read_bytes(), max_pixels=50_000_000))


def edges(box):
    return box.left, box.top, box.left + box.width, box.top + box.height


def overlap(a, b):
    """Return the intersection of two boxes over their union; boxes are left, top, right, bottom."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def annotated(folder):
    """Yield each annotated photo's path and boxes."""
    for name in ("training.xml", "testing.xml"):
        for image in ET.parse(folder / name).iter("image"):
            boxes = [
                {key: int(box.get(key)) for key in ("left", "top", "width", "height")} for box in image.iter("box")
            ]
            corners = [(b["left"], b["top"], b["left"] + b["width"], b["top"] + b["height"]) for b in boxes]
            yield folder / image.get("file"), corners


def test_a_face_is_found_with_its_landmarks_in_place(detector, astronaut):
    """Box, order of the landmarks, and what each one shows."""
    (face,) = detector.detect(astronaut)
    assert overlap(edges(face.box), (175, 60, 270, 185)) > 0.7
    assert face.confidence > 0.99
    left_eye, right_eye, nose, mouth_left, mouth_right = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


@pytest.mark.parametrize("side_px", [128, 256, 1024, 2048])
def test_the_box_scales_with_the_photo(detector, astronaut, side_px):
    """Coordinates are those of the photo, whatever size the search was made at."""
    (reference,) = detector.detect(astronaut)
    resized = np.asarray(Image.fromarray(astronaut).resize((side_px, side_px)))
    (face,) = detector.detect(resized)
    assert overlap(np.array(edges(face.box)) * 512 / side_px, edges(reference.box)) > 0.8


def test_a_face_that_fills_a_photo_of_64_pixels_is_found(detector, astronaut):
    """The smallest photos the service was made for."""
    face = Image.fromarray(astronaut[50:200, 145:295]).resize((64, 64))
    assert len(detector.detect(np.asarray(face))) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (5000, 1), (11, 11), (12, 700), (13, 4001)])
def test_photos_too_thin_for_a_face_have_none(detector, shape):
    """No size is an error."""
    assert detector.detect(np.full((*shape, 3), 200, np.uint8)) == []


def test_noise_is_not_a_face(detector):
    """Nor does it cost more than a crowd."""
    noise = np.random.default_rng(2).integers(0, 256, (480, 640, 3), np.uint8)
    assert detector.detect(noise) == []


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "retina", "hubble_deep_field"])
def test_things_are_not_faces(detector, name):
    """Cup, cat, rocket, the back of an eye and galaxies."""
    assert detector.detect(np.ascontiguousarray(getattr(skimage.data, name)()[:, :, :3])) == []


def test_every_annotated_face_is_found_and_nothing_else(detect_file, faces_folder):
    """43 boxes of 37 to 109 pixels in nine photos; one may be missed, no false one reported."""
    missed, false = 0, 0
    for path, boxes in annotated(faces_folder / "dlib_faces"):
        found = [edges(face.box) for face in detect_file(path)]
        matched = [[other for other in found if overlap(box, other) > SMALLEST_OVERLAP] for box in boxes]
        missed += sum(not matches for matches in matched)
        false += sum(all(overlap(box, other) <= SMALLEST_OVERLAP for box in boxes) for other in found)
    assert missed <= 1
    assert false == 0


def test_a_photo_of_dogs_has_no_face(detect_file, faces_folder):
    """Animals are not people."""
    assert detect_file(faces_folder / "dlib_faces" / "dogs.jpg") == []


def test_all_faces_of_a_large_group_are_found(detect_file, faces_folder):
    """24 people, and at most the blurred bystander behind one of them."""
    found = detect_file(faces_folder / "dlib_faces" / "bald_guys.jpg")
    assert len([face for face in found if face.box.height > 100]) == 24
    assert len(found) <= 25


def test_group_photos_have_as_many_faces_as_their_names_say(detect_file, faces_folder):
    """`015_6.jpg` shows six people; letters stand for one."""
    photos = sorted((faces_folder / "compreface").glob("*.jpg"))
    counts = {photo.name: photo.stem.split("_")[1] for photo in photos}
    expected = {name: int(count) if count.isdigit() else 1 for name, count in counts.items()}
    assert {photo.name: len(detect_file(photo)) for photo in photos} == expected


@pytest.mark.parametrize(("archive", "files"), [("face_images_100.zip", 100), ("face_images_1000.zip", 1000)])
def test_the_original_workload_has_one_face_a_photo(detector, faces_folder, archive, files):
    """64x64 pixels that the face fills; ten photos under many names."""
    with zipfile.ZipFile(faces_folder / "cse546" / archive) as photos:
        names = [name for name in photos.namelist() if name.endswith((".jpg", ".png")) and "__MACOSX" not in name]
        assert len(names) == files
        distinct = {hashlib.sha256(data).digest(): data for data in map(photos.read, names)}
    assert len(distinct) == 10
    assert [len(detector.detect(decode(data, max_pixels=10**6))) for data in distinct.values()] == [1] * 10


def test_the_originals_of_that_workload_all_have_a_face(detect_file, faces_folder):
    """100 photos of 250 pixels."""
    photos = sorted((faces_folder / "cse546" / "face_images_100_original").glob("*.jpg"))
    assert len(photos) == 100
    assert [photo.name for photo in photos if not detect_file(photo)] == []
