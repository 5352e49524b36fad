"""Who starts the embedded database again."""

import asyncio

import structlog
from structlog.testing import LogCapture

from facefleet.errors import Unavailable
from facefleet.wiring import embedded


async def test_a_start_that_fails_in_whatever_way_is_tried_again(monkeypatch):
    """The system may have no process to spare just then, and nobody else starts the database."""
    monkeypatch.setattr(embedded, "_WATCH_S", 0.01)
    said = LogCapture()
    monkeypatch.setattr(embedded, "log", structlog.wrap_logger(None, processors=[said]))
    running = asyncio.Event()
    failures = [BlockingIOError(11, "Resource temporarily unavailable"), Unavailable("It is not ready.")]

    class Server:
        """One that runs after two failures to start it."""

        def url(self):
            if not running.is_set():
                raise Unavailable("No database runs.")

        def start(self):
            if failures:
                raise failures.pop()
            running.set()

    watching = asyncio.create_task(embedded._revive(Server()))
    async with asyncio.timeout(30):
        await running.wait()
    watching.cancel()
    assert [one["error"] for one in said.entries if one["event"] == "database not started yet"] == [
        "It is not ready.",
        "[Errno 11] Resource temporarily unavailable",
    ]
