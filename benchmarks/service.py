"""What the service adds to the engine: the same photo through `facefleet up` and through the engine alone.

    python benchmarks/service.py [--photo FILE] [--rounds N] [--json]

A client sends one photo at a time to a service with one worker, over one connection and with nothing but Python's
`http.client`, for a client library's own work is not the service's. `added` is, request by request, the client's clock
less what the worker says the engine took (decode, detect, embed): HTTP on both sides, the store, the queue there and
back, the search. Between the rounds the same engine runs in this process, so both see the same machine. Then 100
clients send at once, for photos a second against one engine's.
"""

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import skimage.data

from facefleet.config import load
from facefleet.vision.engine import Engine, Photo

_AT_ONCE = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--photo", type=Path, help="default: skimage's astronaut, 512 x 512, one face")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    photo = options.photo.read_bytes() if options.photo else astronaut()
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder:
        figures = measure(photo, options.rounds, Path(folder))
    print(json.dumps(figures, indent=2) if options.json else table(figures))


def measure(photo: bytes, rounds: int, folder: Path) -> dict[str, float]:
    cv2.setNumThreads(1)
    engine = Engine(load().cache, max_pixels=50_000_000)
    process, url = start(folder)
    try:
        client = Client(url)
        alone_ms, service_ms, engine_ms, search_ms = [], [], [], []
        for n in range(rounds + 5):
            began_s = time.perf_counter()
            engine.recognise([Photo("alone", photo)])
            between_s = time.perf_counter()
            answer = client.identify(photo)
            ended_s = time.perf_counter()
            took_ms = json.loads(answer)["took_ms"]
            if n >= 5:  # the first ones warm caches and plans
                alone_ms.append(1e3 * (between_s - began_s))
                service_ms.append(1e3 * (ended_s - between_s))
                engine_ms.append(took_ms["decode"] + took_ms["detect"] + took_ms["embed"])
                search_ms.append(took_ms["search"])
        per_second = burst(url, photo)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    added_ms = [whole - part for whole, part in zip(service_ms, engine_ms, strict=True)]
    return {
        "engine_alone_ms": statistics.median(alone_ms),
        "service_ms": statistics.median(service_ms),
        "engine_in_worker_ms": statistics.median(engine_ms),
        "search_ms": statistics.median(search_ms),
        "added_ms": statistics.median(added_ms),
        "added_p90_ms": statistics.quantiles(added_ms, n=10)[-1],
        "added_without_search_ms": statistics.median(a - b for a, b in zip(added_ms, search_ms, strict=True)),
        "burst_per_second": per_second,
        "engine_alone_per_second": 1e3 / statistics.median(alone_ms),
    }


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    options = ["--port", "0", "--data", str(folder / "data"), "--min-workers", "1", "--max-workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "facefleet", "up", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FACEFLEET_LOG_LEVEL": "error", "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"ready at (http://\S+)", line):
            return process, found[1]
    raise SystemExit("the service did not start")


def burst(url: str, photo: bytes) -> float:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        began_s = time.perf_counter()
        list(threads.map(lambda _: Client(url).identify(photo), range(_AT_ONCE)))
        return _AT_ONCE / (time.perf_counter() - began_s)


class Client:
    """A connection that sends photos as forms."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)

    def identify(self, photo: bytes) -> bytes:
        head = b'--facefleet\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n\r\n'
        form = b"".join((head, photo, b"\r\n--facefleet--\r\n"))
        headers = {"Content-Type": "multipart/form-data; boundary=facefleet"}
        self._connection.request("POST", "/v1/identify", form, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != http.HTTPStatus.OK:
            raise SystemExit(f"{response.status}: {answer.decode()}")
        return answer


def table(figures: dict[str, float]) -> str:
    rows = [
        ("engine alone, ms a photo", f"{figures['engine_alone_ms']:.1f}"),
        ("service, ms a photo (one client)", f"{figures['service_ms']:.1f}"),
        ("  of which engine in the worker", f"{figures['engine_in_worker_ms']:.1f}"),
        ("  of which search in the gallery", f"{figures['search_ms']:.1f}"),
        ("  added by HTTP, queue, store, search: median", f"{figures['added_ms']:.1f}"),
        ("  added: 90th percentile", f"{figures['added_p90_ms']:.1f}"),
        ("  added without the search: median", f"{figures['added_without_search_ms']:.1f}"),
        (f"{_AT_ONCE} clients at once, one worker: photos/s", f"{figures['burst_per_second']:.1f}"),
        ("engine alone: photos/s", f"{figures['engine_alone_per_second']:.1f}"),
    ]
    return "\n".join(f"{name:<48} {value:>8}" for name, value in rows)


def astronaut() -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))
    assert done
    return bytes(data)


if __name__ == "__main__":
    main()
