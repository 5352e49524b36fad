"""Chips to templates with dlib's ResNet."""

from typing import Final

import numpy as np

from facefleet.core.faces import Matrix, Pixels
from facefleet.vision.models import MODEL_ID
from facefleet.vision.models.cache import Models
from facefleet.vision.models.resnet import TEMPLATE_SIZE
from facefleet.vision.runtime import Network

# A larger batch is no faster (docs/engine.md) and takes more memory.
_BATCH: Final = 8


class Embedder:
    """The ResNet; threads may share it."""

    model_id: Final = MODEL_ID
    template_size: Final = TEMPLATE_SIZE

    def __init__(self, models: Models, *, threads: int) -> None:
        self._net = Network(models.resnet, threads=threads)

    def embed(self, chips: list[Pixels]) -> Matrix:
        """Compute templates.

        Args:
            chips: (150, 150, 3) uint8 RGB each, from `align`.

        Returns:
            (len(chips), 128) float32, unit rows.
        """
        batches = [np.stack(chips[start : start + _BATCH]) for start in range(0, len(chips), _BATCH)]
        rows = [self._net(batch)[0] for batch in batches]
        templates = np.concatenate(rows) if rows else np.empty((0, TEMPLATE_SIZE), np.float32)
        unit: Matrix = templates / np.linalg.norm(templates, axis=1, keepdims=True)
        return unit
