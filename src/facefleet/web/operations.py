"""What an operator sees and does: the queue, its dead letters, the stored objects.

Deleting is asked for twice: without `confirm=true` the answer says what would go, and how much.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from facefleet.core.jobs import DeadLetter
from facefleet.ports import ObjectStore
from facefleet.usecases import housekeeping
from facefleet.web.paging import Deleted, Listing, PageQuery, listing
from facefleet.web.parameters import Parameters
from facefleet.web.room import RoomGiven

router = APIRouter(tags=["operations"])


class QueueJson(BaseModel):
    """How many jobs wait, are worked on and were given up."""

    visible: int
    in_flight: int
    dead: int
    oldest_age_s: float


class DeadLetterJson(BaseModel):
    """A job that was given up, and why."""

    job_id: str
    kind: str
    created: datetime
    died: datetime
    receives: int
    reason: str


class Redrive(BaseModel):
    """Which dead letters to queue anew."""

    model_config = ConfigDict(extra="forbid")

    job_ids: list[UUID] | Literal["all"] = Field(max_length=1000)


class Redriven(BaseModel):
    """How many were queued anew."""

    redriven: int


class ConfirmQuery(Parameters):
    """Whether it is meant."""

    confirm: bool = Field(default=False, description="Without it nothing is deleted.")


class DeadQuery(PageQuery):
    """Which dead letters to list."""

    after: str | None = Field(default=None, max_length=255, description="`next_after` of the page before.")


@router.get("/v1/queue")
async def get_queue(room: RoomGiven) -> QueueJson:
    """Count the jobs in the queue."""
    counts = await room.service.queue.counts()
    return QueueJson(
        visible=counts.visible,
        in_flight=counts.in_flight,
        dead=counts.dead,
        oldest_age_s=round(counts.oldest_age_s, 3),
    )


@router.delete("/v1/queue")
async def purge_queue(request: Request, room: RoomGiven, query: Annotated[ConfirmQuery, Query()]) -> Deleted:
    """Cancel every job that has no answer, dead letters too."""
    if not query.confirm:
        counts = await room.service.queue.counts()
        jobs = counts.visible + counts.in_flight + counts.dead
        raise _unconfirmed(request, f"cancel {jobs} jobs without an answer, {counts.dead} dead letters among them")
    return Deleted(deleted=await room.service.queue.purge())


@router.get("/v1/queue/dead")
async def list_dead_letters(room: RoomGiven, query: Annotated[DeadQuery, Query()]) -> Listing[DeadLetterJson]:
    """List the jobs that were given up, oldest first."""
    return listing(await room.service.queue.dead_letters(limit=query.limit, after=query.after), _dead_letter_json)


@router.post("/v1/queue/dead/redrive")
async def redrive(which: Redrive, room: RoomGiven) -> Redriven:
    """Queue dead letters anew: those named, or `"all"`."""
    job_ids = None if which.job_ids == "all" else [str(job_id) for job_id in which.job_ids]
    return Redriven(redriven=await room.service.queue.redrive(job_ids))


@router.delete("/v1/objects/{kind}")
async def delete_objects(
    kind: Literal["inputs", "outputs"], request: Request, room: RoomGiven, query: Annotated[ConfirmQuery, Query()]
) -> Deleted:
    """Delete all photos that were sent (`inputs`) or all answers that are kept (`outputs`); crops stay."""
    store = room.service.store
    if not query.confirm:
        raise _unconfirmed(request, f"delete {await _count(store, f'{kind}/')} objects under {kind}/")
    return Deleted(deleted=await housekeeping.clear(store, f"{kind}/"))


def _unconfirmed(request: Request, what: str) -> HTTPException:
    return HTTPException(400, f"This would {what}. To do so, send DELETE {request.url.path}?confirm=true.")


async def _count(store: ObjectStore, prefix: str) -> int:
    return sum([1 async for _ in store.keys(prefix)])


def _dead_letter_json(letter: DeadLetter) -> DeadLetterJson:
    return DeadLetterJson(
        job_id=letter.job_id,
        kind=letter.kind,
        created=_time(letter.created_s),
        died=_time(letter.died_s),
        receives=letter.receives,
        reason=letter.reason,
    )


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
