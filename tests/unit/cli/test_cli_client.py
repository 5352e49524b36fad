"""How the client behaves when the service is busy, broken or not what it seems."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from facefleet.cli.client import Client
from facefleet.cli.connection import api
from facefleet.cli.exits import Failure
from facefleet.errors import BrokenInvariant, DeadlineExceeded, InvalidInput, NoFace, Overloaded, Unavailable

NO_FACE = {"title": "Unprocessable Content", "status": 422, "code": "NoFace", "detail": "No face was found."}
BUSY = {"status": 503, "code": "Overloaded", "detail": "The queue is long."}


@contextmanager
def scripted(*script):
    """Serve these answers in order, the last one for ever: (status, document or bytes, headers), or None to hang up."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            answer = script[min(len(seen), len(script)) - 1]
            if answer is None:
                self.connection.close()
                return
            status, document, headers = answer
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.server_port}", answer_within_s=60) as client:
            yield client, seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_busy_service_is_asked_again_when_it_says_so():
    """503 with Retry-After is waited for, not reported."""
    with scripted((503, BUSY, {"Retry-After": 0}), (503, BUSY, {"Retry-After": 0}), (200, {"a": 1}, {})) as (it, seen):
        assert it.get("/v1/queue") == {"a": 1}
    assert len(seen) == 3


def test_a_service_that_stays_busy_is_given_up():
    """Patience ends after a few tries, with the service's own words."""
    with scripted((503, BUSY, {"Retry-After": 0})) as (client, seen):
        with pytest.raises(Overloaded, match="The queue is long"):
            client.get("/v1/queue")
        assert len(seen) == 6


def test_a_command_that_is_stopped_does_not_sit_out_the_pause():
    """Ctrl-C while the service is busy ends the wait for Retry-After; the request is not sent again."""
    with scripted((503, BUSY, {"Retry-After": 3600})) as (client, seen):
        asked = threading.Event()

        def ask(item):
            if item == "stop":
                asked.wait(timeout=60)
                raise KeyboardInterrupt
            asked.set()
            return client.get("/v1/queue")

        with pytest.raises(KeyboardInterrupt):
            list(client.each(ask, ["stop", "go on"], at_once=2))
        assert len(seen) <= 1


UNUSABLE = [("ALL_PROXY", "socks5://127.0.0.1:9"), ("NO_PROXY", "::1/128"), ("SSL_CERT_FILE", "no.pem")]


@pytest.mark.parametrize(("name", "value"), UNUSABLE)
def test_what_the_environment_says_of_other_hosts_is_nothing_to_a_service_on_this_machine(monkeypatch, name, value):
    """A developer's proxy is not asked, and need not even be one that can be used."""
    monkeypatch.setenv(name, value)
    with scripted((200, {"a": 1}, {})) as (it, _):
        assert it.get("/v1/queue") == {"a": 1}


@pytest.mark.parametrize(("name", "value"), UNUSABLE)
def test_a_proxy_that_cannot_be_used_is_told_in_a_sentence(monkeypatch, name, value):
    """What the environment says holds for a service elsewhere; what is wrong with it is no traceback."""
    monkeypatch.setenv(name, value)
    with pytest.raises(Failure, match=name):
        Client("http://faces.example", answer_within_s=1)


def test_a_connection_that_breaks_is_tried_again():
    """A web node that is restarted in the middle costs a second, not a photo."""
    with scripted(None, (200, {"a": 1}, {})) as (client, _):
        assert client.get("/v1/queue") == {"a": 1}


def test_a_refusal_is_the_same_error_as_in_the_service():
    """problem+json becomes the class that raised it, at once."""
    with scripted((422, NO_FACE, {})) as (client, seen):
        with pytest.raises(NoFace, match="No face was found"):
            client.ask("/v1/identify", {"image": b"x"})
        assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (422, {"code": "InvalidRequest", "detail": "x"}, InvalidInput),
        (504, {"code": "DeadlineExceeded", "detail": "x"}, DeadlineExceeded),
        (500, {"code": "InternalServerError", "detail": "x"}, BrokenInvariant),
        (404, b"<html>not here</html>", BrokenInvariant),
        (200, b"<html>welcome</html>", BrokenInvariant),
        (502, b'["a"]', Unavailable),
    ],
)
def test_every_other_answer_has_an_error_too(status, document, kind):
    """A proxy's page or another program on the port gives a sentence, not a traceback."""
    with scripted((status, document, {})) as (client, _), pytest.raises(kind):
        client.get("/v1/queue")


def test_listings_are_read_to_their_end():
    """A collection with more persons than fit a page is listed whole."""
    pages = [
        (200, {"items": [1, 2], "next_after": "é/"}, {}),
        (200, {"items": [3], "next_after": None}, {}),
    ]
    with scripted(*pages) as (client, seen):
        assert list(client.items(api("collections", "a/ö", "persons"))) == [1, 2, 3]
    assert seen == [
        "/v1/collections/a%2F%C3%B6/persons?limit=1000",
        "/v1/collections/a%2F%C3%B6/persons?after=%C3%A9%2F&limit=1000",
    ]


def test_several_are_on_the_way_at_once_and_come_back_in_order():
    """Four items with four at once meet at a barrier, which one by one could not."""
    together = threading.Barrier(4)
    with scripted((200, {}, {})) as (client, _):
        answers = list(client.each(lambda item: (together.wait(timeout=60), item)[1], [3, 1, 2, 0], at_once=4))
    assert answers == [(3, 3), (1, 1), (2, 2), (0, 0)]


def test_after_a_failure_nothing_more_is_begun():
    """The first photo that finds no service ends the run."""
    begun = []

    def ask(item):
        begun.append(item)
        raise Unavailable("gone")

    with scripted((200, {}, {})) as (client, _):
        with pytest.raises(Unavailable):
            list(client.each(ask, list(range(10_000)), at_once=1))
        assert len(begun) < 10_000
