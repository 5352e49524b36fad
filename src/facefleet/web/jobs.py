"""Recognising without waiting on the line: 202, and a place where the answer will be."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import Response

from facefleet.core.answers import DetectAnswer, EnrolAnswer, IdentifyAnswer, SearchAnswer, VerifyAnswer
from facefleet.core.jobs import JobState, JobStatus, Lane, no_answer
from facefleet.web.connection import while_connected
from facefleet.web.head import is_head
from facefleet.web.parameters import (
    CollectionId,
    DetectQuery,
    EnrolQuery,
    IdentifyQuery,
    Parameters,
    PersonName,
    RecognitionQuery,
    Similarity,
    TaskMaker,
    VerifyQuery,
    form_fields,
)
from facefleet.web.room import RoomGiven

router = APIRouter(tags=["jobs"])


class Kind(StrEnum):
    """What a job that is sent here can ask for."""

    IDENTIFY = "identify"
    DETECT = "detect"
    VERIFY = "verify"
    ENROL = "enrol"


_QUERIES: dict[Kind, type[RecognitionQuery]] = {
    Kind.IDENTIFY: IdentifyQuery,
    Kind.DETECT: DetectQuery,
    Kind.VERIFY: VerifyQuery,
    Kind.ENROL: EnrolQuery,
}
_FORM = {
    "type": "object",
    "properties": {name: {"type": "string", "format": "binary"} for name in ("image", "source", "target")},
    "description": "`image`; for `verify` both `source` and `target`.",
}


class JobQuery(Parameters):
    """What the job asks for, when at the latest, and the parameters of that kind of request."""

    kind: Kind
    deadline_s: float | None = Field(
        default=None, gt=0, le=1e7, description="Drop the job if it is not answered by then."
    )
    lane: Lane | None = Field(default=None, description="Default: `bulk`, behind those who wait on the line.")
    collection: CollectionId | None = Field(default=None, description="identify, enrol")
    threshold: Similarity | None = Field(default=None, description="identify, verify")
    max_candidates: int | None = Field(default=None, ge=1, le=100, description="identify")
    largest_only: bool | None = Field(default=None, description="identify")
    person: PersonName | None = Field(default=None, description="enrol")

    def recognition(self) -> RecognitionQuery:
        """Return the parameters as those of the request that waits.

        Raises:
            RequestValidationError: one of them means nothing to this kind, or is missing.
        """
        given = {"lane": Lane.BULK} | self.model_dump(exclude={"kind", "deadline_s"}, exclude_none=True)
        try:
            return _QUERIES[self.kind].model_validate(given)
        except ValidationError as error:
            where = {"where": f" with kind={self.kind}"}
            raise RequestValidationError(
                [{**one, "loc": ("query", *one["loc"]), "ctx": where} for one in error.errors()]
            ) from error


class WaitQuery(Parameters):
    """How long to wait for the job's end."""

    wait_s: float = Field(default=0.0, ge=0, description="Longest wait; the service's `request_timeout_s` is the most.")


class Submitted(BaseModel):
    """A job that is queued, safe from a power cut."""

    job_id: str
    kind: Kind
    state: JobState
    created: datetime


class JobProblem(BaseModel):
    """Why a job has no answer."""

    code: str
    detail: str


class JobJson(BaseModel):
    """Where a job is; once it is done, `answer` or `error` says what came of it."""

    job_id: str
    kind: str = Field(description="identify, detect, verify, enrol; or search, by the Rekognition interface alone.")
    state: JobState
    created: datetime
    receives: int = Field(description="How often a worker has taken it.")
    error: JobProblem | None = None
    answer: DetectAnswer | IdentifyAnswer | VerifyAnswer | EnrolAnswer | SearchAnswer | None = None


@router.post(
    "/v1/jobs",
    status_code=202,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def submit(
    request: Request, response: Response, room: RoomGiven, query: Annotated[JobQuery, Query()]
) -> Submitted:
    """Queue a recognition and return at once."""
    recognition = query.recognition()
    intake = room.service.intake
    async with room.uploads.photos(request, *form_fields(recognition)) as photos:
        make_task = TaskMaker(recognition, photos, collection=room.service.settings.collection)
        job = await intake.submit(photos, make_task, lane=recognition.lane, deadline_s=query.deadline_s)
    response.headers["location"] = f"/v1/jobs/{job.job_id}"
    created = datetime.fromtimestamp(job.created_s, UTC)
    return Submitted(job_id=job.job_id, kind=query.kind, state=JobState.QUEUED, created=created)


@router.get("/v1/jobs/{job_id}", response_model=JobJson)
async def get_job(job_id: UUID, request: Request, room: RoomGiven, query: Annotated[WaitQuery, Query()]) -> Response:
    """Return where a job is and, once it is done, its answer; with `wait_s`, wait for that."""
    service = room.service
    longest_s = service.settings.request_timeout_s
    if query.wait_s > longest_s:
        wrong = {"type": "too_long", "loc": ("query", "wait_s"), "msg": f"Wait at most {longest_s:g} s"}
        raise RequestValidationError([wrong | {"input": query.wait_s}])
    status = await while_connected(request.receive, service.queue.status(str(job_id), wait_s=query.wait_s))
    if status.state is not JobState.DONE or is_head(request.scope):
        return Response(_body(status), media_type="application/json")
    # With retention 0 the answer goes once it has been sent; not before, or a broken line would lose it.
    erase = BackgroundTask(service.intake.fetched, status.job_id)
    return Response(_body(status), media_type="application/json", background=erase)


@router.delete("/v1/jobs/{job_id}", status_code=204)
async def cancel_job(job_id: UUID, room: RoomGiven) -> None:
    """Withdraw a job that has no answer yet."""
    if not await room.service.queue.cancel(str(job_id)):
        status = await room.service.queue.status(str(job_id))
        raise HTTPException(409, f"Job {job_id} has ended ({status.state}) and cannot be cancelled.")
    await room.service.intake.fetched(str(job_id))


def _body(status: JobStatus) -> bytes:
    """Return the document with the worker's answer spliced in as it is."""
    document = JobJson(
        job_id=status.job_id,
        kind=status.kind,
        state=status.state,
        created=datetime.fromtimestamp(status.created_s, UTC),
        receives=status.receives,
        error=_problem(status),
    )
    head = document.model_dump_json(exclude={"answer"}).encode()
    answer = status.answer.body if status.answer and status.answer.body else b"null"
    return head[:-1] + b',"answer":' + answer + b"}"


def _problem(status: JobStatus) -> JobProblem | None:
    """Return why there is no answer, if there will be none."""
    if status.answer is not None:
        return JobProblem(**status.answer.error) if status.answer.error else None
    if status.state is JobState.DEAD:
        tried = f"It was tried {status.receives} times; GET /v1/queue/dead says what became of it."
        return JobProblem(**no_answer(status.state, tried).to_dict())
    if status.state in {JobState.EXPIRED, JobState.CANCELLED}:
        return JobProblem(**no_answer(status.state).to_dict())
    return None
