"""`POST /` with `X-Amz-Target`: the AWS JSON 1.1 protocol over the web room.

A request is read, its signature verified, its members checked, its operation run. Whatever goes wrong on the way is
answered as AWS words it. Source: "AWS JSON 1.1 protocol", Smithy 2.0 specification.
"""

import json
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from facefleet.errors import FacefleetError, Unavailable
from facefleet.usecases.search import Searcher
from facefleet.usecases.service import Service
from facefleet.web.metrics import Metrics
from facefleet.web.photos import Uploads
from facefleet.web.problems import refused
from facefleet.web.rekognition.access import Access
from facefleet.web.rekognition.call import Backing, Call
from facefleet.web.rekognition.idempotency import once
from facefleet.web.rekognition.members import read
from facefleet.web.rekognition.operations import TARGET, operation
from facefleet.web.rekognition.paging import PagingTokens
from facefleet.web.rekognition.refusals import Refusal, internal, refusal_of
from facefleet.web.rekognition.shapes import Document
from facefleet.web.rekognition.sigv4 import SignedRequest

log = structlog.get_logger()

MEDIA_TYPE = "application/x-amz-json-1.1"


class _Route(NamedTuple):
    """What the metrics call a request by, as they do a route."""

    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Desk:
    """What lasts from call to call."""

    service: Service
    backing: Backing
    uploads: Uploads
    metrics: Metrics
    access: Access
    tokens: PagingTokens
    searcher: Searcher


class Rekognition:
    """Answers what is addressed to Rekognition and passes everything else on."""

    def __init__(self, app: ASGIApp, *, service: Service, backing: Backing, uploads: Uploads, metrics: Metrics) -> None:
        self._app = app
        self._desk = _Desk(
            service=service,
            backing=backing,
            uploads=uploads,
            metrics=metrics,
            access=Access(backing.keys, backing.vault, anonymous=backing.anonymous, now_s=backing.now_s),
            tokens=PagingTokens(backing.vault.derive("paging tokens"), now_s=backing.now_s),
            searcher=Searcher(gallery=service.gallery, calibration=backing.calibration),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if not _is_ours(scope):
            await self._app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        try:
            response = _answered(await _answer(self._desk, Request(scope, receive)))
        except ClientDisconnect:
            return
        except Refusal as refusal:
            response = _refused(refusal)
        except FacefleetError as error:
            if isinstance(error, Unavailable):
                refused.note(error.detail)
            response = _refused(refusal_of(error))
            if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                log.exception("request failed", request_id=request_id)
        except Exception:  # this interface's outer loop
            log.exception("request failed", request_id=request_id)
            response = _refused(internal())
        response.headers["x-amzn-requestid"] = request_id
        await response(scope, receive, send)


async def _answer(desk: _Desk, request: Request) -> Document:
    try:
        async with desk.uploads.body(request) as body:
            name, found = operation(request.headers["x-amz-target"])
            request.scope["route"] = _Route(TARGET + name)
            caller, grant, region = await desk.access.caller(_signed(request, body))
            members = read(found.shape, body)
    except HTTPException as error:
        code = (
            "ImageTooLargeException"
            if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            else "ThrottlingException"
        )
        raise Refusal(code, error.detail) from error
    del body
    call = Call(
        service=desk.service,
        metrics=desk.metrics,
        buckets=desk.backing.buckets,
        searcher=desk.searcher,
        tokens=desk.tokens,
        grant=grant,
        region=region,
        receive=request.receive,
    )
    return await once(desk.backing.receipts, caller, name, members, lambda: found.function(call, members))


def _signed(request: Request, body: bytes) -> SignedRequest:
    return SignedRequest(
        method="POST",
        path="/",
        query=request.scope["query_string"].decode("latin-1"),
        headers={name: ",".join(request.headers.getlist(name)) for name in request.headers},
        body=body,
    )


def _is_ours(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and scope["path"] == "/"
        and "x-amz-target" in Headers(scope=scope)
    )


def _answered(document: Document) -> Response:
    return Response(json.dumps(document, allow_nan=False), media_type=MEDIA_TYPE)


def _refused(refusal: Refusal) -> Response:
    body = {"__type": refusal.code, "Code": refusal.code, "Message": refusal.message}
    return Response(json.dumps(body), refusal.status, {"x-amzn-errortype": refusal.code}, MEDIA_TYPE)
