"""Everything that is wrong with files gets a clear answer, and costs nobody else theirs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from program import Program

pytestmark = pytest.mark.timeout(600)

GIB = 2**30


def test_each_nasty_file_gets_an_answer_or_a_clear_error(home, shared, astronaut):
    """No crash, no hang, no worker over 1 GiB; a good photo sent beside each bad one is answered."""
    files = sorted(path for path in (shared / "nasty").rglob("*") if path.is_file())
    assert len(files) > 300
    with Program(home / "data", "--min-workers", "2", "--max-workers", "2") as program, program.client() as client:
        program.wait_until(lambda: len(program.workers()) == 2, "at two workers")
        pids = {worker.pid for worker in program.workers()}

        def send(path):
            return path, client.post("/v1/detect", files={"image": (path.name, path.read_bytes())})

        with ThreadPoolExecutor(4) as clients:
            for n, (path, answer) in enumerate(clients.map(send, files)):
                if answer.status_code == 200:
                    assert "faces" in answer.json(), path
                else:
                    assert answer.status_code in {400, 413, 415, 422}, (path, answer.status_code, answer.text)
                    assert len(answer.json()["detail"]) > 20, path
                if n % 50 == 0:
                    good = client.post("/v1/detect", files={"image": astronaut})
                    assert len(good.json()["faces"]) == 1
        assert {worker.pid for worker in program.workers()} == pids, "a worker died"
        for worker in program.workers():
            assert peak_rss_bytes(worker.pid) < GIB
        assert client.get("/v1/queue").json()["dead"] == 0


def peak_rss_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
