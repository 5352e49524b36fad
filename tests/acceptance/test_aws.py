"""The whole service on AWS, emulated: real programs, and in each instance that runs a real worker.

What an emulator cannot show is AWS's own timing and its lag; `docs/aws-adapters.md` says where that matters.
"""

import os
import random
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from program import Program, jpeg

from computers import Computers

pytestmark = pytest.mark.timeout(900)

CLIENTS = 100
MOST = 15
INSTANCES = "app-tier-instance"


class Cloud:
    """An account with a service in it, all of it called as in the course."""

    def __init__(self, emulated, database_url, data, **rule):
        self.emulated = emulated
        self.name = f"a{uuid.uuid4().hex[:8]}"
        self.data = data
        self.settings = {
            "profile": "aws",
            "name": self.name,
            "database_url": database_url,
            "max_workers": MOST,
            "request_timeout_s": 600,
            "lease_s": 20,
        } | rule
        emulated.launch_template(f"{self.name}-app-tier")

    def program(self, room="up"):
        """The web tier, with the controller in it or without."""
        return Program(self.data, room=room, **self.settings)

    def controller(self):
        """A controller alone."""
        return subprocess.Popen([sys.executable, "-m", "facefleet", "controller"], env=self._environment())

    def computers(self):
        """What runs in the instances: a worker each, as its unit starts it at boot."""

        def boot(instance_id):
            worker = f"{sys.executable} -m facefleet worker --id {instance_id}"
            return ["sh", "-c", f"exec {worker} > {self._log(instance_id)} 2>&1"]

        def finished(instance_id):
            return self._log(instance_id).exists() and "drained" in self._log(instance_id).read_text()

        return Computers(self.emulated, INSTANCES, boot, finished=finished, env=self._environment())

    def _environment(self):
        return os.environ | {f"FACEFLEET_{name.upper()}": str(value) for name, value in self.settings.items()}

    def _log(self, instance_id):
        return self.data.parent / f"{instance_id}.log"

    def logs(self, instance_ids):
        """What the workers of instances said last."""
        return "\n".join(f"{one}: {self._log(one).read_text()[-500:]}" for one in instance_ids)

    def objects(self, bucket):
        """How many objects a bucket of ours holds."""
        found = self.emulated.client("s3").list_objects_v2(Bucket=f"{self.name}-{bucket}-bucket")
        return len(found.get("Contents", []))

    def messages(self):
        """How many messages each of our queues holds, hidden ones included."""
        sqs = self.emulated.client("sqs")
        kinds = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        counts = {}
        for url in sqs.list_queues(QueueNamePrefix=self.name)["QueueUrls"]:
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(kinds))["Attributes"]
            counts[url.rsplit("/", 1)[1].removeprefix(f"{self.name}-")] = sum(int(found[kind]) for kind in kinds)
        return counts

    def empty(self):
        """Return whether no instance is anything but stopped or gone."""
        return {one.state for one in self.emulated.instances(INSTANCES)} <= {"stopped", "terminated"}

    def at_rest(self):
        """Return whether besides no queue holds a message.

        A worker that dies between answer and deletion leaves one that is seen again only when its lease has run out.
        """
        return self.empty() and set(self.messages().values()) == {0}


# What the course asks for: as many instances as messages, and none without any. Ours is given an objective.
RULES = {"naive": {"policy": "naive"}, "facefleet": {"slo": "60s", "max_workers": 4}}


@pytest.fixture(params=["naive"])
def cloud(request, aws, postgres_url, home):
    yield Cloud(aws, postgres_url, home / "data", **RULES[request.param])
    for instance in aws.instances(INSTANCES):
        instance.terminate()


@pytest.fixture(scope="module")
def face():
    """A small photo of Eileen Collins: up to 15 workers share two cores here."""
    from skimage import data

    return jpeg(data.astronaut()[:256, 96:352])


def enrol(cloud, program, face):
    """Enrol somebody, then clear the buckets as an operator would."""
    people = f"{program.url}/v1/collections/default/faces"
    assert httpx.post(people, params={"person": "Eileen"}, files={"image": face}, timeout=300).status_code == 201
    for kind in ("inputs", "outputs"):
        there = f"{program.url}/v1/objects/{kind}"
        httpx.delete(there, params={"confirm": True}, timeout=60).raise_for_status()
    program.wait_until(cloud.empty, "back to no instance", within_s=120)


def post(program, number, photos):
    """Post as the course's load generator does; return what it counts as an answer."""
    name = f"test_{number:02d}.jpg"
    answer = httpx.post(program.url, files={"inputFile": (name, photos[number % 2])}, timeout=600)
    return answer.status_code, answer.text


EXPECTED = [(200, f"test_{number:02d}:{('Eileen', 'no face')[number % 2]}") for number in range(CLIENTS)]


