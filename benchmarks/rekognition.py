"""What the Rekognition interface costs: SearchFacesByImage beside `/v1/identify`, in one run of the real program.

    python benchmarks/rekognition.py [--rounds 200] [--faces 1000]

Both are asked in turn for the same photo, over the same kind of connection, so that a busy machine is busy for both.
The signature is made before the clock starts: signing is the client's time. A third column shows boto3 as it is.
"""

import argparse
import base64
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import boto3
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from PIL import Image
from skimage import data

COLLECTION = "default"
REGION = "us-east-1"


def main() -> None:
    """Start the program, enrol, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--faces", type=int, default=200, help="photos enrolled (each brightness is a photo)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder:
        program, url = started(Path(folder))
        try:
            measure(url, made_key(Path(folder)), given.rounds, given.faces)
        finally:
            program.terminate()
            program.wait(60)


def started(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Start `facefleet up` and return it with its address."""
    command = [sys.executable, "-m", "facefleet", "up", "--port", "0", "--data", str(folder), "--max-workers", "1"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert program.stdout is not None
    for line in program.stdout:
        if "ready at " in line:
            return program, line.split("ready at ")[1].split()[0]
    raise SystemExit("the program did not start")


def made_key(folder: Path) -> Credentials:
    """Make an access key."""
    command = [sys.executable, "-m", "facefleet", "keys", "create", "--scope", "admin", "--json", "--data", str(folder)]
    key = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Credentials(key["access_key_id"], key["secret_access_key"])


def photo(brightness: float = 1.0) -> bytes:
    """Return Eileen Collins, darker or lighter: another photo each time."""
    out = io.BytesIO()
    Image.fromarray((data.astronaut() * brightness).clip(0, 255).astype("uint8")).save(out, "JPEG", quality=92)
    return out.getvalue()


def measure(url: str, key: Credentials, rounds: int, faces: int) -> None:
    """Enrol, ask in turn, print medians and their difference."""
    rekognition = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key.access_key,
        aws_secret_access_key=key.secret_key,
    )
    for n in range(faces):
        rekognition.index_faces(CollectionId=COLLECTION, Image={"Bytes": photo(0.5 + n / faces / 2)})
    probe = photo(1.01)
    took_ms: dict[str, list[float]] = {"identify": [], "SearchFacesByImage": [], "boto3": []}
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(rounds):
            took_ms["identify"].append(identified_ms(client, probe))
            took_ms["SearchFacesByImage"].append(searched_ms(client, url, key, probe))
            began_s = time.perf_counter()
            rekognition.search_faces_by_image(CollectionId=COLLECTION, Image={"Bytes": probe}, MaxFaces=5)
            took_ms["boto3"].append((time.perf_counter() - began_s) * 1e3)
    print(f"{rounds} rounds, {faces} faces enrolled, photo of {len(probe) / 1024:.0f} KiB; milliseconds")
    for name, one in took_ms.items():
        deciles = statistics.quantiles(one, n=20)
        print(f"{name:<20} p50 {statistics.median(one):7.2f}   p5 {deciles[0]:7.2f}   p95 {deciles[-1]:7.2f}")
    pairs = zip(took_ms["SearchFacesByImage"], took_ms["identify"], strict=True)
    difference_ms = statistics.median(theirs - ours for theirs, ours in pairs)
    print(f"SearchFacesByImage - identify, median of the paired differences: {difference_ms:+.2f}")


def identified_ms(client: httpx.Client, probe: bytes) -> float:
    """Ask version 1."""
    began_s = time.perf_counter()
    answer = client.post(
        "/v1/identify", params={"collection": COLLECTION, "largest_only": "true"}, files={"image": probe}
    )
    assert answer.json()["faces"], answer.text
    return (time.perf_counter() - began_s) * 1e3


def searched_ms(client: httpx.Client, url: str, key: Credentials, probe: bytes) -> float:
    """Ask Rekognition, the signature made beforehand."""
    body = json.dumps(
        {"CollectionId": COLLECTION, "Image": {"Bytes": base64.b64encode(probe).decode()}, "MaxFaces": 5}
    ).encode()
    request = AWSRequest("POST", f"{url}/", data=body)
    request.headers["X-Amz-Target"] = "RekognitionService.SearchFacesByImage"
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    request.headers["amz-sdk-invocation-id"] = str(uuid.uuid4())
    SigV4Auth(key, "rekognition", REGION).add_auth(request)
    began_s = time.perf_counter()
    answer = client.post("/", content=body, headers=dict(request.headers))
    assert answer.json()["FaceMatches"], answer.text
    return (time.perf_counter() - began_s) * 1e3


if __name__ == "__main__":
    main()
