"""What an operator sees and does."""

import asyncio
import time
import uuid

import pytest
from stand_in import client_of, make_service, said

from facefleet.adapters.memory import MemoryRoster
from facefleet.core.fleet import Decision, Worker, WorkerReport, WorkerState
from facefleet.errors import Unavailable


@pytest.fixture
async def idle():
    """A service where nobody works, and its client."""
    service = make_service()
    async with client_of(service) as client:
        yield service, client


async def queue_three(client, photo):
    for _ in range(3):
        response = await client.post("/v1/jobs?kind=detect", files={"image": ("p.jpg", photo)})
        assert response.status_code == 202


async def test_the_queue_is_counted(idle, photo):
    """Waiting, worked on, given up, and how old the oldest is."""
    service, client = idle
    await queue_three(client, photo)
    await service.queue.lease("w", limit=1, wait_s=0)
    counts = (await client.get("/v1/queue")).json()
    assert counts.pop("oldest_age_s") >= 0
    assert counts == {"visible": 2, "in_flight": 1, "dead": 0}


@pytest.mark.parametrize(
    ("path", "what"),
    [("/v1/queue", "3 jobs"), ("/v1/objects/inputs", "3 objects"), ("/v1/objects/outputs", "2 objects")],
)
async def test_deleting_is_asked_for_twice(idle, photo, path, what):
    """First it is said what would go, how much, and how to confirm; then it goes."""
    service, client = idle
    await queue_three(client, photo)
    for name in ("a", "b"):
        await service.store.put(f"outputs/{name}.json", b"{}")
    await service.store.put("crops/default/x.png", b"")
    detail = said(await client.delete(path), 400, "BadRequest")
    assert what in detail
    assert f"DELETE {path}?confirm=true" in detail
    said(await client.delete(f"{path}?confirm=false"), 400, "BadRequest")
    assert (await client.delete(f"{path}?confirm=true")).json() == {"deleted": int(what[0])}
    assert (await client.delete(f"{path}?confirm=true")).json() == {"deleted": 0}
    assert await service.store.get("crops/default/x.png") == b""


async def test_crops_cannot_be_purged(client):
    """Collections need them when the model changes."""
    said(await client.delete("/v1/objects/crops?confirm=true"), 422, "InvalidRequest")


async def test_dead_letters_are_listed_and_redriven(photo):
    """Each with its reason; one, or all."""
    service = make_service()
    object.__setattr__(service.queue, "max_receives", 1)
    service.queue.lease_s = 0.0
    async with client_of(service) as client:
        await queue_three(client, photo)
        for _ in range(6):
            await service.queue.lease("w", limit=8, wait_s=0)
        listed = (await client.get("/v1/queue/dead?limit=2")).json()
        job = (await client.get(f"/v1/jobs/{listed['items'][0]['job_id']}")).json()
        assert job["state"] == "dead"
        assert "/v1/queue/dead" in job["error"]["detail"]
        assert len(listed["items"]) == 2
        rest = (await client.get("/v1/queue/dead", params={"after": listed["next_after"]})).json()
        letters = listed["items"] + rest["items"]
        assert len({letter["job_id"] for letter in letters}) == 3
        assert all(letter["reason"] and letter["kind"] == "detect" for letter in letters)
        one = {"job_ids": [letters[0]["job_id"], str(uuid.uuid4())]}
        assert (await client.post("/v1/queue/dead/redrive", json=one)).json() == {"redriven": 1}
        assert (await client.post("/v1/queue/dead/redrive", json={"job_ids": "all"})).json() == {"redriven": 2}
        assert (await client.get("/v1/queue")).json()["dead"] == 0


@pytest.mark.parametrize("body", [{}, {"job_ids": None}, {"job_ids": "some"}, {"job_ids": ["x"]}, {"all": True}])
async def test_redriving_says_what_it_wants_to_know(client, body):
    """Forgetting the ids must not redrive everything."""
    said(await client.post("/v1/queue/dead/redrive", json=body), 422, "InvalidRequest")


async def test_a_healthy_node_is_ready(client):
    """All parts are ok, and the probe leaves nothing behind."""
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "parts": {"database": "ok", "store": "ok", "workers": "ok"}}


async def away(*args, **kwargs):
    raise Unavailable("It is away.")


@pytest.mark.parametrize(("part", "port", "method"), [("database", "queue", "counts"), ("store", "store", "put")])
async def test_a_node_that_is_not_ready_names_the_part(client, service, *, part, port, method):
    """503 with the reason; the others are ok, and the process is alive."""
    setattr(getattr(service, port), method, away)
    response = await client.get("/readyz")
    assert response.status_code == 503
    parts = response.json()["parts"]
    assert parts.pop(part) == "It is away."
    assert set(parts.values()) == {"ok"}
    assert (await client.get("/healthz")).status_code == 200


async def test_a_fleet_without_a_running_worker_is_not_ready(client, service):
    """Unless none is kept when nothing is to be done."""
    await service.roster.publish([Worker(worker_id="w", state=WorkerState.PENDING, since_s=0.0)])
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert "pending" in response.json()["parts"]["workers"]
    async with client_of(make_service(min_workers=0)) as other:
        assert (await other.get("/readyz")).status_code == 200


@pytest.mark.parametrize("of_this_node", [0, 1])
async def test_how_few_workers_are_kept_is_what_the_controller_says(of_this_node):
    """A web node alone has no such setting of its own, or another."""
    service = make_service(min_workers=of_this_node)
    async with client_of(service) as client:
        await service.roster.publish([], minimum=0)
        assert (await client.get("/readyz")).status_code == 200
        await service.roster.publish([], minimum=1)
        assert (await client.get("/readyz")).status_code == 503


