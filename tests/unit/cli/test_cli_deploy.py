"""`facefleet deploy aws` against moto. Buckets' policies, alarms and the budget are beyond it: `emulated_stacks`."""

import base64
import itertools
import json
import re
import time

import pytest

from emulated_aws import REGION, EmulatedAws
from emulated_stacks import complete, failing
from facefleet.adapters.aws_stack.calls import Calls
from facefleet.adapters.aws_stack.stack import Stack
from facefleet.adapters.ec2_machines import read_plan
from facefleet.config import load

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")


@pytest.fixture(scope="module")
def emulator():
    complete()
    with EmulatedAws() as running:
        yield running


@pytest.fixture(scope="module")
def image(emulator):
    """A machine image of the account's own, as packer would leave it."""
    ec2 = emulator.client("ec2")
    base = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    builder = ec2.run_instances(ImageId=base, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    return ec2.create_image(InstanceId=builder, Name="facefleet-1")["ImageId"]


@pytest.fixture
def deploy(facefleet, emulator, image):
    """Run `facefleet deploy aws` and delete what the test leaves."""

    def run(name, *arguments, env=None, **options):
        return facefleet("deploy", "aws", "--name", name, *arguments, env=emulator.environment | (env or {}), **options)

    yield run
    stacks = emulator.client("cloudformation")
    for stack in stacks.describe_stacks()["Stacks"]:
        stacks.delete_stack(StackName=stack["StackName"])


@pytest.fixture
def there(emulator):
    """What the account holds under a name."""

    def look(name):
        stacks = emulator.client("cloudformation").describe_stacks()["Stacks"]
        queues = emulator.client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls", [])
        buckets = [one["Name"] for one in emulator.client("s3").list_buckets()["Buckets"]]
        return (
            {one["StackName"] for one in stacks if one["StackName"] == f"facefleet-{name}"}
            | {url.rsplit("/", 1)[1] for url in queues}
            | {bucket for bucket in buckets if bucket.startswith(f"{name}-")}
        )

    return look


def test_an_installation_is_made_changed_and_deleted(deploy, there, emulator):
    """One command makes everything, changes only what is named, and leaves nothing, workers and photos included."""
    made = deploy("life", "--yes", "--json", "--email", "me@example.org")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["outputs"]["Buckets"] == "life-in-bucket life-out-bucket life-data-bucket"
    assert there("life") == {
        "facefleet-life",
        "life-req-queue",
        "life-req-queue-bulk",
        "life-req-queue-dead",
        "life-resp-queue",
        "life-in-bucket",
        "life-out-bucket",
        "life-data-bucket",
    }

    changed = deploy("life", "--yes", "--set", "MaxWorkers=5")
    assert changed.returncode == 0, changed.stderr
    (stack,) = emulator.client("cloudformation").describe_stacks(StackName="facefleet-life")["Stacks"]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert (values["MaxWorkers"], values["AlarmEmail"]) == ("5", "me@example.org")

    emulator.client("s3").put_object(Bucket="life-in-bucket", Key="photo", Body=b"x")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "app-tier-instance-1"}]}]
    template = {"LaunchTemplateName": "life-app-tier"}
    emulator.client("ec2").run_instances(MinCount=1, MaxCount=1, LaunchTemplate=template, TagSpecifications=tags)
    deleted = deploy("life", "--delete", "--yes")
    assert deleted.returncode == 0, deleted.stderr
    assert there("life") == set()
    assert {one.state for one in emulator.instances("app-tier-instance")} == {"terminated"}


