"""The simulator's prediction beside a live run: a step of load on real worker processes, and on paper.

    python benchmarks/elasticity_live.py [--policy NAME] [--load 1.0] [--quiet-s 20] [--busy-s 90] [--after-s 60]
        [--batch-size 1] [--plot OUT.png] [--json]

1. A service with all its workers at work answers some photos: the mean service time gives the rate of the step.
2. A new service with no workers gets nothing, then Poisson arrivals worth `--load` workers, then nothing again, while
   workers and waiting requests are read every half second.
3. The simulator runs the same rule over the same arrivals, with the service times that the workers measured in 2 and
   the boot that the controller measured in 2.

A wait is what a client waits beyond the engine's time for its own photo, so live waits include HTTP, the store and the
queue. A worker takes one photo at a time, as in the simulator; with more, photos wait for the others of their batch
too. The photo is a crowd, one face tiled, so that a worker is busy with it for a few tenths of a second.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import httpx
import numpy as np
import skimage.data
from matplotlib.figure import Figure

from facefleet.config import load
from facefleet.core.fleet import Bounds
from facefleet.core.scaling import policy
from facefleet.core.scaling.terms import Billing
from facefleet.lab.simulate.durations import fixed
from facefleet.lab.simulate.engine import simulate
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.workload import Workload

CROWD = 5  # faces in a row, and rows
TRIED = 20  # photos that each worker is timed with
READ_S = 0.5
SEED = 1
LIVE, PAPER = "#c2410c", "#2f6f9f"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the service said at one time of the run."""

    at_s: float
    workers: int
    in_system: int


@dataclass(frozen=True, kw_only=True)
class Side:
    """One column of the table: the live run, or the simulated one."""

    readings: Sequence[Reading]
    waits_s: np.ndarray
    worker_s: float
    starts: int
    stops: int

    def figures(self) -> dict[str, float]:
        """Return the rows."""
        p50, p95, p99 = np.percentile(self.waits_s, (50, 95, 99))
        return {
            "most workers": max(reading.workers for reading in self.readings),
            "p50 wait, s": p50,
            "p95 wait, s": p95,
            "p99 wait, s": p99,
            "longest wait, s": float(self.waits_s.max()),
            "worker-seconds": self.worker_s,
            "starts": self.starts,
            "stops": self.stops,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--policy", default="facefleet")
    parser.add_argument("--load", type=float, default=1.0, help="workers' worth of work in the step, by 1")
    parser.add_argument("--quiet-s", type=float, default=20.0)
    parser.add_argument("--busy-s", type=float, default=90.0)
    parser.add_argument("--after-s", type=float, default=60.0)
    parser.add_argument("--batch-size", type=int, default=1, help="photos a worker takes at a time")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    photo = crowd()
    maximum = os.cpu_count() or 1
    os.environ |= {
        "FACEFLEET_POLICY": options.policy,
        "FACEFLEET_BATCH_SIZE": str(options.batch_size),
        "FACEFLEET_REQUEST_TIMEOUT_S": "120",
        "FACEFLEET_LOG_LEVEL": "error",
    }
    with service(minimum=maximum, maximum=maximum) as url:
        before_s = asyncio.run(time_service(url, photo, maximum))
    workload = step(options.load / before_s, options.quiet_s, options.busy_s, options.after_s)
    with service(minimum=0, maximum=maximum) as url:
        live, services_s, boot_s = asyncio.run(drive(url, photo, workload))
    paper = predict(workload, services_s, boot_s, options.policy, maximum)
    settings = {
        "photos": workload.arrivals_s.size,
        "photos a second in the step": options.load / before_s,
        "service before, s": before_s,
        "service in the run, s": float(services_s.mean()),
        "boot in the run, s": boot_s,
        "workers at most": maximum,
    }
    report(settings, live, paper, as_json=options.json)
    if options.plot is not None:
        offered = options.load * services_s.mean() / before_s
        title = f"{options.policy}: a step worth {offered:.2g} of {maximum} workers, live and simulated"
        draw(live, paper, workload, title, options.plot)


def crowd() -> bytes:
    """Return a JPEG of one face, many times."""
    pixels = np.tile(cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR), (CROWD, CROWD, 1))
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def step(rate_hz: float, quiet_s: float, busy_s: float, after_s: float) -> Workload:
    """Return none, many, none: Poisson arrivals between two silences."""
    gaps = np.random.default_rng(SEED).exponential(1 / rate_hz, int(2 * rate_hz * busy_s) + 10)
    arrivals = quiet_s + np.cumsum(gaps)
    return Workload(
        name="step", arrivals_s=arrivals[arrivals < quiet_s + busy_s], duration_s=quiet_s + busy_s + after_s
    )


@contextmanager
def service(*, minimum: int, maximum: int) -> Iterator[str]:
    """Run `facefleet up` on a free port, with a folder of its own: no history that the simulator does not know."""
    bounds = ["--min-workers", str(minimum), "--max-workers", str(maximum)]
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "facefleet", "up", "--port", "0", "--data", folder, *bounds],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        try:
            assert process.stdout is not None
            found = (re.search(r"ready at (http://\S+)", line) for line in process.stdout)
            url = next((match[1] for match in found if match), None)
            if url is None:
                raise SystemExit("the service did not start")
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(90)


