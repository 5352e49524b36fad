"""The fleet as an operator sees it: who works, what was decided and why, what it costs."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from facefleet.core.fleet import Worker, WorkerState
from facefleet.ports import Recorded, Roster
from facefleet.usecases.spending import HOW_TO_PRICE, spending
from facefleet.web.parameters import Parameters
from facefleet.web.room import RoomGiven

router = APIRouter(tags=["operations"])

_LINES = "application/x-ndjson"
_LINES_AT_ONCE = 500


class WorkerJson(BaseModel):
    """A worker and what it does."""

    id: str
    state: WorkerState
    since: datetime
    jobs: tuple[str, ...] = Field(description="Ids of the jobs it works on.")
    idle_since: datetime | None


class FleetJson(BaseModel):
    """The fleet as the controller last saw it."""

    workers: tuple[WorkerJson, ...]
    looked_s_ago: float | None = Field(
        description="Since a controller last looked at the fleet; null if none has, or none since the database crashed."
    )


class DecisionJson(BaseModel):
    """What the controller decided, from which numbers, and why."""

    at: datetime
    start: int
    drain: tuple[str, ...]
    reason: str
    seen: dict[str, float]


class DecisionsJson(BaseModel):
    """Decisions, newest first."""

    decisions: tuple[DecisionJson, ...]


class CostJson(BaseModel):
    """What the workers cost, in the currency of the prices; null where a price is unknown or nothing was measured."""

    workers: int = Field(description="Workers that are paid for now.")
    per_hour: float | None = Field(description="What they cost an hour.")
    since: datetime | None = Field(description="When the next three averages begin: up to a day ago.")
    per_1000: float | None = Field(description="Cost of 1,000 photos.")
    per_month: float | None = Field(
        description="Projection to a month of 730 hours; at first, of the workers that are there now."
    )
    managed_per_month: float | None = Field(description="The same for a managed face API; null at first.")
    worker_hours: float = Field(description="Worker time charged since the beginning.")
    answered: int = Field(description="Requests answered since the beginning, a photo each as a rule.")
    total: float | None = Field(description="Cost since the beginning, at today's price.")
    managed_total: float = Field(description="What a managed face API would have cost for the same photos.")
    looked_s_ago: float | None = Field(
        description="Since a controller last looked at the fleet: as old is what is said of the workers there now."
    )
    note: str | None = Field(description="What to set so that nothing is null.")


class DecisionsQuery(Parameters):
    """Which decisions."""

    limit: int = Field(default=100, ge=1, le=1000)
    acting_only: bool = Field(default=False, description="Leave out readings with nobody to start or drain.")


@router.get("/v1/fleet")
async def get_fleet(room: RoomGiven) -> FleetJson:
    """List the workers."""
    roster = room.service.roster
    workers = tuple(_worker_json(worker) for worker in await roster.workers())
    return FleetJson(workers=workers, looked_s_ago=await roster.published_age_s())


@router.get("/v1/fleet/decisions")
async def list_decisions(room: RoomGiven, query: Annotated[DecisionsQuery, Query()]) -> DecisionsJson:
    """List the controller's latest decisions, newest first."""
    latest = await room.service.roster.decisions(limit=query.limit, acting_only=query.acting_only)
    return DecisionsJson(
        decisions=tuple(
            DecisionJson(
                at=_time(at_s), start=decision.start, drain=decision.drain, reason=decision.reason, seen=dict(seen)
            )
            for at_s, decision, seen in latest
        )
    )


@router.get("/v1/fleet/history", response_class=StreamingResponse, responses={200: {"content": {_LINES: {}}}})
async def stream_history(room: RoomGiven) -> StreamingResponse:
    """Stream all decisions that are kept, two weeks or more as a rule, oldest first: JSON lines for the simulator."""
    lines = _lines(room.service.roster)
    first = await anext(lines)  # a database that is away is told by the status, which nothing can change afterwards
    return StreamingResponse(_joined(first, lines), media_type=_LINES)


@router.get("/v1/fleet/cost")
async def get_cost(room: RoomGiven) -> CostJson:
    """Say what the workers cost, now and on average, and what a managed face API would have cost."""
    service = room.service
    cost = await spending(service.queue, service.roster, service.settings, now_s=service.now_s())
    return CostJson(
        workers=cost.workers,
        per_hour=_rounded(cost.per_h),
        since=None if cost.since_s is None else _time(cost.since_s),
        per_1000=_rounded(cost.per_1000),
        per_month=_rounded(cost.per_month),
        managed_per_month=_rounded(cost.managed_per_month),
        worker_hours=round(cost.worker_s / 3600, 4),
        answered=int(cost.answered),
        total=_rounded(cost.total),
        managed_total=_digits(cost.managed_total),
        looked_s_ago=await service.roster.published_age_s(),
        note=HOW_TO_PRICE if cost.per_h is None else None,
    )


async def _lines(roster: Roster) -> AsyncIterator[str]:
    """Yield some lines at a time: a chunk for each would cost more than what is in it."""
    lines: list[str] = []
    async for recorded in roster.history():
        lines.append(_line(recorded))
        if len(lines) == _LINES_AT_ONCE:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


async def _joined(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for lines in rest:
        yield lines


def _line(recorded: Recorded) -> str:
    at_s, decision, seen = recorded
    document = {
        "at_s": at_s,
        "start": decision.start,
        "drain": decision.drain,
        "reason": decision.reason,
        "seen": dict(seen),
    }
    return json.dumps(document) + "\n"


def _worker_json(worker: Worker) -> WorkerJson:
    return WorkerJson(
        id=worker.worker_id,
        state=worker.state,
        since=_time(worker.since_s),
        jobs=worker.jobs,
        idle_since=None if worker.idle_since_s is None else _time(worker.idle_since_s),
    )


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else _digits(amount)


def _digits(amount: float) -> float:
    """To four decimals, or six digits if there are fewer: a second of a worker can cost a millionth."""
    return round(amount, 4) if amount >= 1 else float(f"{amount:.6g}")


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
