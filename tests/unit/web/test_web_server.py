"""What the server does below HTTP, on real sockets."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from facefleet.web import server
from facefleet.web.server import listen, serve

SOON_S = 20.0
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BEGUN = b"POST / HTTP/1.1\r\nHost: a"


async def app(_scope, receive, send):
    """Answer with the body, once all of it is there."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def connect(monkeypatch):
    """Connections to a server that waits for half a second for the headers of a request."""
    monkeypatch.setattr(server, "_HEAD_S", 0.5)
    listener, stop = listen("127.0.0.1", 0), asyncio.Event()

    @asynccontextmanager
    async def connected():
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        yield reader, writer
        writer.close()

    serving = asyncio.create_task(serve(app, listener, stop))
    yield connected
    stop.set()
    await serving


@pytest.mark.parametrize(("requests", "begun"), [(0, b""), (0, BEGUN), (1, BEGUN)])
async def test_whoever_does_not_send_his_headers_is_not_waited_for(connect, requests, begun):
    """A thousand such connections would be all that the system allows."""
    async with connect() as (reader, writer), asyncio.timeout(SOON_S):
        for _ in range(requests):
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await reader.read()


async def test_a_slow_body_and_a_pause_between_requests_are_no_slow_headers(connect):
    """Their time is limited elsewhere, and by more."""
    async with connect() as (reader, writer), asyncio.timeout(SOON_S):
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsl")
            await asyncio.sleep(1)
            writer.write(b"ow")
            assert (await reader.readuntil(b"slow")).startswith(b"HTTP/1.1 200 OK")
            await asyncio.sleep(1)


TOO_LONG = b"a" * 2**20
TOO_MANY = b"x: 1\r\n" * 2**17
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


@pytest.mark.parametrize(
    "head",
    [b"GET /" + TOO_LONG, BEGUN + TOO_LONG, BEGUN + b"\r\n" + TOO_MANY, CHUNKED + b"0\r\n" + TOO_MANY],
    ids=["line", "header", "headers", "trailers"],
)
async def test_headers_without_end_are_not_taken_in(connect, head):
    """A client that goes on and on would fill the memory."""
    async with connect() as (reader, writer), asyncio.timeout(SOON_S):
        writer.write(head)
        with suppress(ConnectionError):  # what was not read takes the answer along
            assert (await reader.read() or b"HTTP/1.1 431 ").startswith(b"HTTP/1.1 431 ")


async def test_long_bodies_many_pieces_and_many_requests_are_no_long_headers(connect):
    """Of a body, and of the requests before, nothing is counted."""
    async with connect() as (reader, writer), asyncio.timeout(SOON_S):
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % 2**20 + b"a" * 2**20)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(2**20)
        writer.write(CHUNKED + b"1\r\na\r\n" * 2**16 + b"0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(2**16 + 1)
        for _ in range(100):
            writer.write(REQUEST[:-2] + b"x: %s\r\n\r\n" % (b"a" * 2**10))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
