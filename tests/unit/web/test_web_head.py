"""HEAD, over a real connection: where a body that must not be there would be taken for the next answer."""

import asyncio

import httpx
import pytest
from stand_in import make_service, working

from facefleet.core.fleet import Decision
from facefleet.web.app import create_app
from facefleet.web.server import listen, serve


@pytest.fixture
async def line():
    """A client with one connection to a service that listens."""
    service, stop = make_service(), asyncio.Event()
    await service.roster.record(Decision(start=1, drain=(), reason="so"), at_s=1.0, seen={})
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    async with asyncio.TaskGroup() as tasks, working(service):
        tasks.create_task(serve(create_app(service), listener, stop), name="server")
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", limits=limits, timeout=20) as client:
            yield client
        stop.set()


def lasting(response):
    """Return the headers that do not tell the time or how the body is cut."""
    return {name: value for name, value in response.headers.items() if name not in ("date", "transfer-encoding")}


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/static/page.js", "/healthz", "/readyz", "/v1/queue", "/v1/fleet/history"]
)
async def test_head_is_get_without_the_body(line, path):
    """The same status and headers, the length of the body among them; then the line is free for the next request."""
    head, get = await line.head(path), await line.get(path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert len(get.content) > 0
    assert lasting(head) == lasting(get)
    assert "content-length" in head.headers or path == "/v1/fleet/history"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/identify", 405), ("/nowhere", 404), ("/v1/collections/nobodys", 404), ("/v1/jobs/x", 422)],
)
async def test_head_says_what_is_wrong_by_its_status(line, path, status):
    """As GET would."""
    head, get = await line.head(path), await line.get(path)
    assert (head.status_code, head.content) == (status, b"")
    assert lasting(head) == lasting(get) | {"content-length": head.headers["content-length"]}


async def test_head_is_counted_as_such_by_its_route(client):
    """A probe is told from who reads the page, and makes no series of its own for each path."""
    for path in ("/metrics", "/v1/collections/default", "/"):
        assert (await client.head(path)).status_code == 200
    text = (await client.get("/metrics")).text
    for route in ("/metrics", "/v1/collections/{collection_id}", "/"):
        assert f'facefleet_http_requests_total{{method="HEAD",route="{route}",status="200"}} 1.0' in text
    assert 'method="GET"' not in text