async def time_service(url: str, photo: bytes, workers: int) -> float:
    """Return the mean seconds of an engine for the photo while all workers are at work."""
    async with httpx.AsyncClient(base_url=url, timeout=150) as client:

        async def one_by_one() -> list[float]:
            return [await ask(client, photo) for _ in range(TRIED)]

        times = await asyncio.gather(*(one_by_one() for _ in range(workers)))
    return float(np.mean([one[2:] for one in times]))  # the first ones warm up


async def ask(client: httpx.AsyncClient, photo: bytes) -> float:
    """Send the photo; return what the engine took for it."""
    answer = (await client.post("/v1/identify", files={"image": photo})).raise_for_status().json()
    return sum(answer["took_ms"][stage] for stage in ("decode", "detect", "embed")) / 1e3


async def drive(url: str, photo: bytes, workload: Workload) -> tuple[Side, np.ndarray, float]:
    """Send the workload; return what happened, the service time of each request, and the mean boot."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=150, limits=limits) as client:
        worker_h = (await client.get("/v1/fleet/cost")).json()["worker_hours"]
        began_s, began = time.monotonic(), datetime.now(UTC)

        async def request(at_s: float) -> tuple[float, float]:
            await asyncio.sleep(began_s + at_s - time.monotonic())
            sent_s = time.monotonic()
            service_s = await ask(client, photo)
            return service_s, time.monotonic() - sent_s - service_s

        async def read() -> Sequence[Reading]:
            readings = []
            while (now_s := time.monotonic() - began_s) < workload.duration_s:
                queue, fleet = [(await client.get(path)).json() for path in ("/v1/queue", "/v1/fleet")]
                there = sum(worker["state"] in ("pending", "running") for worker in fleet["workers"])
                readings.append(Reading(at_s=now_s, workers=there, in_system=queue["visible"] + queue["in_flight"]))
                await asyncio.sleep(READ_S)
            return readings

        reading = asyncio.create_task(read(), name="read")
        answers = np.array(await asyncio.gather(*(request(at_s) for at_s in workload.arrivals_s)))
        readings = await reading
        worker_h = (await client.get("/v1/fleet/cost")).json()["worker_hours"] - worker_h
        latest = (await client.get("/v1/fleet/decisions?limit=1000")).json()["decisions"]
    mine = [one for one in latest if datetime.fromisoformat(one["at"]) >= began]
    live = Side(
        readings=readings,
        waits_s=answers[:, 1],
        worker_s=worker_h * 3600,
        starts=sum(one["start"] for one in mine),
        stops=sum(len(one["drain"]) for one in mine),
    )
    return live, answers[:, 0], latest[0]["seen"]["boot_s"]


def predict(workload: Workload, services_s: np.ndarray, boot_s: float, rule: str, maximum: int) -> Side:
    """Return what the simulator makes of the same arrivals, charged as the live fleet's settings say."""
    billing = Billing(minimum_s=load().minimum_bill_s)
    run = simulate(
        workload,
        services_s,
        policy(rule, billing=billing),
        bounds=Bounds(minimum=0, maximum=maximum),
        world=World(boot=fixed(boot_s), billing=billing),
        seed=SEED,
    )
    return Side(
        readings=[
            Reading(at_s=look.at_s, workers=look.pending + look.running, in_system=look.visible + look.in_flight)
            for look in run.looks
        ],
        waits_s=run.waits_s,
        worker_s=run.billed_s,
        starts=run.starts,
        stops=run.stops,
    )


def report(settings: dict[str, float], live: Side, paper: Side, *, as_json: bool) -> None:
    """Print the two columns."""
    if as_json:
        print(json.dumps({"settings": settings, "live": live.figures(), "simulated": paper.figures()}, indent=2))
        return
    print("; ".join(f"{name} {value:.3g}" for name, value in settings.items()))
    print("\n| | live | simulated |\n|---|---|---|")
    for name, value in live.figures().items():
        print(f"| {name} | {value:.3g} | {paper.figures()[name]:.3g} |")


def draw(live: Side, paper: Side, workload: Workload, title: str, file: Path) -> None:
    """Draw workers, and requests in the system, of both."""
    figure = Figure(figsize=(8, 5.4), dpi=130, layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", fontweight="bold")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(1, 2, 2))
    axes[0].hist(workload.arrivals_s, bins=int(workload.duration_s), color="#30363d", alpha=0.4)
    axes[0].set_ylabel("arrivals\na second")
    for side, name, colour in ((live, "live", LIVE), (paper, "simulated", PAPER)):
        at_s = [reading.at_s for reading in side.readings]
        for row, values in enumerate(
            ([one.workers for one in side.readings], [one.in_system for one in side.readings])
        ):
            axes[row + 1].step(at_s, values, where="post", color=colour, linewidth=1.3, alpha=0.85, label=name)
    axes[1].set_ylabel("workers\nrunning or booting")
    axes[1].legend(frameon=False, fontsize=9)
    axes[2].set_ylabel("requests\nwaiting or in work")
    axes[2].set_xlabel("seconds")
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.margins(x=0)
        one.set_ylim(bottom=0)
    figure.savefig(file)


if __name__ == "__main__":
    main()
