"""A person as one point: the mean direction of their templates (Rekognition calls it a user vector)."""

from collections.abc import Sequence

import numpy as np

from facefleet.core.faces import Template, Vector
from facefleet.errors import IncompatibleTemplates


def centroid(templates: Sequence[Template]) -> Template | None:
    """Return the mean direction of one person's templates.

    Averaging cancels what differs from photo to photo (light, pose) and keeps what does not (Kumar et al.,
    "Attribute and Simile Classifiers for Face Verification", 2009, and every template protocol since IJB-A, 2015).

    Returns:
        A template of unit length; None if there are no templates, or they cancel out.

    Raises:
        IncompatibleTemplates: they are of different models.
    """
    models = {template.model_id for template in templates}
    if len(models) > 1:
        raise IncompatibleTemplates(f"Templates of {len(models)} models cannot be averaged.")
    if not templates:
        return None
    mean = np.mean([template.vector for template in templates], axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if length < np.finfo(np.float32).eps:
        return None
    vector: Vector = np.asarray(mean / length, np.float32)
    return Template(model_id=models.pop(), vector=vector)