def test_aws_can_tell_a_repeated_request_from_a_second_one(emulator):
    """A request whose answer was lost is sent again by botocore: by its token AWS does it once."""
    calls, tokens = Calls(REGION), {}
    events = calls._client("cloudformation").meta.events
    events.register(
        "provide-client-params.cloudformation", lambda params, model, **_: tokens.update({model.name: params})
    )
    ids = map(str, itertools.count())
    stack = Stack(calls, "facefleet-again", pause=time.sleep, new_id=lambda: next(ids))
    one = '{"Parameters": {"Instances": {"Type": "String"}}, "Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}'
    two = one.replace('"Q"', '"R"')
    stack.create(one, {"Instances": "again"})
    assert stack.update(two, {"Instances": "again"})
    list(stack.delete())
    changing = {name: tokens[name].get("ClientRequestToken") for name in ("CreateStack", "UpdateStack", "DeleteStack")}
    assert changing == {"CreateStack": "0", "UpdateStack": "1", "DeleteStack": "2"}


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_nothing_happens_without_agreement(deploy, there, answer):
    """The price is told, the question asked; no, nothing and nobody there all mean no."""
    asked = deploy("asked", input=answer)
    assert asked.returncode == 1
    assert "With all 19 workers running: $1.16 an hour" in asked.stderr
    assert asked.stderr.strip().endswith("facefleet: Nothing was changed. (--yes agrees beforehand.)")
    assert there("asked") == set()


def test_deleting_asks_too(deploy, there):
    """An installation with photos in it does not go by a slip."""
    assert deploy("kept", "--yes").returncode == 0
    assert deploy("kept", "--delete", input="n\n").returncode == 1
    assert "facefleet-kept" in there("kept")


def test_what_fails_leaves_nothing(deploy, there, emulator):
    """A bucket name that somebody has already ends the making, and the sentence names the cause; the bucket is left."""
    emulator.client("s3").create_bucket(Bucket="taken-out-bucket")
    emulator.client("s3").put_object(Bucket="taken-out-bucket", Key="theirs", Body=b"x")
    failed = deploy("taken", "--yes")
    assert failed.returncode != 0
    assert "taken-out-bucket" in failed.stderr or "BucketAlready" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert there("taken") == {"taken-out-bucket"}
    assert emulator.client("s3").list_objects_v2(Bucket="taken-out-bucket")["KeyCount"] == 1


def test_a_resource_that_fails_after_a_while_is_named_and_all_is_undone(deploy, there):
    """AWS tells in its events which resource failed and why: a quota that is used up, a permission that is missing."""
    reason = "User is not authorized to perform: sqs:CreateQueue (Service: Sqs, Status Code: 403)"
    with failing(reason):
        failed = deploy("undone", "--yes")
    assert failed.returncode == 1
    assert failed.stderr.strip().endswith(
        "facefleet: The stack facefleet-undone failed, and nothing of it is left. "
        f"RequestQueue (AWS::SQS::Queue): {reason}."
    )
    assert there("undone") == set()


def test_a_change_that_fails_leaves_what_was(deploy, there):
    """AWS rolls it back; the next change starts from a sound stack."""
    assert deploy("changed", "--yes").returncode == 0
    before = there("changed")
    with failing("Maximum message size is wrong"):
        failed = deploy("changed", "--yes", "--set", "MaxWorkers=5")
    assert failed.returncode == 1
    assert "it is as it was before. RequestQueue (AWS::SQS::Queue): Maximum message size is wrong" in failed.stderr
    assert there("changed") == before
    assert deploy("changed", "--yes", "--set", "MaxWorkers=5").returncode == 0


def user_data(emulator, template):
    """The script that an instance of this launch template runs at its first boot."""
    ec2 = emulator.client("ec2")
    found = ec2.describe_launch_template_versions(LaunchTemplateName=template, Versions=["$Latest"])
    return base64.b64decode(found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]).decode()


