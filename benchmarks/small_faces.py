"""How small a face may be enrolled: one photo of each genuine pair is shrunk until its face has so many pixels.

    python benchmarks/small_faces.py [--pairs 150]

Reads `../shared/faces/lfw_dev`. For each width: how many shrunk photos still show a face to the detector, and how many
pairs still reach similarity 70 (false match rate 1e-3), the threshold for naming a person.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from facefleet.config import load
from facefleet.core.matching import compare
from facefleet.vision.calibration import load_calibration
from facefleet.vision.engine import Engine, Photo
from lfw_pairs import pairs

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "faces" / "lfw_dev"
WIDTHS_PX = (16, 20, 24, 28, 32, 40, 56)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=int, default=150)
    chosen = genuine_pairs()[: parser.parse_args().pairs]
    engine = Engine(load().cache, max_pixels=10_000_000)
    calibration = load_calibration(engine.model_id)
    print("face px   faces found   of them named")
    for width_px in WIDTHS_PX:
        found = named = 0
        for enrolled, probe in chosen:
            whole = largest(engine, (PHOTOS / probe).read_bytes())
            small = shrunk(engine, (PHOTOS / enrolled).read_bytes(), width_px)
            face = None if small is None else largest(engine, small)
            if whole is not None and face is not None:
                found += 1
                named += calibration.similarity(compare(face.template, whole.template)) >= 70
        print(f"{width_px:>7} {found / len(chosen):>12.0%} {named / max(found, 1):>14.0%}")


def genuine_pairs() -> list[tuple[str, str]]:
    with (PHOTOS / "pairsDevTest.txt").open() as lines:
        return [(a, b) for same, a, b in pairs(lines) if same]


def largest(engine: Engine, data: bytes):
    (found,) = engine.recognise([Photo("photo", data)], max_faces=1)
    return found.faces[0] if found.faces else None


def shrunk(engine: Engine, data: bytes, width_px: int) -> bytes | None:
    face = largest(engine, data)
    if face is None:
        return None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    scale = width_px / face.box.width
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".png", small)[1])


if __name__ == "__main__":
    main()
