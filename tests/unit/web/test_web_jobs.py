"""Recognising without waiting on the line."""

import asyncio
import uuid

import pytest
from stand_in import client_of, make_service, said, working

from facefleet.core.answers import IdentifyAnswer
from facefleet.core.jobs import Job, Lane, QueueCounts, Search
from facefleet.errors import NoFace
from facefleet.web.jobs import JobJson


async def submit(client, photo, **query):
    return await client.post("/v1/jobs", params={"kind": "identify", **query}, files={"image": ("p.jpg", photo)})


async def test_a_job_is_accepted_and_its_answer_read_later(client, photo):
    """202 with a place; waiting there gives what `POST /v1/identify` would."""
    accepted = await submit(client, photo)
    assert accepted.status_code == 202
    document = accepted.json()
    assert accepted.headers["location"] == f"/v1/jobs/{document['job_id']}"
    done = (await client.get(accepted.headers["location"], params={"wait_s": 5})).json()
    assert (done["kind"], done["state"], done["receives"], done["error"]) == ("identify", "done", 1, None)
    assert done["created"] == document["created"]
    assert IdentifyAnswer.model_validate(done["answer"]).faces[0].person == "Eileen"


async def test_a_job_waits_behind_those_on_the_line_unless_told_otherwise(client, worker, photo):
    """Bulk by default."""
    for query in ({}, {"lane": "interactive"}):
        place = (await submit(client, photo, **query)).headers["location"]
        await client.get(place, params={"wait_s": 5})
    assert [job.lane for job in worker.seen] == [Lane.BULK, Lane.INTERACTIVE]


async def test_a_failed_job_says_why(client, worker, photo):
    """The error of the worker, and no answer."""
    worker.error = NoFace("Nobody is in it.")
    place = (await submit(client, photo, kind="detect")).headers["location"]
    document = (await client.get(place, params={"wait_s": 5})).json()
    assert document["error"] == {"code": "NoFace", "detail": "Nobody is in it."}
    assert document["answer"] is None


async def test_every_kind_of_request_can_be_a_job(client, worker, photo):
    """Each with its own photos and parameters."""
    both = {"source": ("a.jpg", photo), "target": ("b.jpg", photo)}
    for query, files in (
        ({"kind": "detect"}, {"image": ("p.jpg", photo)}),
        ({"kind": "verify", "threshold": 90}, both),
        ({"kind": "enrol", "person": "Ada"}, {"image": ("p.jpg", photo)}),
    ):
        response = await client.post("/v1/jobs", params=query, files=files)
        assert response.status_code == 202, response.text
        done = await client.get(response.headers["location"], params={"wait_s": 5})
        assert done.json()["answer"] is not None
    assert [job.task.kind for job in worker.seen] == ["detect", "verify", "enrol"]


async def test_a_search_of_the_other_interface_is_a_job_that_can_be_looked_at(client, service, worker):
    """Fleet and dead letters hand out its id as they do any other."""
    await service.store.put("inputs/x", b"")
    task = Search(image="inputs/x", collection="default", threshold=80.0, limit=5)
    job = Job(job_id=str(uuid.uuid4()), task=task, created_s=1_700_000_000.0)
    await service.queue.put(job)
    document = (await client.get(f"/v1/jobs/{job.job_id}", params={"wait_s": 5})).json()
    assert (document["kind"], document["state"]) == ("search", "done")
    assert JobJson.model_validate(document).model_dump(mode="json")["answer"] == document["answer"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"kind": "guess"}, "kind"),
        ({"kind": "detect", "threshold": 80}, "threshold"),
        ({"kind": "identify", "person": "Ada"}, "person"),
        ({"kind": "enrol"}, "person"),
        ({"kind": "identify", "deadline_s": 0}, "deadline_s"),
        ({"kind": "identify", "deadline_s": "nan"}, "deadline_s"),
        ({"kind": "identify", "colection": "x"}, "colection"),
        ({}, "kind"),
    ],
)
async def test_a_parameter_that_does_not_fit_the_kind_is_named(client, photo, query, named):
    """Nothing is ignored in silence."""
    response = await client.post("/v1/jobs", params=query, files={"image": ("p.jpg", photo)})
    assert named in said(response, 422, "InvalidRequest")


async def test_a_job_can_be_cancelled_until_it_has_ended(photo):
    """204, then 409 with the state it is in."""
    service = make_service()  # nobody works here
    async with client_of(service) as client:
        place = (await submit(client, photo)).headers["location"]
        assert (await client.get(place)).json()["state"] == "queued"
        assert (await client.delete(place)).status_code == 204
        assert (await client.get(place)).json()["state"] == "cancelled"
        assert "cancelled" in said(await client.delete(place), 409, "Conflict")


async def test_an_unknown_job_is_404(client):
    """For reading and cancelling; something that is no job id at all is 422."""
    place = f"/v1/jobs/{uuid.uuid4()}"
    said(await client.get(place), 404, "NotFound")
    said(await client.delete(place), 404, "NotFound")
    detail = said(await client.get("/v1/jobs/mine"), 422, "InvalidRequest")
    assert detail == "path parameter job_id is no id of ours; take it from the answer that gave it"


async def test_nobody_waits_longer_than_a_request_may(client, photo):
    """The limit is named."""
    place = (await submit(client, photo)).headers["location"]
    assert "Wait at most 5 s" in said(await client.get(place, params={"wait_s": 6}), 422, "InvalidRequest")


async def test_a_client_that_waits_is_woken_by_the_answer(photo):
    """The wait ends with the job, not with its time."""
    service = make_service(request_timeout_s=60)
    async with client_of(service) as client:
        place = (await submit(client, photo)).headers["location"]
        waiting = asyncio.create_task(client.get(place, params={"wait_s": 60}), name="waiting client")
        async with working(service):
            assert (await waiting).json()["state"] == "done"


async def test_with_retention_0_a_job_is_erased_once_its_answer_was_read(photo):
    """Not before: looking at a job that is not done keeps it."""
    service = make_service(retention_days=0)
    async with client_of(service) as client:
        place = (await submit(client, photo)).headers["location"]
        assert (await client.get(place)).json()["state"] == "queued"
        async with working(service):
            assert (await client.get(place, params={"wait_s": 5})).json()["state"] == "done"
        said(await client.get(place), 404, "NotFound")
    assert [key async for key in service.store.keys("")] == []


async def test_with_retention_0_a_job_is_not_erased_by_who_gets_the_headers_alone(photo):
    """The answer was not read."""
    service = make_service(retention_days=0)
    async with client_of(service) as client, working(service):
        place = (await submit(client, photo)).headers["location"]
        assert (await client.head(place, params={"wait_s": 5})).status_code == 200
        assert (await client.get(place)).json()["state"] == "done"


async def test_a_job_is_accepted_however_long_the_queue_is(client, service, photo):
    """Whoever does not wait on the line is not turned away."""
    service.admission.observe(QueueCounts(visible=10_000, in_flight=0, dead=0, oldest_age_s=0.0))
    assert (await submit(client, photo)).status_code == 202
