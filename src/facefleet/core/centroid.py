"""A person as one point: the mean of their templates (Rekognition calls it a user vector).

Averaging cancels what differs from photo to photo (light, pose) and keeps what does not: on LFW it halves the misses at
the same rate of false matches (`docs/rekognition.md`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facefleet.core.faces import Template, Vector
from facefleet.errors import IncompatibleTemplates


@dataclass(frozen=True, kw_only=True, slots=True)
class Centroid:
    """The mean of templates; the less alike they are, the shorter it is."""

    model_id: str
    mean: Vector = field(repr=False)  # (D,) float32, length in (0, 1]

    @property
    def template(self) -> Template:
        """Its direction, to search with."""
        return Template(model_id=self.model_id, vector=self.mean / np.linalg.norm(self.mean))


def centroid(templates: Sequence[Template]) -> Centroid | None:
    """Return the mean of one person's templates.

    Returns:
        None if there are no templates, or they cancel out.

    Raises:
        IncompatibleTemplates: they are of different models.
    """
    models = {template.model_id for template in templates}
    if len(models) > 1:
        raise IncompatibleTemplates(f"Templates of {len(models)} models cannot be averaged.")
    if not templates:
        return None
    mean = np.mean([template.vector for template in templates], axis=0, dtype=np.float64)
    return centroid_at(np.asarray(mean, np.float32), models.pop())


def centroid_at(mean: Vector, model_id: str) -> Centroid | None:
    """Return the mean of templates as a centroid; None if they cancel out.

    Args:
        mean: (D,) float32, length in [0, 1].
    """
    return None if np.linalg.norm(mean) < np.finfo(np.float32).eps else Centroid(model_id=model_id, mean=mean)


def likeness(one: Centroid, other: Centroid) -> float:
    """Return how alike two means are, on the scale of the cosine of two single templates.

    The cosine of two means is too high for that scale, since strangers' means lie closer than their faces do; the mean
    of all cosines is as wide of it on the other side. Their geometric mean is a·b / sqrt(|a|·|b|): for single
    templates it is the cosine itself, and on LFW it comes nearest to the false match rates that the scale promises.

    Returns:
        In [-1, 1]; higher is more alike.

    Raises:
        IncompatibleTemplates: they are of different models.
    """
    if one.model_id != other.model_id:
        raise IncompatibleTemplates(f"Templates of {one.model_id} cannot be compared with those of {other.model_id}.")
    lengths = float(np.linalg.norm(one.mean)) * float(np.linalg.norm(other.mean))
    return float(np.clip(one.mean @ other.mean / np.sqrt(lengths), -1.0, 1.0))
