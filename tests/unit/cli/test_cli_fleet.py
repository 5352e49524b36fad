"""`facefleet fleet`: the controller's decisions, its history and the cost, from the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from facefleet.cli import status


def test_decisions_are_explained(service):
    """One line each: when, what, the numbers, the reason; readings only on demand."""
    ran = service("fleet", "explain")
    assert ran.returncode == 0, ran.stderr
    heading, line = (line.split("\t") for line in ran.stdout.splitlines())
    told = dict(zip(heading, line, strict=True))
    assert (told["start"], told["drain"], told["reason"]) == ("1", "", "1 waits, 0 run: start 1.")
    assert (told["running"], told["oldest s"]) == ("0", "0.25")
    assert told["when"].startswith("1970-01-01 ")
    assert [row.split("\t")[-1] for row in service("fleet", "explain", "--all", "-n", "1").stdout.splitlines()] == [
        "reason",
        "1 is enough: hold.",
    ]


def test_decisions_for_programs_hold_all_the_numbers(service):
    """As `GET /v1/fleet/decisions` has them."""
    (decision,) = json.loads(service("fleet", "explain", "--json").stdout)
    assert (decision["start"], decision["seen"]) == (1, {"enqueued_total": 0, "oldest_age_s": 0.25})


def test_the_history_is_printed_oldest_first(service):
    """One JSON document a line."""
    ran = service("fleet", "history")
    assert [json.loads(line)["at_s"] for line in ran.stdout.splitlines()] == [60.0, 70.0]


def test_a_history_that_fills_the_disk_is_said_to_be_cut_short(stand_in):
    """In a sentence and with a status of its own: who keeps the file must know that it is not all."""
    command = [sys.executable, "-m", "facefleet", "fleet", "history", "--url", stand_in.url]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=150, check=False)
    assert ran.returncode == 3
    assert ran.stderr == "facefleet: There is no room left for the answer: what was written is not all of it.\n"


def test_a_history_feeds_the_simulator(service, facefleet, tmp_path):
    """The two commands of the help, one after the other: five requests came in the ten seconds between."""
    (tmp_path / "history.jsonl").write_text(service("fleet", "history").stdout)
    ran = facefleet("simulate", "--from-history", "history.jsonl", "--policy", "naive", "--seeds", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    (outcome,) = json.loads(ran.stdout)
    assert outcome["unanswered"] == 0
    assert outcome["starts"]["mean"] >= 1


def test_the_cost_is_shown_and_how_to_set_the_price(service):
    """A worker runs; nobody said what it costs."""
    ran = service("fleet", "cost")
    assert ran.returncode == 0, ran.stderr
    assert "1 worker now, an hour\tunknown\t" in ran.stdout
    assert "FACEFLEET_WORKER_PRICE_PER_HOUR" in ran.stderr
    assert json.loads(service("fleet", "cost", "--json").stdout)["workers"] == 1


@pytest.mark.parametrize(
    ("looked_s_ago", "controller", "state"),
    [
        (0.4, None, "running"),
        (628.0, "silent for 628 s", "last seen running"),
        (None, "none has yet", "last seen running"),
    ],
)
def test_without_a_controller_the_workers_are_shown_as_they_were(
    *, capsys, monkeypatch, looked_s_ago, controller, state
):
    """They may have ended long ago."""
    queue = {"visible": 0, "in_flight": 0, "dead": 0, "oldest_age_s": 0.0}
    worker = {"id": "w", "state": "running", "since": "2026-11-22T11:34:25Z", "jobs": []}
    told = {"/v1/queue": queue, "/v1/fleet": {"workers": [worker], "looked_s_ago": looked_s_ago}}

    class Client:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def get(self, path):
            return told[path]

    monkeypatch.setattr(status, "connect", lambda _: Client())
    status.status()
    rows = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    assert rows[2:] == ([["controller", controller]] if controller else []) + [["w", state]]


@pytest.mark.parametrize("command", ["explain", "history", "cost"])
def test_without_a_service_one_sentence_says_so(facefleet, command):
    """And the status is that of a service that is away."""
    ran = facefleet("fleet", command, "--url", "http://127.0.0.1:9")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "facefleet up" in ran.stderr
    assert ran.stderr.strip().count("\n") == 0


@pytest.mark.parametrize("command", ["explain", "history", "cost"])
def test_the_help_shows_worked_examples(facefleet, command):
    """Lines to copy."""
    assert f"    facefleet fleet {command}" in facefleet("fleet", command, "--help").stdout
