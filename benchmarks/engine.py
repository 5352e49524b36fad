"""The engine against `face_recognition`, from a photo's bytes to templates, on one core.

    python benchmarks/engine.py [--rounds 15] [--json]

Both run in this process, pinned to one core, by turns on the same photo. What is counted is processor time, which on a
machine of one's own is the time that passes and on a shared one leaves out the others; trust the ratio most.
`face_recognition` (1.3.0) itself needs dlib built from source and pkg_resources; its `face_encodings` is three calls to
dlib, which are made here as it makes them, on dlib's wheel (`dlib-bin`).
Photos other than the astronaut are read from `../shared/faces` and left out where that is missing.
"""

import argparse
import io
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import dlib
import numpy as np
import onnxruntime
import platformdirs
import skimage.data
from PIL import Image
from rich.console import Console
from rich.table import Table

from facefleet.vision.embed import Embedder
from facefleet.vision.engine import Engine, Photo
from facefleet.vision.models.cache import load_models
from facefleet.vision.models.weights import FIVE_POINTS, RESNET

SHARED = Path(__file__).resolve().parents[2] / "shared" / "faces"
SHARED_PHOTOS = (
    "lfw_dev/Aaron_Guiel/Aaron_Guiel_0001.jpg",
    "dlib_faces/2008_002079.jpg",
    "compreface/012_4.jpg",
    "dlib_faces/Tom_Cruise_avp_2014_4.jpg",
    "dlib_faces/bald_guys.jpg",
)
RESNET_GFLOP = 0.542  # a chip, a multiplication and an addition counted as two


class FaceRecognition:
    """What `face_recognition.face_encodings(load_image_file(file))` does, with the time each stage takes."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            points, resnet = Path(folder) / "points", Path(folder) / "resnet"
            points.write_bytes(FIVE_POINTS.read())
            resnet.write_bytes(RESNET.read())
            self._detector = dlib.get_frontal_face_detector()
            self._predictor = dlib.shape_predictor(str(points))
            self._network = dlib.face_recognition_model_v1(str(resnet))

    def encode(self, data: bytes) -> tuple[int, list[float]]:
        """Return the number of faces and the milliseconds to decode, detect and embed."""
        times = [time.process_time()]
        pixels = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        times.append(time.process_time())
        boxes = self._detector(pixels, 1)
        times.append(time.process_time())
        shapes = [self._predictor(pixels, box) for box in boxes]
        templates = [np.array(self._network.compute_face_descriptor(pixels, shape, 1)) for shape in shapes]
        times.append(time.process_time())
        return len(templates), [1e3 * (end - start) for start, end in itertools.pairwise(times)]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photo: medians in milliseconds."""

    photo: str
    size: str
    faces: int
    decode_ms: float
    detect_ms: float
    embed_ms: float
    total_ms: float
    face_recognition_faces: int
    face_recognition_ms: float
    ratio: float


def photos() -> dict[str, bytes]:
    """Return the photos there are, by name."""
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "JPEG", quality=90)
    found = {"astronaut": buffer.getvalue()}
    paths = [SHARED / name for name in SHARED_PHOTOS]
    return found | {path.stem: path.read_bytes() for path in paths if path.is_file()}


def measure(engine: Engine, other: FaceRecognition, name: str, data: bytes, rounds: int) -> Row:
    """Take turns, after one round that does not count."""
    ours, theirs = [], []
    for _ in range(rounds + 1):
        start_s = time.process_time()
        (found,) = engine.recognise([Photo(name, data)])
        ours.append(([found.took_ms[stage] for stage in ("decode", "detect", "embed")], time.process_time() - start_s))
        theirs.append(other.encode(data))
    stages = np.median([stage_ms for stage_ms, _ in ours[1:]], axis=0)
    total_ms = 1e3 * statistics.median(total_s for _, total_s in ours[1:])
    their_ms = statistics.median(sum(stage_ms) for _, stage_ms in theirs[1:])
    return Row(
        photo=name,
        size=f"{found.width}x{found.height}",
        faces=len(found.faces),
        decode_ms=stages[0],
        detect_ms=stages[1],
        embed_ms=stages[2],
        total_ms=total_ms,
        face_recognition_faces=theirs[0][0],
        face_recognition_ms=their_ms,
        ratio=their_ms / total_ms,
    )


def resnet_gflop_s(cache: Path, rounds: int) -> float:
    """Return what the ResNet alone reaches on a batch of eight, in the best round."""
    embedder = Embedder(load_models(cache), threads=1)
    chips = list(np.random.default_rng(0).integers(0, 256, (8, 150, 150, 3), np.uint8))
    times = []
    for _ in range(rounds + 1):
        start_s = time.process_time()
        embedder.embed(chips)
        times.append(time.process_time() - start_s)
    return RESNET_GFLOP * len(chips) / min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--cache", type=Path, default=platformdirs.user_cache_path("facefleet"), help="converted models"
    )
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    engine = Engine(options.cache, max_pixels=50_000_000, timer_s=time.process_time)
    other = FaceRecognition()
    rows = [measure(engine, other, name, data, options.rounds) for name, data in photos().items()]
    facts = {
        "rounds": options.rounds,
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "dlib": dlib.__version__,
        "resnet_gflop_s": resnet_gflop_s(options.cache, options.rounds),
    }
    if options.json:
        print(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    table = Table(title="bytes to templates, one core, median ms of processor time")
    for column in (
        "photo",
        "size",
        "faces",
        "decode",
        "detect",
        "embed",
        "total",
        "face_recognition",
        "faces",
        "ratio",
    ):
        table.add_column(column, justify="left" if column == "photo" else "right")
    for row in rows:
        milliseconds = (row.decode_ms, row.detect_ms, row.embed_ms, row.total_ms, row.face_recognition_ms)
        shown = [f"{value:.1f}" for value in milliseconds]
        table.add_row(row.photo, row.size, f"{row.faces}", *shown, f"{row.face_recognition_faces}", f"{row.ratio:.1f}x")
    Console(width=120).print(table, ", ".join(f"{name} {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
