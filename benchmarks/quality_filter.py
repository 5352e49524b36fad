"""What the quality filter refuses, and what user vectors gain, on photos of many people.

    python benchmarks/quality_filter.py ../shared/faces/lfw_dev

The folder holds a folder a person. Only the largest face of a photo counts.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from facefleet import config
from facefleet.core.answers import face_json
from facefleet.core.calibration import Calibration
from facefleet.core.centroid import centroid, likeness
from facefleet.core.faces import Face, Template
from facefleet.core.shortcomings import QualityFilter, shortcomings
from facefleet.vision.calibration import load_calibration
from facefleet.vision.engine import Engine, Photo

THRESHOLDS = (70.0, 80.0, 90.0)


def main(folder: Path) -> None:
    """Print both tables."""
    settings = config.load()
    engine = Engine(settings.cache, max_pixels=settings.max_image_pixels)
    faces: dict[str, list[Face]] = defaultdict(list)
    for file in sorted(folder.glob("*/*.jpg")):
        (found,) = engine.recognise([Photo(file.name, file.read_bytes())])
        faces[file.parent.name].extend(found.faces[:1])
    print_refusals([face for person in faces.values() for face in person])
    print_rates(
        load_calibration(engine.model_id),
        {name: [face.template for face in person] for name, person in faces.items()},
    )


def print_refusals(faces: list[Face]) -> None:
    """Print for each level the share of faces it refuses, and why."""
    print(f"{len(faces)} faces")
    for level in (QualityFilter.LOW, QualityFilter.MEDIUM, QualityFilter.HIGH):
        reasons = [shortcomings(face_json(face), level) for face in faces]
        why = Counter(reason for one in reasons for reason in one)
        refused = sum(bool(one) for one in reasons) / len(faces)
        print(f"{level:<7} refuses {refused:6.1%}  {dict(why.most_common())}")


def print_rates(calibration: Calibration, people: dict[str, list[Template]]) -> None:
    """Print how each photo compares with another of its person, or with the mean of the others, and with strangers'."""
    several = {name: templates for name, templates in people.items() if len(templates) >= 3}
    strangers = [(name, centroid([template])) for name, templates in people.items() for template in templates]
    for kind, some in (("one face", slice(0, 1)), ("user vector", slice(None))):
        same, other = [], []
        for name, templates in several.items():
            for n, template in enumerate(templates):
                rest = templates[:n] + templates[n + 1 :]
                same.append(likeness(centroid([template]), centroid(rest[some])))
            mean = centroid(templates[:-1][some])
            other += [likeness(probe, mean) for stranger, probe in strangers if stranger != name]
        same, other = np.array(same), np.array(other)
        for threshold in THRESHOLDS:
            least = calibration.score(threshold)
            false = int(np.sum(other >= least))
            print(f"{kind:<12} at {threshold:g}: FNMR {np.mean(same < least):6.1%} of {len(same)}", end="  ")
            print(f"FMR {false / len(other):.1e} ({false} of {len(other):,})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
