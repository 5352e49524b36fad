"""What an operator sees of the fleet: workers, decisions, history, cost."""

import json

import pytest
from stand_in import client_of, make_service, said

from facefleet.core.fleet import Decision, Worker, WorkerState
from facefleet.errors import Unavailable
from facefleet.lab.simulate.recording import from_history

NOW_S = 1_700_000_000.0
HOLD = Decision(start=0, drain=(), reason="1 is enough")


async def test_the_fleet_shows_each_worker_and_its_work(client, service):
    """Id, state, since when, on what."""
    since_s = 1_700_000_000.0
    await service.roster.publish(
        [
            Worker(worker_id="w-1", state=WorkerState.RUNNING, since_s=since_s, jobs=("j-1",)),
            Worker(worker_id="w-2", state=WorkerState.RUNNING, since_s=since_s, idle_since_s=since_s),
        ]
    )
    busy, idle = (await client.get("/v1/fleet")).json()["workers"]
    assert busy == {
        "id": "w-1",
        "state": "running",
        "since": "2023-11-14T22:13:20Z",
        "jobs": ["j-1"],
        "idle_since": None,
    }
    assert idle["idle_since"] == "2023-11-14T22:13:20Z"


async def test_decisions_are_shown_with_their_reasons(client, service):
    """Newest first, as many as asked for."""
    for n in range(3):
        decision = Decision(start=n, drain=(), reason=f"{n} wait")
        await service.roster.record(decision, at_s=1_700_000_000.0 + n, seen={"visible": float(n)})
    (latest,) = (await client.get("/v1/fleet/decisions?limit=1")).json()["decisions"]
    assert latest == {
        "at": "2023-11-14T22:13:22Z",
        "start": 2,
        "drain": [],
        "reason": "2 wait",
        "seen": {"visible": 2.0},
    }


async def test_readings_can_be_left_out(client, service):
    """Acting decisions alone, however many readings came after them."""
    await service.roster.record(Decision(start=1, drain=(), reason="1 waits"), at_s=NOW_S, seen={})
    for n in range(5):
        await service.roster.record(HOLD, at_s=NOW_S + n, seen={})
    answer = (await client.get("/v1/fleet/decisions?acting_only=true&limit=3")).json()
    assert [decision["reason"] for decision in answer["decisions"]] == ["1 waits"]


async def test_the_history_is_what_the_simulator_reads(client, service, tmp_path):
    """Saved as it comes, it is a workload: the requests between two readings, spread over the time between."""
    for n in range(1203):
        await service.roster.record(HOLD, at_s=NOW_S + n, seen={"enqueued_total": 2.0 * n})
    response = await client.get("/v1/fleet/history")
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert json.loads(response.text.splitlines()[0]) == {
        "at_s": NOW_S,
        "start": 0,
        "drain": [],
        "reason": "1 is enough",
        "seen": {"enqueued_total": 0.0},
    }
    file = tmp_path / "history.jsonl"
    file.write_bytes(response.content)
    arrivals_s = from_history(file).arrivals_s
    assert arrivals_s.size == 2 * 1202
    assert (arrivals_s[0], arrivals_s[-1]) == (0.0, 1201.5)


async def test_a_history_that_cannot_be_read_is_no_empty_history(client, service):
    """503 before the first line, not 200 with nothing."""

    async def away(**_):
        raise Unavailable("It is away.")
        yield

    service.roster.history = away
    assert said(await client.get("/v1/fleet/history"), 503, "Unavailable") == "It is away."


async def charge(service, *, worker_s, at_s):
    """A worker runs at the time; so many seconds were charged before it."""
    worker = Worker(worker_id="w", state=WorkerState.RUNNING, since_s=at_s)
    total_s = await service.roster.publish([worker], worker_s=worker_s)
    await service.roster.record(HOLD, at_s=at_s, seen={"worker_s_total": total_s, "finished_total": 0.0})


