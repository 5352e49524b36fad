"""The CloudFormation template: what a linter that knows AWS's rules says, and what it promises about safety."""

import json
import os
import tomllib
from pathlib import Path

import hcl2
import pytest
from cfnlint.api import lint_file
from cfnlint.decode import cfn_yaml
from moto.cloudformation.parsing import get_model_map

from emulated_stacks import UNSUPPORTED, complete
from facefleet.adapters import aws_stack
from facefleet.core.aws_costs import PhotoTraffic, Prices
from facefleet.errors import NotFound

DEPLOY = Path(__file__).parents[2] / "deploy" / "aws"
TEMPLATE = DEPLOY / "facefleet.yaml"


@pytest.fixture(scope="module")
def template():
    return cfn_yaml.load(str(TEMPLATE))


@pytest.fixture(scope="module")
def resources(template):
    return template["Resources"]


def of_kind(resources, kind):
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def statements(resources):
    for kind in ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for properties in of_kind(resources, kind).values():
            documents = [one["PolicyDocument"] for one in properties.get("Policies", [])]
            for document in [*documents, properties.get("PolicyDocument", {"Statement": []})]:
                yield from document["Statement"]


def test_the_template_passes_cfn_lint():
    """Schemas, references, permissions' names: nothing to remark, warnings included."""
    assert [str(match) for match in lint_file(TEMPLATE)] == []


def test_the_template_is_sent_whole():
    """AWS takes 51,200 bytes in a request; a larger template would need a bucket first."""
    assert TEMPLATE.stat().st_size < 51_200


def test_the_installed_package_carries_the_template_and_the_prices():
    """The command works without a checkout."""
    assert aws_stack.template() == TEMPLATE.read_text()
    assert aws_stack.prices().as_of == tomllib.loads((DEPLOY / "prices.toml").read_text())["as_of"]


def test_what_the_emulator_does_not_prove_is_known(resources):
    """A kind of resource that moto passes over is listed, so that nobody takes it for tested."""
    complete()
    assert {one["Type"] for one in resources.values()} - get_model_map().keys() == UNSUPPORTED


def test_nobody_reads_a_bucket_but_the_roles(resources):
    """Every bucket is encrypted, closed to the public and to plain connections, and belongs to its owner."""
    buckets = of_kind(resources, "AWS::S3::Bucket")
    assert len(buckets) == 3
    for name, properties in buckets.items():
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}, name
        assert "BucketEncryption" in properties
        assert properties["LifecycleConfiguration"]["Rules"][0]["Status"] == "Enabled"
        policy = of_kind(resources, "AWS::S3::BucketPolicy")[f"{name}Policy"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_crops_of_enrolled_faces_do_not_expire(resources):
    """They are what templates are made from anew; only the records of jobs go from that bucket."""
    rules = resources["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [rule["Prefix"] for rule in rules] == ["jobs/"]


def test_every_instance_asks_for_credentials_by_session(resources):
    """IMDSv2 alone, one hop: a forged request through the service reaches no credentials."""
    templates = of_kind(resources, "AWS::EC2::LaunchTemplate")
    assert len(templates) == 2
    for properties in templates.values():
        options = properties["LaunchTemplateData"]["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)


def test_roles_may_do_no_more_than_they_must(resources):
    """No action is given whole, and everything on all resources is read only or bound by a condition."""
    for statement in statements(resources):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action]
        if statement["Resource"] == "*":
            assert "Condition" in statement or actions in (["ec2:DescribeInstances"], ["sqs:ListQueues"])


def test_a_worker_commands_no_instances(resources):
    """What photos pass through cannot start machines."""
    worker = json.dumps(resources["WorkerRole"], default=str)
    assert "ec2:" not in worker.replace("ec2.amazonaws.com", "")


def test_nobody_reaches_a_worker(resources):
    """Its security group lets nothing in."""
    assert "SecurityGroupIngress" not in resources["WorkerGroup"]["Properties"]


def test_the_image_is_baked_from_what_is_there():
    """The recipe is well-formed, and the script that it runs exists."""
    recipe = hcl2.loads((DEPLOY / "image.pkr.hcl").read_text())
    (build,) = recipe["build"]
    assert len(build["provisioner"]) == 3
    assert "deploy/aws/bake" in json.dumps(build)
    assert os.access(DEPLOY / "bake", os.X_OK)


@pytest.fixture(scope="module")
def prices():
    return aws_stack.prices()


def test_an_idle_installation_costs_what_always_runs(prices):
    """Web instance, database and address make up most of it; a worker adds its own price."""
    cost = prices.hourly(web="t3.small", worker="c7i.large", database="db.t4g.small", max_workers=19)
    named = prices.instances["t3.small"] + prices.databases["db.t4g.small"] + 0.005
    assert named < cost.idle < named * 1.3
    assert cost.full == pytest.approx(cost.idle + 19 * cost.worker)
    without = prices.hourly(web="t3.small", worker="c7i.large", database=None, max_workers=19)
    assert cost.idle - without.idle > prices.databases["db.t4g.small"]


def test_a_photo_costs_computing_by_its_share_of_an_hour(prices):
    """36 ms of one core at work all the time: a million photos are ten core hours."""
    nothing = PhotoTraffic(queue_requests=0, bucket_writes=0, bucket_reads=0, kept_mb=0, kept_days=0)
    one = prices.photos(1_000_000, worker="c7i.large", core_ms=36, busy=1, traffic=nothing)
    assert one.total == pytest.approx(10 * (0.08925 + 0.005))
    half = prices.photos(1_000_000, worker="c7i.large", core_ms=36, busy=0.5, traffic=nothing)
    assert half.total == pytest.approx(2 * one.total)


def test_an_unknown_type_has_no_price(prices):
    """Rather no figure than an invented one."""
    with pytest.raises(NotFound, match=r"x9\.large"):
        prices.hourly(web="t3.small", worker="x9.large", database=None, max_workers=1)


def test_prices_come_from_the_list_and_nowhere_else():
    """A list of one's own replaces every figure."""
    document = tomllib.loads((DEPLOY / "prices.toml").read_text())
    document["instances"]["c7i.large"] = 1.0
    dear = Prices.from_dict(document).hourly(web="t3.small", worker="c7i.large", database=None, max_workers=1)
    assert dear.worker > 1.0
