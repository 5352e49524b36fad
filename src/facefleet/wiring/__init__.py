"""The one place that knows which technology stands behind each port, and that gives the rooms their clocks and ids.

Here each room is put together; the adapters, the embedded database and what is on AWS have files of their own beside.

What only one room or one technology needs is imported where it is chosen: a worker starts a second earlier without the
web room, and an elastic fleet starts workers all day.
"""

import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from facefleet.config import Settings, aws_region
from facefleet.ports import Fleet, Vault
from facefleet.vision.models import MODEL_ID
from facefleet.wiring.adapters import Ports, needing_boto3, ports
from facefleet.wiring.embedded import database, running_database

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from facefleet.controller.loop import Controller
    from facefleet.core.scaling.terms import Billing, Objective
    from facefleet.usecases.service import Service
    from facefleet.worker.loop import Worker

__all__ = [
    "Ports",
    "app",
    "chores",
    "controller",
    "database",
    "fleet",
    "ports",
    "running_database",
    "service",
    "vault",
    "worker",
]


def vault(settings: Settings) -> Vault:
    """Return what seals the secrets of access keys; its file is made the first time."""
    from facefleet.adapters.key_file import KeyFile

    return KeyFile(settings.effective_key_file)


async def service(settings: Settings, ports: Ports) -> "Service":
    """Return what the web room serves; the default collection exists from then on."""
    from facefleet.usecases.admission import Admission
    from facefleet.usecases.galleries import ensure_collection
    from facefleet.usecases.intake import Intake
    from facefleet.usecases.service import Service

    await ensure_collection(ports.gallery, settings.collection, model_id=MODEL_ID)
    admission = Admission(max_workers=settings.max_workers, answer_within_s=settings.request_timeout_s)
    intake = Intake(
        queue=ports.queue,
        store=ports.store,
        admission=admission,
        max_image_bytes=settings.max_image_bytes,
        max_image_pixels=settings.max_image_pixels,
        keep=settings.retention_days > 0,
        new_id=lambda: str(uuid.uuid4()),
        now_s=time.time,
    )
    return Service(
        settings=settings,
        queue=ports.queue,
        store=ports.store,
        gallery=ports.gallery,
        roster=ports.roster,
        intake=intake,
        admission=admission,
        model_id=MODEL_ID,
    )


def app(service: "Service", ports: Ports) -> "ASGIApp":
    """Return the web room."""
    from facefleet.adapters.buckets import ObjectBuckets
    from facefleet.vision.calibration import load_calibration
    from facefleet.web.app import create_app
    from facefleet.web.rekognition.call import Backing

    settings = service.settings
    backing = Backing(
        keys=ports.keys,
        vault=vault(settings),
        receipts=ports.receipts,
        buckets=ObjectBuckets(settings.effective_store_url, s3=settings.s3_bucket_names, region=aws_region()),
        calibration=load_calibration(service.model_id),
        anonymous=settings.anonymous,
        now_s=time.time,
    )
    return create_app(service, backing)


def worker(settings: Settings, ports: Ports, *, worker_id: str, orphaned: Callable[[], bool]) -> "Worker":
    """Return a worker with the engine loaded."""
    from facefleet.usecases.enrolment import Enrolment
    from facefleet.usecases.recognise import Recogniser
    from facefleet.vision.calibration import load_calibration
    from facefleet.vision.engine import Engine
    from facefleet.worker.loop import Worker

    engine = Engine(settings.cache, max_pixels=settings.max_image_pixels)
    enrolment = Enrolment(gallery=ports.gallery, store=ports.store, model_id=engine.model_id, now_s=time.time)
    recogniser = Recogniser(
        gallery=ports.gallery,
        enrolment=enrolment,
        calibration=load_calibration(engine.model_id),
        model_id=engine.model_id,
        threshold=settings.threshold,
    )
    return Worker(
        worker_id=worker_id,
        queue=ports.queue,
        store=ports.store,
        roster=ports.roster,
        engine=engine,
        recogniser=recogniser,
        batch_size=settings.batch_size,
        keep=settings.retention_days > 0,
        # SQS keeps no answers; and who files them under the photo's name takes away what is stored by job.
        store_first=settings.queue_url is not None or settings.key_naming == "filename",
        orphaned=orphaned,
    )


async def fleet(settings: Settings, ports: Ports) -> Fleet:
    """Return a fleet of EC2 instances, or of worker processes of this very program, with these very settings."""
    if settings.fleet_url is not None:
        with needing_boto3():
            from facefleet.wiring.aws import ec2_fleet
        return await ec2_fleet(settings.fleet_url, settings, ports.roster)
    from facefleet.adapters.process_fleet import ProcessFleet

    async def bury(worker_id: str) -> None:
        """Take a dead worker off the roster and give what it held to others at once."""
        await ports.roster.leave(worker_id)
        await ports.queue.abandon(worker_id)

    async def heard() -> set[str]:
        return {report.worker_id for report in await ports.roster.reports()}

    return ProcessFleet(
        command=lambda worker_id: [
            *(sys.executable, "-m", "facefleet", "worker"),
            *("--id", worker_id, "--parent", str(os.getpid())),
        ],
        environment=settings.environment(),
        bury=bury,
        heard=heard,
        new_id=lambda: f"worker-{uuid.uuid4().hex[:8]}",
        now_s=time.time,
    )


def controller(settings: Settings, ports: Ports, fleet: Fleet) -> "Controller":
    """Return the controller of a fleet."""
    from facefleet.controller.loop import Controller
    from facefleet.core.fleet import Bounds
    from facefleet.core.scaling import policy

    return Controller(
        queue=ports.queue,
        fleet=fleet,
        roster=ports.roster,
        policy=policy(settings.policy, objective=_objective(settings), billing=_billing(settings)),
        bounds=Bounds(minimum=settings.min_workers, maximum=settings.max_workers),
        billing=_billing(settings),
        tick_s=settings.tick_s,
        now_s=time.monotonic,
        unix_s=time.time,
    )


def chores(settings: Settings, ports: Ports) -> Callable[[], Awaitable[int]]:
    """Return what the housekeeper does once a minute."""
    from facefleet.usecases.crops import CropSweep
    from facefleet.usecases.housekeeping import Expiry

    expiry = Expiry(ports.queue, ports.store, retention_days=settings.retention_days, now_s=time.monotonic)
    sweep = CropSweep(gallery=ports.gallery, store=ports.store, now_s=time.monotonic)

    async def tidy() -> int:
        gone = await expiry.go_on()
        gone += await sweep.go_on()
        await ports.gallery.maintain()  # takes room for a moment, which the others have made
        return gone

    return tidy


def _objective(settings: Settings) -> "Objective":
    from facefleet.core.scaling.terms import Objective, per_hour, seconds

    budget_per_h = None if settings.budget is None else per_hour(settings.budget)
    return Objective(slo_s=seconds(settings.slo), at=settings.slo_percent, budget_per_h=budget_per_h)


def _billing(settings: Settings) -> "Billing":
    from facefleet.core.scaling.terms import Billing

    return Billing(
        price_per_h=settings.worker_price_per_hour,
        minimum_s=settings.minimum_bill_s,
        granularity_s=settings.bill_granularity_s,
    )
