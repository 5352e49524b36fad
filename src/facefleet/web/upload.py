"""`POST /` as the load generators of the cloud-computing course send it: a photo in a form, the bare label back.

Field `myfile` (2021-22): the label. Field `inputFile` (2024 on): `<file name without extension>:<label>`, which they
split at the colon. Errors are one sentence of text and never status 200 (`problems.response`).
"""

import json
from pathlib import PurePosixPath

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse

from facefleet.core.names import is_printable
from facefleet.errors import InvalidInput
from facefleet.usecases.filing import file_by_name
from facefleet.web.parameters import IdentifyQuery
from facefleet.web.photos import Photo
from facefleet.web.recognition import accept, answer
from facefleet.web.room import RoomGiven

router = APIRouter(tags=["upload"])

UNKNOWN = "unknown"
NO_FACE = "no face"

_FIELDS = ("myfile", "inputFile")
_WANTED = "Send multipart/form-data with one photo in the field `myfile` or `inputFile` (curl -F myfile=@photo.jpg)."
_FORM = {
    "type": "object",
    "properties": {name: {"type": "string", "format": "binary"} for name in _FIELDS},
    "description": "One of the two.",
}


@router.post(
    "/",
    response_class=PlainTextResponse,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload(request: Request, room: RoomGiven) -> PlainTextResponse:
    """Say in one word who is in a photo: the person of the largest face, `unknown`, or `no face`."""
    async with room.uploads.form(request, _FIELDS, wanted=_WANTED) as parts:
        photo = _only_photo(parts)
        filename, field = photo.filename or "", photo.name
        job = await accept(room, IdentifyQuery(largest_only=True), [bytes(photo.data)])
        parts.clear()
        del photo
    found = label(await answer(request, room, job))
    settings = room.service.settings
    if settings.key_naming == "filename" and settings.retention_days > 0:
        await file_by_name(room.service.store, job, stem=stem(filename), suffix=suffix(filename), label=found)
    return PlainTextResponse(f"{stem(filename)}:{found}" if field == "inputFile" else found)


def label(body: bytes) -> str:
    """Return whom an `IdentifyAnswer` names, on one line and without a colon."""
    faces = json.loads(body)["faces"]
    if not faces:
        return NO_FACE
    return _one_word(faces[0]["person"] or UNKNOWN)


def stem(filename: str) -> str:
    """Return a file's name without folders and its last extension, on one line and without a colon."""
    name = _one_word(PurePosixPath(filename.replace("\\", "/")).stem)
    return "photo" if name in ("", "..") else name


def suffix(filename: str) -> str:
    """Return a file's last extension with its dot, on one line; empty if it has none."""
    return _one_word(PurePosixPath(filename.replace("\\", "/")).suffix)


def _one_word(text: str) -> str:
    """Keep what has a meaning between two colons of one line; a colon becomes `_`."""
    return "".join(filter(is_printable, text)).replace(":", "_").strip()


def _only_photo(parts: list[Photo]) -> Photo:
    photos = [part for part in parts if part.name in _FIELDS]
    if len(photos) != 1:
        got = " and ".join(f"`{part.name[:40]}`" for part in parts) or "none"
        raise InvalidInput(f"{_WANTED} Got {got}.")
    return photos[0]
