"""Recognising while the client waits: identify, verify, detect.

A worker's answer is passed on byte for byte; the models of `core/answers.py` only describe it. Whoever hangs up
withdraws the request.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from facefleet.core.answers import DetectAnswer, IdentifyAnswer, VerifyAnswer
from facefleet.core.jobs import Job
from facefleet.web.connection import while_connected
from facefleet.web.parameters import (
    DetectQuery,
    IdentifyQuery,
    RecognitionQuery,
    TaskMaker,
    VerifyQuery,
    form_fields,
)
from facefleet.web.photos import form_schema
from facefleet.web.room import Room, RoomGiven

router = APIRouter(tags=["recognition"])


@router.post("/v1/identify", response_model=IdentifyAnswer, openapi_extra=form_schema("image"))
async def identify(request: Request, room: RoomGiven, query: Annotated[IdentifyQuery, Query()]) -> Response:
    """Say who is in a photo: each face is searched in a collection (1:N)."""
    return _json(await recognise(request, room, query))


@router.post("/v1/verify", response_model=VerifyAnswer, openapi_extra=form_schema("source", "target"))
async def verify(request: Request, room: RoomGiven, query: Annotated[VerifyQuery, Query()]) -> Response:
    """Say whether two photos show the same person (1:1): the source's largest face against each of the target's."""
    return _json(await recognise(request, room, query))


@router.post("/v1/detect", response_model=DetectAnswer, openapi_extra=form_schema("image"))
async def detect(request: Request, room: RoomGiven, query: Annotated[DetectQuery, Query()]) -> Response:
    """Find the faces in a photo."""
    return _json(await recognise(request, room, query))


async def recognise(request: Request, room: Room, query: RecognitionQuery) -> bytes:
    """Read the photos of a request, have them recognised, and return the worker's answer, UTF-8 JSON.

    Raises:
        FacefleetError: the upload is not as it should be, or what the worker answered.
        ClientDisconnect: the client hung up; the job is withdrawn.
    """
    async with room.uploads.photos(request, *form_fields(query)) as photos:
        job = await accept(room, query, photos)
    return await answer(request, room, job)


async def accept(room: Room, query: RecognitionQuery, photos: Sequence[bytes]) -> Job:
    """Store the photos of a request whose client will wait."""
    settings = room.service.settings
    return await room.service.intake.accept(
        photos,
        TaskMaker(query, photos, collection=settings.collection),
        wait_s=settings.request_timeout_s,
        lane=query.lane,
    )


async def answer(request: Request, room: Room, job: Job) -> bytes:
    """Queue an accepted job and wait for its answer, as long as the client does."""
    body = await while_connected(request.receive, room.service.intake.answer(job))
    room.metrics.observe_answer(body)
    return body


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
