"""What a request may ask for: names, query parameters, and the tasks they become.

Unknown query parameters are refused: a misspelt `treshold`, silently ignored, would give wrong names.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from facefleet.core.jobs import Detect, Enrol, Identify, Lane, Task, Verify
from facefleet.core.names import has_place_in_url, is_printable

_MAX_NAME = 255


def printable(text: str) -> str:
    """Return a name trimmed and in Unicode's composed form (NFC), in which names that look alike are equal.

    Raises:
        ValueError: it is empty, longer than 255 characters, or holds a character that breaks lines or reorders them.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(text) <= _MAX_NAME:
        raise ValueError(f"must have 1 to {_MAX_NAME} characters, not counting spaces around them")
    if not all(map(is_printable, text)):
        raise ValueError("must hold no line breaks, control characters or bidirectional formatting")
    return text


def _no_path(name: str) -> str:
    if not has_place_in_url(name):
        raise ValueError("must not be . or .., nor have them or nothing beside a slash: in a URL that is another place")
    return name


# The rule for names in Amazon Rekognition, save for two that no URL can hold.
CollectionId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-zA-Z0-9_.\-]+$", min_length=1, max_length=_MAX_NAME),
    AfterValidator(_no_path),
]
Printable = Annotated[str, AfterValidator(printable)]
PersonName = Annotated[Printable, AfterValidator(_no_path)]
Similarity = Annotated[float, Field(ge=0, le=100, description="Similarity, 0-100, from which a face is named.")]


class Parameters(BaseModel):
    """Query parameters; those that are not named here are refused."""

    model_config = ConfigDict(extra="forbid")


class _Recognition(Parameters):
    lane: Lane = Field(default=Lane.INTERACTIVE, description="`bulk` waits behind `interactive`.")


class DetectQuery(_Recognition):
    """Find the faces."""


class VerifyQuery(_Recognition):
    """Compare two photos."""

    threshold: Similarity | None = Field(default=None, description="Default: the service's setting.")


class IdentifyQuery(_Recognition):
    """Search a collection."""

    collection: CollectionId | None = Field(default=None, description="Default: the service's setting.")
    threshold: Similarity | None = Field(default=None, description="Default: the service's setting.")
    max_candidates: int = Field(default=5, ge=1, le=100, description="Most candidates a face.")
    largest_only: bool = Field(default=False, description="Search for the largest face alone.")


class PersonQuery(_Recognition):
    """Say whose face a photo shows."""

    person: PersonName


class EnrolQuery(PersonQuery):
    """Add a face to a collection."""

    collection: CollectionId | None = Field(default=None, description="Default: the service's setting.")


RecognitionQuery: TypeAlias = DetectQuery | VerifyQuery | IdentifyQuery | EnrolQuery


def form_fields(query: RecognitionQuery) -> tuple[str, ...]:
    """Return the fields of the form in which the photos come."""
    return ("source", "target") if isinstance(query, VerifyQuery) else ("image",)


class TaskMaker:
    """Makes the task once the photos' store keys are known.

    Args:
        photos: as `form_fields` names them; looked at here, not kept.
        collection: used where the query names none.
    """

    def __init__(self, query: RecognitionQuery, photos: Sequence[bytes], *, collection: str) -> None:
        self._query = query
        self._collection = getattr(query, "collection", None) or collection
        self._photo_sha256 = hashlib.sha256(photos[0]).hexdigest() if isinstance(query, EnrolQuery) else ""

    def __call__(self, keys: Sequence[str]) -> Task:
        """Return the task for photos under these store keys."""
        match self._query:
            case DetectQuery():
                return Detect(image=keys[0])
            case VerifyQuery(threshold=threshold):
                return Verify(source=keys[0], target=keys[1], threshold=threshold)
            case IdentifyQuery() as query:
                return Identify(
                    image=keys[0],
                    collection=self._collection,
                    threshold=query.threshold,
                    max_candidates=query.max_candidates,
                    largest_only=query.largest_only,
                )
            case EnrolQuery(person=person):
                return Enrol(image=keys[0], collection=self._collection, photo_sha256=self._photo_sha256, person=person)
