"""What machines ask about this node: does it live, can it serve, what are its numbers."""

import asyncio
import uuid
from collections.abc import Awaitable
from http import HTTPStatus

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from facefleet.core.fleet import WorkerState
from facefleet.errors import FacefleetError, Unavailable
from facefleet.usecases.service import Service
from facefleet.web.room import RoomGiven

router = APIRouter(tags=["health"])

# A part that takes longer is no help to anyone.
_PATIENCE_S = 3.0
# A controller that has not looked for this long is gone: it looks once a minute at least.
_SILENT_S = 180.0


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"


class Readiness(BaseModel):
    """Each part: `ok`, or why it is not."""

    ready: bool
    parts: dict[str, str]


@router.get("/healthz")
async def healthz() -> Alive:
    """Say that the process is alive, whatever else may be away."""
    return Alive()


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def readyz(room: RoomGiven) -> Response:
    """Say whether requests can be answered, and if not, which part is away."""
    service = room.service
    checks = {"database": _database(service), "store": _store(service), "workers": _workers(service)}
    parts = dict(zip(checks, await asyncio.gather(*map(_verdict, checks.values())), strict=True))
    ready = all(verdict == "ok" for verdict in parts.values())
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(Readiness(ready=ready, parts=parts).model_dump(), status)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(room: RoomGiven) -> Response:
    """Return the numbers for Prometheus."""
    text = await room.metrics.scrape(room.service)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


async def _verdict(check: Awaitable[None]) -> str:
    try:
        await asyncio.wait_for(check, _PATIENCE_S)
    except FacefleetError as error:
        return error.detail
    except TimeoutError:
        return f"It did not answer within {_PATIENCE_S:g} s."
    return "ok"


async def _database(service: Service) -> None:
    await service.queue.counts()
    await service.gallery.collections(limit=1)


async def _store(service: Service) -> None:
    key, probe = f"probes/{uuid.uuid4()}", b"ready?"
    await service.store.put(key, probe)
    found = await service.store.get(key)
    await service.store.delete([key])
    if found != probe:
        raise Unavailable("The store gave back something else than was put into it.")


async def _workers(service: Service) -> None:
    silent_s = await service.roster.published_age_s()
    if silent_s is None or silent_s > _SILENT_S:  # what a controller last saw says nothing; workers go on without it
        if await service.roster.reports():
            return
        if silent_s is not None:
            raise Unavailable(f"No worker reports, and no controller has looked at the fleet for {silent_s:.0f} s.")
    minimum = await service.roster.minimum()
    if (service.settings.min_workers if minimum is None else minimum) == 0:
        return  # the first request starts one
    workers = await service.roster.workers()
    if not any(worker.state is WorkerState.RUNNING for worker in workers):
        states = ", ".join(worker.state.value for worker in workers) or "none has been started"
        raise Unavailable(f"No worker is running ({states}).")
