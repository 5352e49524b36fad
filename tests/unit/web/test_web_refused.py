"""What the log says of requests that are told to come again later."""

import structlog
from structlog.testing import LogCapture

from facefleet.web import problems


def test_the_log_says_at_once_that_requests_are_refused_and_then_once_a_minute(monkeypatch):
    """A line a request would fill the disk that is full already."""
    said = LogCapture()
    monkeypatch.setattr(problems, "log", structlog.wrap_logger(None, processors=[said]))
    clock_s = 0.0
    refused = problems.Refused(now_s=lambda: clock_s)
    for clock_s in (0.0, 1.0, 59.0, 60.0, 61.0, 200.0):
        refused.note(f"full at {clock_s:g}")
    assert [(one["requests"], one.get("in_s"), one["latest"]) for one in said.entries] == [
        (1, None, "full at 0"),
        (3, 60, "full at 60"),
        (2, 140, "full at 200"),
    ]
