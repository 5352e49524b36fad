"""Photos to faces with templates: decode, detect, find five points, cut the chip, embed.

Photos go through one at a time, so that only one is in memory as pixels; their chips, which are small, then go through
the ResNet together. A photo that cannot be read becomes its error, in its place.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import cv2

from facefleet.core.faces import Box, Face, Pixels, Recognition, Template
from facefleet.errors import InvalidInput
from facefleet.vision.align import cut_chip
from facefleet.vision.decode import decode
from facefleet.vision.detect import Detection, Detector
from facefleet.vision.embed import Embedder
from facefleet.vision.landmarks import ShapePredictor
from facefleet.vision.models.cache import load_models
from facefleet.vision.quality import estimate_pose, measure_quality

# MTCNN's box to the square that dlib's predictor was trained on, relative to MTCNN's mean side and height (fitted).
_SQUARE_SIDE: Final = 0.98
_SQUARE_CENTRE: Final = 0.55


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to recognise: the client's name for it and the file's bytes."""

    image_id: str
    data: bytes = field(repr=False)


class Engine:
    """The recognition pipeline; threads may share it."""

    def __init__(
        self, cache: Path, *, max_pixels: int, threads: int = 1, timer_s: Callable[[], float] = time.perf_counter
    ) -> None:
        """Load the models.

        Args:
            cache: folder of the converted models; filled the first time, which takes about two seconds.
            max_pixels: the largest photo that is decoded.
            threads: for each network; OpenCV is set to as many in the whole process.
            timer_s: what `took_ms` is measured with.

        Raises:
            WeightsError: a weight file is missing or damaged.
        """
        cv2.setNumThreads(threads)
        models = load_models(cache)
        self._max_pixels = max_pixels
        self._timer_s = timer_s
        self._detector = Detector(models, threads=threads)
        self._predictor = ShapePredictor.load(models.shape_predictor)
        self._embedder = Embedder(models, threads=threads)
        self.model_id: str = self._embedder.model_id
        self.template_size: int = self._embedder.template_size

    def recognise(
        self, photos: Sequence[Photo], *, embed: bool = True, max_faces: int | None = None
    ) -> list[Recognition | InvalidInput]:
        """Find the faces of several photos.

        Args:
            photos: in any order and of any size.
            embed: compute templates; without, faces are detected, aligned and measured only.
            max_faces: keep only this many faces a photo, largest first; None keeps all.

        Returns:
            For each photo, in order, what was found or why it could not be read.
        """
        found = [self._find(photo, max_faces) for photo in photos]
        return self._embed(found) if embed else found

    def _find(self, photo: Photo, max_faces: int | None) -> Recognition | InvalidInput:
        """Do everything but templates for one photo."""
        start_s = self._timer_s()
        try:
            pixels = decode(photo.data, max_pixels=self._max_pixels)
        except InvalidInput as error:
            return error
        decoded_s = self._timer_s()
        detections = self._detector.detect(pixels)[:max_faces]
        detected_s = self._timer_s()
        points = self._predictor.predict_symmetric(pixels, [_square(detection.box) for detection in detections])
        chips = [cut_chip(pixels, face_points) for face_points in points]
        faces = tuple(_face(photo.image_id, *pair) for pair in zip(detections, chips, strict=True))
        aligned_s = self._timer_s()
        return Recognition(
            image_id=photo.image_id,
            width=pixels.shape[1],
            height=pixels.shape[0],
            faces=faces,
            took_ms={
                "decode": 1e3 * (decoded_s - start_s),
                "detect": 1e3 * (detected_s - decoded_s),
                "embed": 1e3 * (aligned_s - detected_s),
            },
        )

    def _embed(self, found: list[Recognition | InvalidInput]) -> list[Recognition | InvalidInput]:
        """Fill in the templates of all faces; each photo is charged its faces' share of the time."""
        recognised = [item for item in found if isinstance(item, Recognition)]
        chips = [face.chip for item in recognised for face in item.faces if face.chip is not None]
        start_s = self._timer_s()
        vectors = iter(self._embedder.embed(chips))
        face_ms = 1e3 * (self._timer_s() - start_s) / max(len(chips), 1)
        done: list[Recognition | InvalidInput] = []
        for item in found:
            if isinstance(item, Recognition):
                faces = tuple(
                    replace(face, template=Template(model_id=self.model_id, vector=next(vectors)))
                    for face in item.faces
                )
                took_ms = item.took_ms | {"embed": item.took_ms["embed"] + face_ms * len(faces)}
                done.append(replace(item, faces=faces, took_ms=took_ms))
            else:
                done.append(item)
        return done


def _square(box: Box) -> Box:
    side = _SQUARE_SIDE * (box.width + box.height) / 2
    return Box(
        left=box.left + (box.width - side) / 2,
        top=box.top + _SQUARE_CENTRE * box.height - side / 2,
        width=side,
        height=side,
    )


def _face(image_id: str, detection: Detection, chip: Pixels) -> Face:
    return Face(
        image_id=image_id,
        box=detection.box,
        confidence=detection.confidence,
        landmarks=detection.landmarks,
        quality=measure_quality(chip),
        pose=estimate_pose(detection.landmarks),
        chip=chip,
    )
