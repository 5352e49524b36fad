"""The whole pipeline: bytes in, faces with templates out."""

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from facefleet.errors import ImageTooLarge, InvalidImage
from facefleet.vision.engine import Engine, Photo


@pytest.fixture(scope="module")
def portrait(astronaut, write_photo):
    return write_photo(astronaut, "portrait")


@pytest.fixture(scope="module")
def empty(write_photo):
    return write_photo(np.full((300, 400, 3), 90, np.uint8), "empty")


def vectors(recognition):
    return np.array([face.template.vector for face in recognition.faces])


def test_a_face_comes_with_everything_a_gallery_needs(engine, portrait):
    """Provenance, box, landmarks, pose, quality, chip and template."""
    (recognition,) = engine.recognise([portrait])
    assert (recognition.image_id, recognition.width, recognition.height) == ("portrait", 512, 512)
    (face,) = recognition.faces
    assert face.image_id == "portrait"
    assert len(face.landmarks) == 5
    assert face.chip.shape == (150, 150, 3)
    assert face.template.model_id == engine.model_id
    assert face.template.vector.shape == (engine.template_size,)
    assert np.linalg.norm(face.template.vector) == pytest.approx(1, abs=1e-6)
    assert abs(face.pose.roll) < 10
    assert 0 < face.quality.brightness < 100
    assert 0 < face.quality.sharpness < 100
    assert set(recognition.took_ms) == {"decode", "detect", "embed"}


def test_a_template_is_near_what_dlibs_own_detector_leads_to(engine, oracle, astronaut, portrait):
    """Our box becomes the square dlib was trained on; face_recognition calls anything within 0.6 the same person."""
    (rectangle,) = oracle.detector(astronaut)
    theirs = np.array(oracle.network.compute_face_descriptor(astronaut, oracle.predictor(astronaut, rectangle)))
    (recognition,) = engine.recognise([portrait])
    assert np.linalg.norm(vectors(recognition)[0] - theirs / np.linalg.norm(theirs)) < 0.2


def test_a_bad_photo_becomes_its_error_and_harms_no_neighbour(engine, portrait, empty):
    """Answers keep the order of the photos."""
    photos = [Photo("noise", b"not a photo"), portrait, empty, Photo("nothing", b""), portrait]
    noise, first, none, nothing, second = engine.recognise(photos)
    assert isinstance(noise, InvalidImage)
    assert isinstance(nothing, InvalidImage)
    assert none.faces == ()
    (alone,) = engine.recognise([portrait])
    for recognition in (first, second):
        assert np.abs(vectors(recognition) - vectors(alone)).max() < 1e-5


def test_a_photo_over_the_limit_is_refused(model_cache, portrait):
    """The engine passes its limit on to the decoder."""
    (error,) = Engine(model_cache, max_pixels=1000).recognise([portrait])
    assert isinstance(error, ImageTooLarge)


def test_no_photos_are_no_answers(engine, empty):
    """Nor does a batch without any face fail."""
    assert engine.recognise([]) == []
    assert [found.faces for found in engine.recognise([empty, empty])] == [(), ()]


def test_detection_alone_makes_no_template(engine, portrait):
    """Quality, pose and chip are still there."""
    (recognition,) = engine.recognise([portrait], embed=False)
    (face,) = recognition.faces
    assert face.template is None
    assert face.chip is not None
    assert face.quality is not None


def test_only_the_largest_faces_are_kept_on_request(engine, astronaut, write_photo):
    """Faces are ordered by area, and the count cuts after the order."""
    small = np.zeros_like(astronaut)
    small[:256, :256] = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    photo = write_photo(np.hstack([small, astronaut]), "two")
    (both,) = engine.recognise([photo])
    areas = [face.box.area for face in both.faces]
    assert len(areas) == 2
    assert areas == sorted(areas, reverse=True)
    (largest,) = engine.recognise([photo], max_faces=1)
    assert [face.box for face in largest.faces] == [both.faces[0].box]