def test_a_hundred_at_once_go_through_an_elastic_fleet(cloud, face, nobody):
    """0 -> 15 -> 0 instances; all answered, both buckets hold a hundred, queues end empty, nothing is interrupted."""
    with cloud.computers() as computers, cloud.program() as program:
        assert cloud.empty()
        enrol(cloud, program, face)
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(lambda number: post(program, number, (face, nobody)), range(CLIENTS)))
        assert answers == EXPECTED
        assert (cloud.objects("in"), cloud.objects("out")) == (CLIENTS, CLIENTS)
        program.wait_until(cloud.at_rest, "back to no instance and no message", within_s=300)
        assert computers.most == MOST
        assert computers.interrupted == [], cloud.logs(computers.interrupted)
        assert program.stop() == 0
        assert "Traceback" not in program.log
        assert set(cloud.messages()) == {"req-queue", "req-queue-bulk", "req-queue-dead", "resp-queue"}


def test_instances_that_die_and_a_controller_that_is_killed_lose_nothing(cloud, face, nobody):
    """A third of the instances lose their power while they work, and the controller is killed half-way."""
    chance = random.Random(7)
    controllers = []
    try:
        with cloud.computers() as computers, cloud.program("web") as web, ThreadPoolExecutor(CLIENTS) as clients:
            controllers.append(cloud.controller())
            enrol(cloud, web, face)
            answers = [clients.submit(post, web, number, (face, nobody)) for number in range(CLIENTS)]
            web.wait_until(lambda: cloud.objects("out") >= CLIENTS // 10, "at work", within_s=300)
            for instance_id in chance.sample(working := computers.working(), len(working) // 3):
                computers.cut(instance_id)
            web.wait_until(lambda: cloud.objects("out") >= CLIENTS // 2, "half done", within_s=300)
            controllers[0].kill()
            controllers.append(cloud.controller())
            assert [answer.result() for answer in answers] == EXPECTED, web.log[-4000:]
            assert (cloud.objects("in"), cloud.objects("out")) == (CLIENTS, CLIENTS)
            web.wait_until(cloud.at_rest, "back to no instance and no message", within_s=300)
            assert computers.interrupted == [], cloud.logs(computers.interrupted)
            assert "Traceback" not in web.log
    finally:
        for controller in controllers:
            controller.kill()
            controller.wait()


@pytest.mark.parametrize("cloud", ["facefleet"], indirect=True)
def test_the_rule_that_users_get_goes_from_none_to_some_to_none(cloud, face, nobody):
    """With an objective into which a boot fits; its controller is told to end half-way, which interrupts nothing."""
    photos = 40
    with cloud.computers() as computers, cloud.program("web") as web, ThreadPoolExecutor(photos) as clients:
        controller = cloud.controller()
        try:
            assert cloud.empty()
            enrol(cloud, web, face)
            answers = [clients.submit(post, web, number, (face, nobody)) for number in range(photos)]
            web.wait_until(lambda: cloud.objects("out") >= photos // 4, "at work", within_s=300)
            before = len(cloud.emulated.changes)
            controller.terminate()
            assert controller.wait(60) == 0
            # What it had started before may come up meanwhile.
            assert {state for _, state in cloud.emulated.changes[before:]} <= {"pending", "running"}
            controller = cloud.controller()
            assert [answer.result() for answer in answers] == EXPECTED[:photos], web.log[-4000:]
            web.wait_until(cloud.at_rest, "back to no instance and no message", within_s=300)
        finally:
            controller.kill()
            controller.wait()
        assert computers.most >= 1
        assert computers.interrupted == [], cloud.logs(computers.interrupted)
        decisions = httpx.get(f"{web.url}/v1/fleet/decisions", timeout=60).json()["decisions"]
        assert any("60 s" in decision["reason"] for decision in decisions)


def test_queue_and_store_are_chosen_by_their_urls(aws, postgres_url, home, face):
    """In a TOML file; what exists is used as it is, workers may be processes, and names may be the course's."""
    name = f"u{uuid.uuid4().hex[:8]}"
    sqs, s3 = aws.client("sqs"), aws.client("s3")
    sqs.create_queue(QueueName=name)
    s3.create_bucket(Bucket=name)
    config = home / "mine.toml"
    config.write_text(
        f'queue_url = "sqs://{name}"\nstore_url = "s3://{name}"\nkey_naming = "filename"\n'
        f'database_url = "{postgres_url}"\nmax_workers = 1\n'
    )
    with Program(home / "data", "--config", str(config)) as program:
        assert post(program, 0, (face, face)) == (200, "test_00:unknown")
        found = {one["Key"] for one in s3.list_objects_v2(Bucket=name)["Contents"]}
        assert {key for key in found if not key.startswith("jobs/")} == {"inputs/test_00.jpg", "outputs/test_00"}
        assert s3.get_object(Bucket=name, Key="outputs/test_00")["Body"].read() == b"unknown"
        with program.client() as client:
            place = client.post("/v1/jobs", params={"kind": "detect"}, files={"image": face}).headers["location"]
            job = client.get(place, params={"wait_s": 60}).json()
        assert (job["state"], len(job["answer"]["faces"])) == ("done", 1)
    queues = {url.rsplit("/", 1)[1] for url in sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]}
    assert queues == {name, f"{name}-bulk", f"{name}-dead"}
