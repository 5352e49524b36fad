"""What the handlers share, and how they come by it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from facefleet.usecases.service import Service
from facefleet.web.metrics import Metrics
from facefleet.web.photos import Uploads


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """The web room of one app."""

    service: Service
    uploads: Uploads
    metrics: Metrics


async def _room(request: Request) -> Room:  # async, because FastAPI runs plain functions in a thread
    room: Room = request.app.state.room
    return room


RoomGiven = Annotated[Room, Depends(_room)]
