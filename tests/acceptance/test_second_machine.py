"""A worker on another machine: a data folder of its own, the photos' store, and one file that was carried to it."""

import shutil
import stat
import subprocess
import sys

import httpx
import psutil
import pytest
from program import Program

LISTEN = ("--listen-database", "127.0.0.2:0", "--database-clients", "127.0.0.0/8")


@pytest.fixture
def store(home):
    return ("--store", (home / "shared").as_uri())


@pytest.fixture
def second_machine(home, store):
    """Start a worker there, given what the first machine's program wrote."""
    workers = []

    def start(first):
        carried = home / "second" / "database.pem"
        carried.parent.mkdir()
        shutil.copy(first.data / "database.pem", carried)
        options = ("--data", str(carried.parent), "--database-url", carried.as_uri(), *store)
        workers.append(subprocess.Popen([sys.executable, "-m", "facefleet", "worker", "--id", "second", *options]))
        return workers[0]

    yield start
    for worker in workers:
        worker.terminate()
        assert worker.wait(120) == 0


def identify(program, photo):
    return httpx.post(f"{program.url}/v1/identify", files={"image": photo}, timeout=90)


def test_a_worker_elsewhere_answers_through_tls(home, store, second_machine, astronaut):
    """It enters the embedded database of `web` with that file alone, and by no other way."""
    with Program(home / "data", *LISTEN, *store, room="web") as web:
        assert stat.S_IMODE((web.data / "database.pem").stat().st_mode) == 0o600
        worker = second_machine(web)
        answer = identify(web, astronaut)
        assert (answer.status_code, len(answer.json()["faces"])) == (200, 1)
        entered = {tuple(one.raddr) for one in psutil.Process(worker.pid).net_connections("inet")}
        assert {address for address, _ in entered} == {"127.0.0.2"}
        assert "Traceback" not in web.log


def test_workers_elsewhere_go_on_after_the_first_machine_was_restarted(home, store, second_machine, astronaut):
    """Its next start lets them in with the same file."""
    with Program(home / "data", *LISTEN, *store, room="web") as web:
        second_machine(web)
        assert identify(web, astronaut).status_code == 200
        before = (web.data / "database.pem").read_text()
    port = before.split("127.0.0.2:")[1].split("/")[0]
    again = ("--listen-database", f"127.0.0.2:{port}", *LISTEN[2:])
    with Program(home / "data", *again, *store, room="web") as web:
        assert (web.data / "database.pem").read_text() == before
        assert identify(web, astronaut).status_code == 200
