"""Load, faults and endings: real processes, real signals."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil
import pytest
from program import Program

pytestmark = pytest.mark.timeout(300)


def get(url):
    return httpx.get(url, timeout=60).json()


def post(url, photo, **params):
    return httpx.post(f"{url}/v1/identify", params=params, files={"image": photo}, timeout=120)


def words(process):
    try:
        return process.cmdline() or [""]
    except psutil.NoSuchProcess:
        return [""]


@pytest.mark.timeout(600)
def test_a_hundred_at_once_are_all_answered_and_the_fleet_grows_and_shrinks(home, crowd):
    """One worker at the start, one for each of up to four cores at the height, one worker in the end.

    A hundred small photos of one face may be done within the default objective before a second worker would be there;
    these are minutes of work for a slow machine, so clients are given the time.
    """
    cores = min(4, max(2, os.cpu_count() or 1))
    with Program(home / "data", "--max-workers", str(cores), request_timeout_s=300) as program:
        assert len(program.workers()) == 1
        most = [1]
        done = threading.Event()

        def watch():
            while not done.wait(0.05):
                most.append(len(program.workers()))

        watching = threading.Thread(target=watch)
        watching.start()
        with ThreadPoolExecutor(100) as clients:
            answers = list(
                clients.map(
                    lambda n: httpx.post(program.url, files={"inputFile": (f"test_{n:02d}.jpg", crowd)}, timeout=300),
                    range(100),
                )
            )
        assert [answer.status_code for answer in answers] == [200] * 100
        assert [answer.text for answer in answers] == [f"test_{n:02d}:unknown" for n in range(100)]
        program.wait_until(lambda: len(program.workers()) == 1, "back to one worker")
        done.set()
        watching.join()
        assert max(most) == cores
        queue = get(f"{program.url}/v1/queue")
        assert (queue["visible"], queue["in_flight"], queue["dead"]) == (0, 0, 0)

        def decisions():
            return get(f"{program.url}/v1/fleet/decisions?acting_only=true&limit=1000")["decisions"]

        # A decision is recorded once it has been carried out.
        program.wait_until(lambda: any(decision["drain"] for decision in decisions()), "known to have drained")
        assert any(decision["start"] for decision in decisions())
        assert all(decision["reason"] for decision in decisions())


def test_a_request_outlives_the_worker_that_had_it(home, astronaut):
    """SIGKILL in the middle, with the settings as they come: another worker answers, and clients notice nothing."""
    with Program(home / "data", "--max-workers", "1") as program, ThreadPoolExecutor(20) as clients:
        jobs = [
            httpx.post(f"{program.url}/v1/jobs?kind=detect", files={"image": astronaut}, timeout=60).headers["location"]
            for _ in range(20)
        ]
        waiting = [clients.submit(post, program.url, astronaut) for _ in range(20)]
        program.wait_until(lambda: get(f"{program.url}/v1/queue")["in_flight"] > 0, "at work")
        (worker,) = program.workers()
        worker.kill()
        program.wait_until(lambda: "worker ended unasked" in program.log, "noticed")
        assert [answer.result().status_code for answer in waiting] == [200] * 20
        ended = [get(f"{program.url}{job}?wait_s=30") for job in jobs]
        assert {job["state"] for job in ended} == {"done"}
        assert max(job["receives"] for job in ended) <= 2


def test_a_restart_finds_everything_again(home, astronaut):
    """Faces, jobs and photos are where they were."""
    with Program(home / "data") as program, program.client() as client:
        enrolled = client.post("/v1/collections/default/faces", params={"person": "E"}, files={"image": astronaut})
        job = client.post("/v1/jobs", params={"kind": "detect"}, files={"image": astronaut}).headers["location"]
        client.get(job, params={"wait_s": 60})
    with Program(home / "data") as program, program.client() as client:
        answer = client.post("/v1/identify", files={"image": astronaut}).json()
        assert answer["faces"][0]["candidates"][0]["face_id"] == enrolled.json()["faces"][0]["face_id"]
        assert client.get(job).json()["state"] == "done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_answers_what_is_open_and_leaves_no_process(home, astronaut, number):
    """Draining: requests under way when Ctrl-C comes are answered; then nothing is left, not even the database."""
    program = Program(home / "data", "--max-workers", "2")
    with program, ThreadPoolExecutor(20) as clients:
        answers = [clients.submit(post, program.url, astronaut) for _ in range(20)]
        queue = f"{program.url}/v1/queue"
        program.wait_until(lambda: get(queue)["in_flight"] > 0, "at work")
        assert program.stop(number) == 0
        statuses = [answer.result().status_code for answer in answers if answer.exception() is None]
        assert statuses
        assert set(statuses) == {200}
    assert program.processes() == []
    assert "Traceback" not in program.log


def test_workers_whose_parent_was_killed_drain_and_a_new_start_adopts_the_database(home, astronaut):
    """`kill -9` of the whole service costs nothing that was kept."""
    with Program(home / "data") as program:
        with program.client() as client:
            client.post("/v1/collections/default/faces", params={"person": "E"}, files={"image": astronaut})
        workers = program.workers()
        program.stop(signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=90)
        assert alive == []
    with Program(home / "data") as program:
        answer = post(program.url, astronaut).json()
        assert answer["faces"][0]["person"] == "E"
    assert program.processes() == []


def test_a_database_that_dies_comes_back_and_loses_nothing(home, astronaut):
    """The embedded server is killed with requests in the queue; they are answered once it is up again."""
    with Program(home / "data", "--max-workers", "1", lease_s=3) as program, program.client() as client:
        jobs = [
            client.post("/v1/jobs", params={"kind": "detect"}, files={"image": astronaut}).headers["location"]
            for _ in range(10)
        ]
        postmaster = next(one for one in program.processes() if "-D" in words(one) and "postgres" in words(one)[0])
        for one in [postmaster, *postmaster.children()]:
            with suppress(psutil.NoSuchProcess):
                one.kill()

        def answered():
            try:
                return all(client.get(job).json().get("state") == "done" for job in jobs)
            except httpx.HTTPError:
                return False

        program.wait_until(answered, "answered", within_s=200)


def test_nothing_is_kept_after_the_answer_if_so_set(home, astronaut):
    """Retention 0: no photo, no answer, no job, for a client on the line and for a job once fetched."""
    with Program(home / "data", retention_days=0) as program, program.client() as client:
        job_id = client.post("/v1/detect", files={"image": astronaut}).json()["job_id"]
        later = client.post("/v1/jobs", params={"kind": "detect"}, files={"image": astronaut}).headers["location"]
        assert client.get(later, params={"wait_s": 60}).json()["state"] == "done"
        assert client.get(f"/v1/jobs/{job_id}").status_code == 404
        # A fetched answer goes once it has been sent whole, so a moment later.
        program.wait_until(lambda: client.get(later).status_code == 404, "erased")
        program.wait_until(
            lambda: not any(path.is_file() for path in (program.data / "store").rglob("*")), "gone from the store"
        )


def test_a_port_in_use_is_said_in_one_sentence(home):
    """No traceback, a status that a script can test, and what to do."""
    with Program(home / "data") as program:
        port = program.url.rsplit(":", 1)[1]
        second = Program(home / "other", "--port", port)
        with pytest.raises(AssertionError, match="not ready"):
            second.__enter__()
        assert "Give another address with --host and --port" in second.log
        assert "Traceback" not in second.log
        assert second.stop() == 3
