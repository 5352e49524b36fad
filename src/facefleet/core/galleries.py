"""What every gallery decides alike: which templates a collection takes, what is too many, which faces are new to it."""

from collections.abc import Iterable, Sequence

from facefleet.core.faces import EnrolledFace, Template
from facefleet.errors import IncompatibleTemplates, LimitExceeded


def check_model(collection_id: str, model_id: str, templates: Iterable[Template | None]) -> None:
    """Make sure that templates are of a collection's model.

    Raises:
        IncompatibleTemplates: one is not, or is missing.
    """
    for template in templates:
        if template is None or template.model_id != model_id:
            raise IncompatibleTemplates(f"Collection {collection_id} takes templates of the model {model_id} only.")


def check_limit(owner: str, count: int, most: int, things: str) -> None:
    """Make sure that nobody has too many of something.

    Raises:
        LimitExceeded: they have more than `most`.
    """
    if count > most:
        raise LimitExceeded(f"{owner} may have {most} {things}, not {count}.")


def merge(
    faces: Sequence[EnrolledFace], enrolled: Iterable[EnrolledFace]
) -> tuple[list[EnrolledFace], list[EnrolledFace]]:
    """Sort out which faces are enrolled already: the same id, or the same photo of the same person.

    Returns:
        What stands for each face afterwards (itself, or the earlier one), and those that are new.
    """
    by_id = {face.face_id: face for face in enrolled}
    by_photo: dict[tuple[str, str], EnrolledFace] = {}
    for face in by_id.values():
        if face.person is not None:
            by_photo.setdefault((face.person, face.photo_sha256), face)
    kept, new = [], []
    for face in faces:
        known = by_id.get(face.face_id)
        if known is None and face.person is not None:
            known = by_photo.get((face.person, face.photo_sha256))
        if known is None:
            known = by_id[face.face_id] = face
            if face.person is not None:
                by_photo[face.person, face.photo_sha256] = face
            new.append(face)
        kept.append(known)
    return kept, new