def test_an_exif_turned_photo_gives_the_upright_answer(engine, astronaut, tmp_path, portrait):
    """Boxes are in the frame of the upright photo."""
    file = tmp_path / "turned.png"
    image = Image.fromarray(np.ascontiguousarray(np.rot90(astronaut)))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(file, exif=exif)
    (turned,) = engine.recognise([Photo("turned", file.read_bytes())])
    (upright,) = engine.recognise([portrait])
    assert turned.faces[0].box == upright.faces[0].box


def test_the_clock_is_the_callers(model_cache, portrait):
    """Each stage is one tick of a clock that counts calls."""
    ticks = itertools.count()
    (recognition,) = Engine(model_cache, max_pixels=10**6, timer_s=lambda: float(next(ticks))).recognise([portrait])
    assert recognition.took_ms == {"decode": 1000, "detect": 1000, "embed": 2000}


def test_threads_may_share_an_engine(engine, portrait, empty):
    """Two at once get what one gets."""
    (alone,) = engine.recognise([portrait])
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(engine.recognise, [[portrait], [empty]] * 4))
    for (found,) in answers[::2]:
        assert found.faces[0].box == alone.faces[0].box
        assert np.abs(vectors(found) - vectors(alone)).max() < 1e-6
    assert all(found.faces == () for (found,) in answers[1::2])


def test_pixels_and_templates_stay_out_of_repr(engine, portrait):
    """What is biometric must not reach a log by accident."""
    shown = repr([portrait, *engine.recognise([portrait])])
    assert "array" not in shown
    assert "PNG" not in shown


MEMORY = """
import sys
from pathlib import Path
from facefleet.vision.engine import Engine, Photo
engine = Engine(Path(sys.argv[1]), max_pixels=50_000_000)
photo = Photo("large", Path(sys.argv[2]).read_bytes())
(found, again) = engine.recognise([photo, photo])
print(found.width * found.height, len(found.faces), len(again.faces))
# Not ru_maxrss: that starts with what the process had which started this one.
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_the_largest_photo_stays_under_one_gibibyte(model_cache, astronaut, tmp_path):
    """Two photos of 49 megapixels in one batch, in a process of their own."""
    file = tmp_path / "large.jpg"
    cv2.imwrite(str(file), cv2.resize(astronaut[:, :, ::-1], (7000, 7000)))
    command = [sys.executable, "-c", MEMORY, str(model_cache), str(file)]
    found, peak_mib = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert found == "49000000 1 1"
    assert int(peak_mib) < 1024


def test_no_lfw_photo_is_without_a_face(engine, faces_folder, read_photo):
    """Every tenth photo of the development set; the evaluation covers all of them."""
    photos = sorted((faces_folder / "lfw_dev").glob("*/*.jpg"))[::10]
    assert len(photos) > 100
    found = engine.recognise([read_photo(photo) for photo in photos], embed=False, max_faces=1)
    assert [item.image_id for item in found if not item.faces] == []


def test_photos_of_one_person_score_higher_than_of_different_people(engine, faces_folder, read_photo):
    """Five people, eleven photos each: nearly every same-person score beats nearly every other."""
    folders = sorted(path for path in (faces_folder / "dlib_johns").iterdir() if path.is_dir())
    people = [[read_photo(photo) for photo in sorted(folder.iterdir())] for folder in folders]
    templates, persons = [], []
    for person, photos in enumerate(people):
        for found in engine.recognise(photos, max_faces=1):
            templates.append(vectors(found)[0])
            persons.append(person)
    scores = np.array(templates) @ np.array(templates).T
    persons = np.array(persons)
    same = (persons[:, None] == persons) & ~np.eye(len(persons), dtype=bool)
    different = persons[:, None] != persons
    assert (scores[same] > np.quantile(scores[different], 0.99)).mean() > 0.9
