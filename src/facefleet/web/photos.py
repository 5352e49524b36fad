"""Reading photos out of multipart forms (RFC 7578), in one place and within bounds.

`python-multipart` finds the parts; they stay in memory, since a photo is at most some MiB and goes to the store at
once. Starlette's own form parser spools each file to disk through a thread and has no limit on a file. Bounded here:
bytes a photo, bytes of all uploads in progress together, and parts a form; the time a sender may take is in `guard`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from facefleet.errors import ImageTooLarge, InvalidInput, Overloaded

_MAX_PARTS = 8
_MAX_HEADER_BYTES = 1024


@dataclass(slots=True)
class Photo:
    """One file of a form.

    Attributes:
        filename: as the sender gave it, unchecked; None if the part is a text field.
    """

    name: str
    filename: str | None
    data: bytearray = field(default_factory=bytearray, repr=False)


class Uploads:
    """The room for photos on their way in, shared by all requests.

    Args:
        max_image_bytes: longest photo.
        max_bytes: of all uploads in progress together; who comes then is told to try again.
    """

    def __init__(self, *, max_image_bytes: int, max_bytes: int) -> None:
        self._max_image_bytes = max_image_bytes
        self._left = max_bytes

    @asynccontextmanager
    async def photos(self, request: Request, *fields: str) -> AsyncIterator[list[bytes]]:
        """Read a form that has exactly these fields, each a file; yields their bytes in that order.

        The list is emptied on leaving the block, so that nobody who waits for an answer holds a photo.

        Raises:
            InvalidInput: a field is missing, unknown or given twice, or the form is damaged.
            ImageTooLarge: a file is longer than allowed.
            Overloaded: too many uploads at this moment.
        """
        async with self.form(request, fields, wanted=_wanted(fields)) as parts:
            names = [part.name for part in parts]
            if sorted(names) != sorted(fields):
                raise InvalidInput(f"{_wanted(fields)} {_got(names)}")
            photos = [bytes(next(part.data for part in parts if part.name == name)) for name in fields]
            parts.clear()
            try:
                yield photos
            finally:
                photos.clear()

    @asynccontextmanager
    async def form(self, request: Request, fields: Sequence[str], *, wanted: str) -> AsyncIterator[list[Photo]]:
        """Read a form and yield its parts; only those in `fields` carry data. Errors as for `photos`.

        Args:
            wanted: the sentence for whoever sends no form, which says what to send.
        """
        form = _Form(_boundary(request, wanted), fields, self._max_image_bytes)
        async with self._received(request, form.feed):
            form.close()
            yield form.parts

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body that is no form, whole. Errors as for `photos`."""
        chunks: list[bytes] = []
        async with self._received(request, chunks.append):
            body = b"".join(chunks)
            chunks.clear()
            yield body

    @asynccontextmanager
    async def _received(self, request: Request, take: Callable[[bytes], None]) -> AsyncIterator[None]:
        """Hand over all bytes of a body, and count them as in progress until the block ends."""
        taken = 0
        try:
            async for chunk in request.stream():
                taken += len(chunk)
                self._left -= len(chunk)
                if self._left < 0:
                    raise Overloaded("Too many photos are being sent at this moment; try again.")
                take(chunk)
            yield
        finally:
            self._left += taken


class _Form:
    """Collects the parts of one form as its bytes arrive."""

    def __init__(self, boundary: bytes, fields: Sequence[str], max_part_bytes: int) -> None:
        self.parts: list[Photo] = []
        self._fields = fields
        self._max_part_bytes = max_part_bytes
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._wanted = False
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_header_name,
                    "on_header_value": self._add_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
                max_header_size=_MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise InvalidInput("The form's boundary is longer than RFC 2046 allows.") from error

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidInput("The body is no well-formed multipart/form-data.") from error

    def close(self) -> None:
        """Say that the body is over."""
        if not self._ended:
            raise InvalidInput("The form ends in the middle; send it whole, with its last boundary.")

    def _begin_part(self) -> None:
        if len(self.parts) == _MAX_PARTS:
            raise InvalidInput(f"The form has more than {_MAX_PARTS} fields.")
        self._disposition = b""

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        filename = options.get(b"filename")
        part = Photo(
            name=options.get(b"name", b"").decode(errors="replace"),
            filename=None if filename is None else filename.decode(errors="replace"),
        )
        self._wanted = part.name in self._fields
        self.parts.append(part)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if not self._wanted:
            return
        part = self.parts[-1].data
        if len(part) + end - start > self._max_part_bytes:
            raise ImageTooLarge(
                f"The photo has more than {self._max_part_bytes / 2**20:.0f} MiB ({self._max_part_bytes:,} bytes), "
                "the longest that is read; send a smaller one."
            )
        part += data[start:end]

    def _end(self) -> None:
        self._ended = True


def form_schema(*fields: str) -> dict[str, Any]:
    """Return the OpenAPI description of a form with these files, for `openapi_extra=`."""
    schema = {
        "type": "object",
        "required": list(fields),
        "properties": {name: {"type": "string", "format": "binary"} for name in fields},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _boundary(request: Request, wanted: str) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise HTTPException(415, f"{wanted} Got {request.headers.get('content-type', 'no form')[:80]!r}.")
    return options[b"boundary"]


def _wanted(fields: Sequence[str]) -> str:
    example = " ".join(f"-F {name}=@photo.jpg" for name in fields)
    holding = "holding" if len(fields) == 1 else "each holding"
    return f"Send multipart/form-data with the {_named(fields)}, {holding} one photo (curl {example})."


def _got(names: Sequence[str]) -> str:
    return f"Got the {_named(names)}." if names else "Got a form without fields."


def _named(names: Sequence[str]) -> str:
    quoted = " and ".join(f"`{name[:40]}`" for name in names)
    return f"field {quoted}" if len(names) == 1 else f"fields {quoted}"