async def test_the_cost_is_told_now_and_on_average(photo):
    """Worker time since the reading of an hour ago, for the photos answered since then."""
    service = make_service(worker_price_per_hour=0.1, managed_price_per_1000=2.0)
    object.__setattr__(service, "now_s", lambda: NOW_S)
    async with client_of(service) as client:
        await charge(service, worker_s=7200, at_s=NOW_S - 3600)
        await charge(service, worker_s=1800, at_s=NOW_S - 1800)
        service.queue._finished = 250
        cost = (await client.get("/v1/fleet/cost")).json()
        metrics = (await client.get("/metrics")).text
    assert cost == {
        "workers": 1,
        "per_hour": 0.1,
        "since": "2023-11-14T21:13:20Z",
        "per_1000": pytest.approx(0.2),
        "per_month": pytest.approx(36.5),
        "managed_per_month": pytest.approx(365),
        "worker_hours": 2.5,
        "answered": 250,
        "total": 0.25,
        "managed_total": 0.5,
        "looked_s_ago": pytest.approx(0, abs=60),
        "note": None,
    }
    assert "facefleet_cost_per_1000 0.2" in metrics
    assert "facefleet_cost_worker_seconds 9000.0" in metrics


async def test_nothing_is_projected_from_an_hour_that_has_just_begun():
    """It is charged whole: half an hour later it would look like twice the price."""
    service = make_service(worker_price_per_hour=0.1, bill_granularity_s=3600.0)
    object.__setattr__(service, "now_s", lambda: NOW_S)
    async with client_of(service) as client:
        await charge(service, worker_s=0, at_s=NOW_S - 1800)
        await charge(service, worker_s=3600, at_s=NOW_S - 10)
        cost = (await client.get("/v1/fleet/cost")).json()
    assert (cost["per_month"], cost["managed_per_month"]) == (pytest.approx(73.0), None)


async def test_a_reading_of_a_clock_that_was_ahead_begins_no_average():
    """It is the first that was recorded of the last day, and of the next one too."""
    service = make_service(worker_price_per_hour=0.1)
    object.__setattr__(service, "now_s", lambda: NOW_S)
    async with client_of(service) as client:
        await charge(service, worker_s=100, at_s=NOW_S + 86_400)
        assert (await client.get("/v1/fleet/cost")).json()["since"] is None
        await charge(service, worker_s=100, at_s=NOW_S - 3600)
        assert (await client.get("/v1/fleet/cost")).json()["since"] == "2023-11-14T21:13:20Z"


async def test_without_a_price_the_cost_says_how_to_set_one(client, service):
    """Nothing is invented: amounts are null, what was counted is there."""
    cost = (await client.get("/v1/fleet/cost")).json()
    assert (cost["per_hour"], cost["per_1000"], cost["per_month"], cost["total"]) == (None,) * 4
    assert "FACEFLEET_WORKER_PRICE_PER_HOUR" in cost["note"]
    assert cost["workers"] == 1
    assert "facefleet_cost_spent NaN" in (await client.get("/metrics")).text


async def test_small_amounts_are_told_to_six_digits():
    """A thousandth of a cent for a thousand photos is not nothing."""
    service = make_service(worker_price_per_hour=0.0013)
    object.__setattr__(service, "now_s", lambda: NOW_S)
    async with client_of(service) as client:
        await charge(service, worker_s=0, at_s=NOW_S - 3600)
        await charge(service, worker_s=90, at_s=NOW_S - 1800)
        service.queue._finished = 1000
        cost = (await client.get("/v1/fleet/cost")).json()
    assert (cost["per_1000"], cost["total"]) == (3.25e-05, 3.25e-05)


async def test_great_amounts_are_told_to_the_cent():
    """And below."""
    service = make_service(worker_price_per_hour=123_456.7891)
    async with client_of(service) as client:
        await charge(service, worker_s=0, at_s=NOW_S)
        assert (await client.get("/v1/fleet/cost")).json()["per_hour"] == 123_456.7891
