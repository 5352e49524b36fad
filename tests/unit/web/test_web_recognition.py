"""Recognising while the client waits."""

import asyncio

import pytest
from PIL import Image
from stand_in import client_of, encoded, make_service, said, working

from facefleet.core.answers import DetectAnswer, IdentifyAnswer, VerifyAnswer
from facefleet.core.jobs import JobState, Lane, QueueCounts
from facefleet.errors import BrokenInvariant, FaceTooSmall, NoFace, SeveralFaces


async def test_a_photo_is_identified(client, photo):
    """The answer is a whole `IdentifyAnswer` from the default collection."""
    response = await client.post("/v1/identify", files={"image": ("p.jpg", photo)})
    assert response.status_code == 200
    answer = IdentifyAnswer.model_validate_json(response.content)
    assert (answer.collection, answer.faces[0].person) == ("default", "Eileen")


async def test_the_workers_answer_passes_through_byte_for_byte(client, worker, service, photo):
    """The web tier neither parses nor rewrites it."""
    response = await client.post("/v1/identify", files={"image": ("p.jpg", photo)})
    status = await service.queue.status(worker.seen[0].job_id)
    assert response.content == status.answer.body


async def test_what_the_query_asks_for_reaches_the_worker(client, worker, service, photo):
    """Collection, threshold, number of candidates and lane travel with the job."""
    await service.gallery.create_collection("staff", model_id="m", tags={})
    query = {"collection": "staff", "threshold": 85.5, "max_candidates": 3, "largest_only": True, "lane": "bulk"}
    response = await client.post("/v1/identify", params=query, files={"image": ("p.jpg", photo)})
    assert response.status_code == 200
    (job,) = worker.seen
    assert (job.task.collection, job.task.threshold, job.task.max_candidates) == ("staff", 85.5, 3)
    assert job.task.largest_only
    assert job.lane is Lane.BULK


async def test_two_photos_are_compared_in_their_roles(client, worker, service):
    """`source` and `target` are told apart by name, not by order."""
    first, second = (encoded(Image.new("RGB", (64, 64), color), "PNG") for color in ("red", "blue"))
    response = await client.post("/v1/verify", files=[("target", ("b.png", second)), ("source", ("a.png", first))])
    assert VerifyAnswer.model_validate_json(response.content).same
    task = worker.seen[0].task
    assert (await service.store.get(task.source), await service.store.get(task.target)) == (first, second)


async def test_faces_are_detected(client, photo):
    """Without any collection."""
    response = await client.post("/v1/detect", files={"image": ("p.jpg", photo)})
    assert len(DetectAnswer.model_validate_json(response.content).faces) == 1


@pytest.mark.parametrize(
    ("error", "status"), [(NoFace("No face."), 422), (SeveralFaces("3 faces."), 422), (FaceTooSmall("9 px."), 422)]
)
async def test_what_a_worker_refuses_is_told_in_its_words(client, worker, photo, error, status):
    """An error crosses the queue and comes out as a problem document."""
    worker.error = error
    response = await client.post("/v1/identify", files={"image": ("p.jpg", photo)})
    assert said(response, status, type(error).__name__) == error.detail


async def test_a_bug_is_told_by_its_number_alone(client, worker, photo):
    """What a worker says of its inside stays in the log."""
    worker.error = BrokenInvariant("secret inside")
    response = await client.post("/v1/identify", files={"image": ("p.jpg", photo)})
    detail = said(response, 500, "InternalServerError")
    assert "error id" in detail
    assert "secret" not in response.text


async def test_an_unknown_collection_is_named(client, photo):
    """404, and which one."""
    response = await client.post("/v1/identify?collection=nobodys", files={"image": ("p.jpg", photo)})
    assert "nobodys" in said(response, 404, "NotFound")


async def test_a_client_whose_time_is_up_gets_504_and_when_to_come_again(service, photo):
    """Nobody works, and the wait ends."""
    service = make_service(request_timeout_s=1.0)  # long enough to read the photo, or it would be a 408
    async with client_of(service) as client:
        response = await client.post("/v1/identify", files={"image": ("p.jpg", photo)})
    said(response, 504, "DeadlineExceeded")
    assert int(response.headers["retry-after"]) >= 1


async def test_a_queue_that_is_too_long_turns_requests_away(client, service, photo):
    """503 with Retry-After, and nothing is stored."""
    service.admission.observe(QueueCounts(visible=10_000, in_flight=0, dead=0, oldest_age_s=0.0))
    response = await client.post("/v1/identify", files={"image": ("p.jpg", photo)})
    said(response, 503, "Overloaded")
    assert int(response.headers["retry-after"]) >= 1
    assert [key async for key in service.store.keys("inputs/")] == []


async def test_with_retention_0_nothing_is_left_after_the_answer(photo):
    """Neither the photo nor the job."""
    service = make_service(retention_days=0)
    async with working(service) as worker, client_of(service) as client:
        assert (await client.post("/v1/identify", files={"image": ("p.jpg", photo)})).status_code == 200
        response = await client.get(f"/v1/jobs/{worker.seen[0].job_id}")
    said(response, 404, "NotFound")
    assert [key async for key in service.store.keys("")] == []


async def test_a_client_that_hangs_up_withdraws_its_request(photo):
    """The job is cancelled before any worker sees it."""
    service = make_service()
    async with client_of(service) as client:
        status = await hang_up(client, service, photo)
    assert status.state is JobState.CANCELLED


async def hang_up(client, service, photo):
    """Send a photo as a server would, and disconnect once the job is queued; return the job's status."""
    request = client.build_request("POST", "/v1/identify", files={"image": ("p.jpg", photo)})
    body = request.read()
    queued = asyncio.Event()
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        while (await service.queue.counts()).visible == 0:
            await asyncio.sleep(0)
        queued.set()
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/identify",
        "raw_path": b"/v1/identify",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await client._transport.app(scope, receive, send)
    assert queued.is_set()
    assert sent[0]["status"] == 499
    (key,) = [key async for key in service.store.keys("inputs/")]
    return await service.queue.status(key.removeprefix("inputs/"))