@pytest.mark.parametrize("min_workers", [0, 1])
async def test_a_fleet_that_nobody_has_looked_at_for_long_is_as_its_workers_say(min_workers):
    """The picture of the fleet says "running" for ever once its controller is dead; the workers may be as well."""
    service = make_service(min_workers=min_workers)
    now_s = [1000.0]
    object.__setattr__(service, "roster", MemoryRoster(clock=lambda: now_s[0]))
    await service.roster.publish([Worker(worker_id="w", state=WorkerState.RUNNING, since_s=0.0)])
    async with client_of(service) as client:
        assert (await client.get("/readyz")).status_code == 200
        now_s[0] += 200
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert "no controller has looked at the fleet for 200 s" in response.json()["parts"]["workers"]
        assert (await client.get("/v1/fleet")).json()["looked_s_ago"] == 200
        assert (await metrics_of(client))["facefleet_controller_silent_seconds"] == 200
        report = WorkerReport(worker_id="w", host="h", pid=1, draining=False, jobs=(), finished=0)
        await service.roster.report(report)
        assert (await client.get("/readyz")).status_code == 200


async def test_workers_that_somebody_started_by_hand_make_a_service_ready(idle):
    """No controller has ever looked."""
    service, client = idle
    assert (await client.get("/readyz")).status_code == 503
    report = WorkerReport(worker_id="w", host="h", pid=1, draining=False, jobs=(), finished=0)
    await service.roster.report(report)
    assert (await client.get("/readyz")).status_code == 200


async def metrics_of(client):
    """Return name with labels -> value."""
    text = (await client.get("/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


async def test_requests_are_counted_by_route_and_not_by_path(client, photo):
    """A scanner that asks for a million paths makes one series."""
    await client.post("/v1/identify", files={"image": ("p.jpg", photo)})
    for _ in range(2):
        await client.get(f"/v1/jobs/{uuid.uuid4()}")
        await client.get(f"/{uuid.uuid4()}")
    await client.request("BREW", "/")
    numbers = await metrics_of(client)
    count = "facefleet_http_requests_total"
    assert numbers[f'{count}{{method="POST",route="/v1/identify",status="200"}}'] == 1
    assert numbers[f'{count}{{method="GET",route="/v1/jobs/{{job_id}}",status="404"}}'] == 2
    assert numbers[f'{count}{{method="GET",route="none",status="404"}}'] == 2
    assert not any("BREW" in name for name in numbers)
    assert numbers['facefleet_http_request_seconds_count{route="/v1/identify"}'] == 1


async def test_stages_are_taken_from_the_answers(client, photo):
    """In seconds."""
    await client.post("/v1/detect", files={"image": ("p.jpg", photo)})
    numbers = await metrics_of(client)
    assert numbers['facefleet_stage_seconds_sum{stage="embed"}'] == pytest.approx(0.004)
    assert numbers['facefleet_stage_seconds_count{stage="total"}'] == 1


async def test_queue_and_fleet_are_read_when_scraped(idle, photo):
    """Depth by state, workers by state, decisions by what they did."""
    service, client = idle
    await queue_three(client, photo)
    await service.roster.publish([Worker(worker_id="w", state=WorkerState.DRAINING, since_s=0.0)])
    now_s = time.time()
    before = Decision(start=1, drain=(), reason="before this node was there")
    await service.roster.record(before, at_s=now_s - 60, seen={})
    numbers = await metrics_of(client)
    for action in ("start", "drain"):  # told from the beginning, or the first one is no increase
        assert numbers[f'facefleet_scaling_decisions_total{{action="{action}"}}'] == 0
    await service.roster.record(before, at_s=now_s + 7200, seen={})  # by a clock that was ahead, and was set since
    numbers = await metrics_of(client)
    assert numbers['facefleet_scaling_decisions_total{action="start"}'] == 1
    for n, (start, drain) in enumerate([(2, ()), (0, ()), (0, ("w",)), (0, ("x",))]):
        await service.roster.record(Decision(start=start, drain=drain, reason="so"), at_s=now_s - 5 + n, seen={})
    refused = {"started": 0.0, "drained": 0.0}
    await service.roster.record(Decision(start=1, drain=(), reason="so"), at_s=now_s - 1, seen=refused)
    # A decision is counted once, however often it is read, and by how many at a time.
    await asyncio.gather(*(metrics_of(client) for _ in range(5)))
    numbers = await metrics_of(client)
    assert numbers['facefleet_queue_jobs{state="visible"}'] == 3
    assert numbers['facefleet_workers{state="draining"}'] == 1
    assert numbers['facefleet_workers{state="running"}'] == 0
    assert numbers['facefleet_scaling_decisions_total{action="start"}'] == 2
    assert numbers['facefleet_scaling_decisions_total{action="drain"}'] == 2


async def test_requests_are_still_counted_while_the_database_is_away(client, service):
    """Old numbers of the queue would be taken for new ones."""
    assert "facefleet_queue_jobs{" in (await client.get("/metrics")).text
    service.queue.counts = away
    numbers = await metrics_of(client)
    assert not any(name.startswith(("facefleet_queue_jobs{", "facefleet_workers{")) for name in numbers)
    assert numbers['facefleet_http_requests_total{method="GET",route="/metrics",status="200"}'] == 1


async def test_two_apps_in_one_process_count_apart(client):
    """Each has its own registry."""
    async with client_of(make_service()) as other:
        await other.get("/healthz")
    assert not any("/healthz" in name for name in await metrics_of(client))
