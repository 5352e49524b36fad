"""Count the calls to SQS and S3 that one photo causes, on moto: what `aws_cost.py` multiplies by their prices.

    python benchmarks/aws_calls.py [PHOTOS]

Runs the real service (`facefleet up` with queue and buckets on the emulator, workers as processes), sends photos one
after another, and counts what arrives there; what arrives in as long a time without photos is taken off.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import skimage.data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from emulated_aws import EmulatedAws

PORT = 8797
URL = f"http://127.0.0.1:{PORT}"


def counted(seen):
    """Make moto's server count what it is asked: `SendMessage` for SQS, `PUT` and the like for S3."""
    original = DomainDispatcherApplication.__call__

    def call(self, environ, start_response):
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        seen[f"sqs {target.rpartition('.')[2]}" if "SQS" in target else f"s3 {environ['REQUEST_METHOD']}"] += 1
        return original(self, environ, start_response)

    DomainDispatcherApplication.__call__ = call


def photo():
    data = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(data, "JPEG")
    return data.getvalue()


def await_ready(process):
    while process.poll() is None:
        try:
            httpx.get(f"{URL}/v1/queue").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return
    sys.exit("The service did not start.")


def main():
    photos = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    seen, sent = Counter(), photo()
    counted(seen)
    with EmulatedAws() as aws, tempfile.TemporaryDirectory(prefix="facefleet-") as folder:
        command = [sys.executable, "-m", "facefleet", "up", "--data", folder, "--port", str(PORT)]
        with_aws = {
            "FACEFLEET_QUEUE_URL": "sqs://calls-req-queue",
            "FACEFLEET_RESPONSE_QUEUE": "calls-resp-queue",
            "FACEFLEET_STORE_URL": "s3://calls-data-bucket",
            "FACEFLEET_INPUTS_URL": "s3://calls-in-bucket",
            "FACEFLEET_OUTPUTS_URL": "s3://calls-out-bucket",
            "FACEFLEET_CREATE": "true",
            "FACEFLEET_MAX_WORKERS": "1",
            "FACEFLEET_LOG_LEVEL": "error",
        }
        environment = os.environ | aws.environment | with_aws
        with subprocess.Popen(command, env=environment) as process:
            try:
                await_ready(process)
                httpx.post(URL, files={"myfile": sent}, timeout=120).raise_for_status()
                seen.clear()
                began_s = time.perf_counter()
                for _ in range(photos):
                    httpx.post(URL, files={"myfile": sent}, timeout=60).raise_for_status()
                took_s = time.perf_counter() - began_s
                busy = Counter(seen)
                seen.clear()
                time.sleep(took_s)
                idle = Counter(seen)
            finally:
                process.terminate()
    print(f"Calls for each of {photos} photos, and a minute without any:")
    for name in sorted(busy | idle):
        print(f"  {name:<28} {(busy[name] - idle[name]) / photos:6.2f} {idle[name] * 60 / took_s:8.1f}")


if __name__ == "__main__":
    main()
