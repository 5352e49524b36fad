"""Errors as RFC 9457 problem documents, and as one plain sentence on `/`, whose clients (the course's) read text.

`type` is always `about:blank`, so `title` is the status's own phrase and `code` says which error it is: the class in
`errors.py`, or the phrase run together (`MethodNotAllowed`) where HTTP itself is the matter.
"""

import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facefleet import errors

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

# The nearest class of the error's ancestry decides.
# 400: the request is badly made. 422: it is well made, but what is in it cannot be used (RFC 9110 keeps 415 for what
# the Content-Type says). 503 promises that the same request may succeed later, and says when.
STATUS: dict[type[errors.FacefleetError], int] = {
    errors.InvalidInput: 400,
    errors.InvalidImage: 422,
    errors.ImageTooLarge: 413,
    errors.NoFace: 422,
    errors.SeveralFaces: 422,
    errors.FaceTooSmall: 422,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.IncompatibleTemplates: 409,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.Cancelled: 409,
    errors.FacefleetError: 500,
}

# RFC 9110's phrases where Python before 3.13 has those of its predecessor.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}

_QUIET_S = 60.0

# Nobody reads this one; nginx's number for it keeps the metrics honest.
CLIENT_CLOSED_REQUEST = 499


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


# For `responses=` of routes.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What was wrong, and what would be right",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_exception_handler(errors.FacefleetError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


def status_of(error: errors.FacefleetError) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def response(
    path: str, status: int, detail: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the problem in the form that clients of this path read."""
    headers = {"cache-control": "no-store", **(headers or {})}
    if path == "/":
        return PlainTextResponse(f"{' '.join(detail.split())}\n", status, headers)
    title = _PHRASES.get(status) or HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail, code=code or title.replace(" ", ""))
    return JSONResponse(problem.model_dump(), status, headers, media_type=MEDIA_TYPE)


class Refused:
    """Says in the log that requests are told to come again later, and why the latest was: at once, then once a minute.

    Who runs the service learns of a full disk by that: clients have the reason, and keep it to themselves.
    """

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._requests = 0
        self._said_s = -math.inf

    def note(self, why: str) -> None:
        """Count one more."""
        self._requests += 1
        now_s = self._now_s()
        if now_s - self._said_s >= _QUIET_S:
            since = {} if math.isinf(self._said_s) else {"in_s": round(now_s - self._said_s)}
            log.warning("requests told to come again later", requests=self._requests, **since, latest=why)
            self._requests, self._said_s = 0, now_s


refused = Refused()


class UnexpectedErrors:
    """Answers 500 for what no handler knows, with an id under which the log has the whole story."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:  # the room's outer loop
            if scope["type"] != "http" or started:
                raise
            error_id = uuid.uuid4().hex
            log.exception("request failed", error_id=error_id, method=scope["method"], path=scope["path"])
            detail = f"Something went wrong on our side; the log has it under error id {error_id}."
            await response(scope["path"], 500, detail)(scope, receive, send)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.FacefleetError)
    headers = {"retry-after": str(error.retry_after_s)} if isinstance(error, errors.Unavailable) else {}
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error  # to UnexpectedErrors: its detail is for us, not for the client
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        refused.note(error.detail)
    return response(request.scope["path"], status, error.detail, code=type(error).__name__, headers=headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = "; ".join(_sentence(one) for one in error.errors())
    return response(request.scope["path"], 422, detail, code="InvalidRequest")


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if detail == HTTPStatus(error.status_code).phrase:  # the framework's own: say more
        method, path = request.scope["method"], request.scope["path"]
        detail = {
            404: f"There is nothing at {path}; /docs lists what there is.",
            405: f"{path} does not take {method}; /docs lists what there is.",
        }.get(error.status_code, detail)
    return response(request.scope["path"], error.status_code, detail, headers=error.headers)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    del request, error
    return Response(status_code=CLIENT_CLOSED_REQUEST)


# What pydantic says of a field as such; of its value it speaks well enough.
_PLAIN = {
    "extra_forbidden": "is not known here",
    "missing": "is missing",
    "json_invalid": "is no well-formed JSON",
    "uuid_parsing": "is no id of ours; take it from the answer that gave it",
}


def _sentence(error: Mapping[str, Any]) -> str:
    """Say in one clause which part of the request is wrong, and what would be right."""
    broken = error["type"] == "json_invalid"  # its second place is how far the text made sense
    where = _location(error["loc"][:1] if broken else error["loc"])
    if error["type"] in _PLAIN:
        return f"{where} {_PLAIN[error['type']]}{error.get('ctx', {}).get('where', '')}"
    got = error.get("input")
    shown = f" (got {str(got)[:60]!r})" if isinstance(got, str | int | float) else ""
    return f"{where}: {error['msg'].removeprefix('Value error, ')}{shown}"


def _location(loc: Sequence[str | int]) -> str:
    where, *names = (str(part) for part in loc)
    words = {"query": "query parameter", "path": "path parameter"}
    return " ".join((words.get(where, where), ".".join(names))).rstrip()
