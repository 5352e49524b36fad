"""What members of a request may hold: the constraints of Rekognition's model, as types.

SDKs check presence, type and lower bounds only, so everything is checked here again.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_pascal
from pydantic_core import ErrorDetails, from_json

from facefleet.core.names import has_place_in_url
from facefleet.core.shortcomings import QualityFilter
from facefleet.web.rekognition.refusals import Refusal, invalid

_TAG_CATEGORIES = frozenset("LZN")
_TAG_PUNCTUATION = frozenset("_.:/=+-@")


def _tag_text(text: str) -> str:
    if not all(unicodedata.category(one)[0] in _TAG_CATEGORIES or one in _TAG_PUNCTUATION for one in text):
        raise ValueError("Member must hold letters, digits, spaces and _.:/=+-@ only")
    return text


def _tag_key(text: str) -> str:
    if text.startswith("aws:"):
        raise ValueError("Member must not begin with aws:")
    return _tag_text(text)


def _no_path(name: str) -> str:
    if not has_place_in_url(name):
        raise ValueError("Member must not be . or .., which are other places in a URL of version 1")
    return name


def _pattern(pattern: str, least: int, most: int) -> StringConstraints:
    return StringConstraints(pattern=rf"\A(?:{pattern})\z", min_length=least, max_length=most)


_COLLECTION_ID = r"[a-zA-Z0-9_.\-]+"

CollectionId = Annotated[str, _pattern(_COLLECTION_ID, 1, 255)]
ExternalImageId = Annotated[str, _pattern(r"[a-zA-Z0-9_.\-:]+", 1, 255)]
UserId = Annotated[str, _pattern(r"[a-zA-Z0-9_.\-:]+", 1, 128)]
# Of what is made; what earlier versions let be made under such a name can still be listed and deleted.
NewCollectionId = Annotated[CollectionId, AfterValidator(_no_path)]
NewUserId = Annotated[UserId, AfterValidator(_no_path)]
FaceId = Annotated[str, _pattern("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", 36, 36)]
ClientRequestToken = Annotated[str, _pattern("[a-zA-Z0-9_-]+", 1, 64)]
Bucket = Annotated[str, _pattern(r"[0-9A-Za-z.\-_]*", 3, 255)]
Arn = Annotated[str, StringConstraints(min_length=20, max_length=2048)]
TagKey = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_tag_key)]
TagValue = Annotated[str, StringConstraints(max_length=256), AfterValidator(_tag_text)]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=200)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
MaxMatches = Annotated[int, Field(ge=1, le=4096)]
MaxUsers = Annotated[int, Field(ge=1, le=500)]
PageSize = Annotated[int, Field(ge=0, le=4096)]
Attribute = Literal[
    "DEFAULT", "ALL", "AGE_RANGE", "BEARD", "EMOTIONS", "EYE_DIRECTION", "EYEGLASSES", "EYES_OPEN", "GENDER",
    "MOUTH_OPEN", "MUSTACHE", "FACE_OCCLUDED", "SMILE", "SUNGLASSES",
]  # fmt: skip
Filter = Literal["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]


class Members(BaseModel):
    """The members of a structure; those that the model does not know are ignored, as AWS does."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="ignore", strict=True, frozen=True)


class S3Object(Members):
    """An object of a bucket."""

    bucket: Bucket | None = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    version: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None


class Image(Members):
    """A photo: its bytes in base64, or where it lies."""

    bytes_: str | None = Field(None, alias="Bytes", repr=False)
    s3_object: S3Object | None = Field(None, alias="S3Object")


R = TypeVar("R", bound=Members)

# AWS's sentences, by pydantic's error types.
_CONSTRAINTS = {
    "missing": "Member must not be null",
    "string_pattern_mismatch": "Member must satisfy regular expression pattern: {pattern}",
    "string_too_short": "Member must have length greater than or equal to {min_length}",
    "string_too_long": "Member must have length less than or equal to {max_length}",
    "too_short": "Member must have length greater than or equal to {min_length}",
    "too_long": "Member must have length less than or equal to {max_length}",
    "greater_than_equal": "Member must have value greater than or equal to {ge:g}",
    "less_than_equal": "Member must have value less than or equal to {le:g}",
    "literal_error": "Member must satisfy enum value set: {expected}",
}


def read(shape: type[R], body: bytes) -> R:
    """Read a request.

    Raises:
        Refusal: it is no JSON object, or a member is of a wrong type, missing or not allowed.
    """
    try:
        document = from_json(body) if body else {}
    except ValueError as error:
        raise Refusal("SerializationException", "The body is no JSON.") from error
    if not isinstance(document, dict):
        raise Refusal("SerializationException", "The body must be a JSON object.")
    try:
        return shape.model_validate(_without_nulls(document))
    except ValidationError as error:
        raise _refusal(error) from error


def is_collection_id(text: str) -> bool:
    """Tell whether a collection may have this name."""
    return re.fullmatch(_COLLECTION_ID, text) is not None


def quality_filter(given: Filter) -> QualityFilter:
    """Return the filter of that name."""
    return QualityFilter(given.lower())


def _without_nulls(document: Mapping[str, Any]) -> dict[str, Any]:
    """Drop members that are null, which means absent, at every depth."""
    return {
        name: _without_nulls(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if value is not None
    }


def _refusal(error: ValidationError) -> Refusal:
    details = error.errors(include_url=False, include_context=True, include_input=False)
    wrong_types = [detail for detail in details if _is_type(detail["type"])]
    if wrong_types:
        where = _member(wrong_types[0])
        return Refusal("SerializationException", f"{where} is of a wrong type: {wrong_types[0]['msg']}.")
    noun = "error" if len(details) == 1 else "errors"
    found = "; ".join(f"Value at '{_member(detail)}' failed to satisfy constraint: {_constraint(detail)}"
                      for detail in details[:10])  # fmt: skip
    return invalid(f"{len(details)} validation {noun} detected: {found}")


def _is_type(kind: str) -> bool:
    """Tell whether pydantic's error is about a JSON type rather than a value (`int_type`, `model_type`, …)."""
    return kind.endswith(("_type", "_unicode"))


def _member(detail: ErrorDetails) -> str:
    """Return the member's path as AWS writes it: `image.s3Object.bucket`, `faceIds.1.member`."""
    parts = []
    for part in detail["loc"]:
        if isinstance(part, int):
            parts += [str(part + 1), "member"]
        else:
            parts.append(part[:1].lower() + part[1:80])
    return ".".join(parts)


def _constraint(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    template = _CONSTRAINTS.get(detail["type"])
    if template is None:
        return detail["msg"].removeprefix("Value error, ")
    return template.format(**context | {"pattern": _plain(context.get("pattern", ""))})


def _plain(pattern: str) -> str:
    found = re.fullmatch(r"\\A\(\?:(.*)\)\\z", pattern)
    return found[1] if found else pattern
