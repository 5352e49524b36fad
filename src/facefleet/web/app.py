"""The web room as one ASGI app over a `Service`.

From the outside in a request passes `Measured` (metrics), `HeadAsGet` (HEAD), `Guard` (what is refused at the door),
`UnexpectedErrors` (500), `Rekognition` (AWS's protocol on `POST /`) and the routes. All middleware is plain ASGI:
Starlette's `BaseHTTPMiddleware` costs every request two more tasks.
"""

from importlib.metadata import version

from fastapi import FastAPI

from facefleet.usecases.service import Service
from facefleet.web import (
    collections,
    faces,
    fleet,
    guard,
    head,
    health,
    jobs,
    metrics,
    operations,
    page,
    problems,
    recognition,
    upload,
)
from facefleet.web.photos import Uploads
from facefleet.web.rekognition.app import Rekognition
from facefleet.web.rekognition.call import Backing
from facefleet.web.room import Room

# A form holds two photos at the most, a call of the Rekognition interface has them in base64, four bytes for three; the
# rest is part headers and boundaries, or names.
_PHOTOS_A_BODY = 2
_REST_BYTES = 2**16
# All uploads in progress together. 100 clients with photos of 5 MiB find room; ten thousand do not fill the memory.
_UPLOADS_BYTES = 512 * 2**20


def create_app(service: Service, backing: Backing | None = None) -> FastAPI:
    """Return the app; it starts nothing and owns nothing, so whoever made the service closes it.

    Args:
        backing: what the Rekognition interface needs; None serves version 1 alone.
    """
    settings = service.settings
    max_upload_bytes = _PHOTOS_A_BODY * settings.max_image_bytes * 4 // 3 + _REST_BYTES
    uploads = Uploads(
        max_image_bytes=settings.max_image_bytes,
        max_bytes=max(_UPLOADS_BYTES, max_upload_bytes),
    )
    room = Room(service=service, uploads=uploads, metrics=metrics.Metrics())

    app = FastAPI(
        title="facefleet",
        version=version("facefleet"),
        description="Face recognition as a service on an elastic fleet.",
        docs_url=None,
        redoc_url=None,
        responses=problems.RESPONSES,
    )
    app.state.room = room
    problems.install(app)
    for module in (recognition, collections, faces, jobs, operations, fleet, health, upload):
        app.include_router(module.router)
    page.mount(app)
    if backing is not None:
        app.add_middleware(Rekognition, service=service, backing=backing, uploads=uploads, metrics=room.metrics)
    app.add_middleware(problems.UnexpectedErrors)
    app.add_middleware(
        guard.Guard,
        host=settings.host,
        max_upload_bytes=max_upload_bytes,
        timeout_s=settings.request_timeout_s,
    )
    app.add_middleware(head.HeadAsGet)
    app.add_middleware(metrics.Measured, metrics=room.metrics)
    return app
