"""Identify the course's 64-pixel photos among the people of its 250-pixel originals.

    python benchmarks/cse546.py ../shared/faces/cse546

The folder holds `face_images_100.zip` (100 probes, ten distinct), `face_images_100_original/` (the gallery, one photo
of each of 100 people) and the true identities of both, `truth_64px_100.csv` and `truth_original_100.csv`.
"""

import csv
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from facefleet import config
from facefleet.core.calibration import DEFAULT_THRESHOLD
from facefleet.core.matching import cosine_scores
from facefleet.vision.calibration import load_calibration
from facefleet.vision.engine import Engine, Photo


def people(file: Path) -> dict[str, str]:
    """Return the true person by file name."""
    with file.open(encoding="utf-8") as rows:
        return {row["file"]: row["identity"] for row in csv.DictReader(rows)}


def main(folder: Path) -> None:
    """Print how many probes have a face, find the right person first, and are named at the default threshold."""
    settings = config.load()
    engine = Engine(settings.cache, max_pixels=settings.max_image_pixels)
    enrolled = people(folder / "truth_original_100.csv")
    originals = [Photo(name, (folder / "face_images_100_original" / name).read_bytes()) for name in enrolled]
    gallery = np.stack([found.faces[0].template.vector for found in engine.recognise(originals)])
    with ZipFile(folder / "face_images_100.zip") as archive:
        probes = [Photo(Path(name).name, archive.read(name)) for name in archive.namelist() if name.endswith(".jpg")]
    truth, calibration = people(folder / "truth_64px_100.csv"), load_calibration(engine.model_id)
    faces = right = named_right = named_wrong = 0
    for found in engine.recognise(probes):
        if not found.faces:
            continue
        scores = cosine_scores(found.faces[0].template.vector, gallery)
        is_right = list(enrolled.values())[scores.argmax()] == truth[found.image_id]
        is_named = calibration.similarity(float(scores.max())) >= DEFAULT_THRESHOLD
        faces, right = faces + 1, right + is_right
        named_right, named_wrong = named_right + (is_named and is_right), named_wrong + (is_named and not is_right)
    print(f"{len(probes)} probes, {len(gallery)} people enrolled: {faces} with a face, {right} right person first,")
    print(f"at similarity {DEFAULT_THRESHOLD:g}: {named_right} named rightly, {named_wrong} wrongly")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