def test_instances_start_with_settings_that_the_program_understands(deploy, there, emulator, monkeypatch):
    """What the template writes into the user data names the very resources that it makes."""
    assert deploy("told", "--yes", "--set", "MaxWorkers=5", "--set", "RetentionDays=3").returncode == 0
    for template in ("told-app-tier", "told-web"):
        found = emulator.client("ec2").describe_launch_template_versions(
            LaunchTemplateName=template, Versions=["$Latest"]
        )
        script = base64.b64decode(found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]).decode()
        pairs = [line.split("=", 1) for line in script.splitlines() if re.match("[A-Z_]+=", line)]
        with monkeypatch.context() as environment:
            for name, value in pairs:
                environment.setenv(name, value)
            settings = load()
        named = {*settings.buckets.values(), settings.queue_url.removeprefix("sqs://"), settings.response_queue}
        assert named <= there("told")
        assert settings.retention_days == 3
        assert "first-boot" in script
    plan = read_plan(settings.fleet_url)
    assert (plan.name, settings.max_workers, settings.host) == ("app-tier-instance", 5, "0.0.0.0")
    assert plan.types == ("c7a.medium", "c7i.large", "c6i.large")
    assert len(plan.subnets) == 2
    workers = emulator.client("ec2").describe_launch_templates(LaunchTemplateNames=["told-app-tier"])
    assert plan.template == workers["LaunchTemplates"][0]["LaunchTemplateId"]


def test_missing_credentials_are_one_sentence(deploy, tmp_path):
    """Which, for what, and where to put them."""
    nobody = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }
    refused = deploy("nobody", "--yes", env=nobody)
    assert refused.returncode == 3
    assert refused.stderr.startswith("facefleet: There are no usable AWS credentials for cloudformation:DescribeStacks")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"AWS_PROFILE": "nobody"}, "There is no AWS profile nobody"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}, "AWS cannot be reached"),
    ],
)
def test_what_is_wrong_with_the_surroundings_is_one_sentence(deploy, tmp_path, setting, sentence):
    """A profile that does not exist, a network that is away."""
    refused = deploy("nobody", "--yes", env=setting | {"AWS_CONFIG_FILE": str(tmp_path / "none")})
    assert refused.returncode == 3
    assert refused.stderr.startswith(f"facefleet: {sentence}")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "Workers=3"], "The template has no parameter Workers; it has "),
        (["--set", "MaxWorkers"], "--set MaxWorkers says no value"),
        (["--set", "WorkerType=x9.large"], "There is no price of x9.large"),
        (["--set", "MaxWorkers=many"], "MaxWorkers is a number, not many."),
        (["--name", "A B"], "'A B' is no name for buckets"),
        (["--delete"], "There is no stack facefleet-wrong in the region us-east-1."),
        (["--prices", "none.toml"], "none.toml holds no prices"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_happens(deploy, there, arguments, sentence):
    """One sentence, status 2."""
    refused = deploy("wrong", "--yes", *arguments)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    assert sentence in refused.stderr
    assert there("wrong") == set()


def test_two_installations_do_not_share_workers(deploy, there):
    """Workers are found by name, so a second stack in the region must call its own differently."""
    assert deploy("first", "--yes").returncode == 0
    refused = deploy("second", "--yes")
    assert refused.returncode == 2
    assert "--set Instances=NAME" in refused.stderr
    assert there("second") == set()
    assert deploy("second", "--yes", "--set", "Instances=second").returncode == 0


def test_without_a_region_it_says_which_variable_to_set(facefleet, emulator, monkeypatch, tmp_path):
    """Nothing is guessed: an installation in a region that nobody looks at costs money for months."""
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable)
    refused = facefleet("deploy", "aws", "--name", "lost", env={"AWS_CONFIG_FILE": str(tmp_path / "none")})
    assert refused.returncode == 3
    assert refused.stderr.endswith("on the stack facefleet-lost: set AWS_REGION.\n")


def test_without_an_image_it_says_what_to_do(facefleet, emulator):
    """An account that has baked none is told so before it is asked anything."""
    elsewhere = emulator.environment | {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    refused = facefleet("deploy", "aws", "--name", "bare", "--yes", env=elsewhere)
    assert refused.returncode == 2
    assert "no machine image facefleet-*" in refused.stderr
    assert "--image" in refused.stderr
