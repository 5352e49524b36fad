"""Comparing templates: scores, and what becomes of the faces of one person in a list of candidates."""

from collections.abc import Iterable

import numpy as np

from facefleet.core.faces import Candidate, Matrix, Template, Vector
from facefleet.errors import IncompatibleTemplates


def cosine_scores(probe: Vector, gallery: Matrix) -> Vector:
    """Score one probe against every enrolled template.

    Args:
        probe: (D,) float32, unit length.
        gallery: (N, D) float32, unit rows; N may be 0.

    Returns:
        (N,) float32 in [-1, 1] up to rounding; higher is more alike.

    Raises:
        IncompatibleTemplates: D differs.
    """
    if gallery.shape[1] != probe.shape[0]:
        raise IncompatibleTemplates(f"A template of {probe.shape[0]} numbers cannot meet one of {gallery.shape[1]}.")
    return gallery @ probe


def compare(one: Template, other: Template) -> float:
    """Return the cosine of two templates, in [-1, 1].

    Raises:
        IncompatibleTemplates: they come from different models.
    """
    if one.model_id != other.model_id:
        raise IncompatibleTemplates(f"A template of {one.model_id} cannot be compared with one of {other.model_id}.")
    return float(np.clip(cosine_scores(one.vector, other.vector[None])[0], -1.0, 1.0))


def best_per_person(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Keep each person's best face; a face that belongs to nobody stands for itself.

    Returns:
        Best first; equal scores by face id, so that the same gallery always gives the same answer.
    """
    best: dict[tuple[str, str], Candidate] = {}
    for candidate in sorted(candidates, key=lambda candidate: (-candidate.score, candidate.face.face_id)):
        face = candidate.face
        best.setdefault(("face", face.face_id) if face.person is None else ("person", face.person), candidate)
    return list(best.values())
