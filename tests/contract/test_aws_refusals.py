"""What a user is told when AWS refuses: one sentence with the resource, the operation and what is missing."""

import json
import os
import subprocess
import sys
import uuid
from contextlib import AsyncExitStack

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoRegionError

from emulated_aws import REGION
from facefleet.adapters.aws import Aws
from facefleet.adapters.aws_errors import AwsRefusal, refusal
from facefleet.adapters.sqs_names import open_queues
from facefleet.config import load
from facefleet.wiring.aws import find_or_make


def said(code, *, service="sqs", operation="ReceiveMessage", resource="the queue REQUESTS"):
    error = ClientError({"Error": {"Code": code, "Message": "AWS says so."}}, operation)
    return refusal(error, service=service, operation=operation, resource=resource).detail


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", ("lacks the permission sqs:ReceiveMessage", "queue REQUESTS")),
        ("ExpiredToken", ("credentials", "queue REQUESTS")),
        ("QueueDoesNotExist", ("no queue REQUESTS", "sqs:ReceiveMessage", "AWS_REGION")),
        ("PermanentRedirect", ("another region", "AWS_REGION")),
        ("VcpuLimitExceeded", ("quota", "AWS says so.")),
        ("SomethingNew", ("SomethingNew", "AWS says so.", "sqs:ReceiveMessage")),
    ],
)
def test_a_refusal_names_resource_operation_and_remedy(code, words):
    """Whoever reads it knows what to change, and where."""
    sentence = said(code)
    assert all(word in sentence for word in words)
    assert "\n" not in sentence


def test_a_permission_is_called_as_iam_calls_it():
    """The operation is HeadBucket, but what a role is given is ListBucket."""
    assert "s3:ListBucket" in said("403", service="s3", operation="HeadBucket", resource="the bucket B")


@pytest.mark.parametrize("error", [NoRegionError(), EndpointConnectionError(endpoint_url="http://nowhere")])
def test_what_keeps_aws_from_being_asked_is_said(error):
    """No region, no network."""
    assert "AWS_REGION" in refusal(error, service="sqs", operation="SendMessage", resource="the queue Q").detail


async def test_missing_credentials_are_named(aws, monkeypatch, tmp_path):
    """Neither environment nor profile nor role."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with Aws(REGION) as account:
        with pytest.raises(AwsRefusal, match="AWS_ACCESS_KEY_ID"):
            await account.call("sqs", "list_queues", "the queues")


@pytest.mark.parametrize(
    ("command", "resource"),
    [
        (["up", "--port", "0", "--queue", "sqs://Q", "--fleet", "ec2://app"], "sqs:GetQueueUrl on the queue Q"),
        (["web", "--port", "0", "--store", "s3://bucket-of-mine"], "s3:HeadBucket on the bucket bucket-of-mine"),
        (["worker", "--queue", "sqs://Q"], "sqs:GetQueueUrl on the queue Q"),
        (["controller", "--fleet", "ec2://app"], "ec2:DescribeInstances on the instances app-*"),
        (["deploy", "aws", "--name", "1225"], "sts:GetCallerIdentity on the account"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
@pytest.mark.parametrize("profile", ["nobody", None])
def test_without_credentials_a_command_ends_with_one_sentence(*, command, resource, profile, postgres_url, tmp_path):
    """An unknown profile, or nothing at all; the room does not come up without its fleet either."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": REGION}
    environment |= {"FACEFLEET_DATABASE_URL": postgres_url} | ({"AWS_PROFILE": profile} if profile else {})
    run = [sys.executable, "-m", "facefleet", *command]
    ended = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)
    assert ended.returncode == 3
    (sentence,) = ended.stderr.splitlines()
    if profile:
        assert sentence == f"facefleet: There is no AWS profile nobody for {resource}: correct AWS_PROFILE."
    else:
        assert "There are no usable AWS credentials for" in sentence
        assert resource in sentence or command[0] == "deploy"


def settings(**given):
    return load(**({"database_url": "postgresql://unused"} | given))


def resources_of(aws, name):
    queues = aws.client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    buckets = [one["Name"] for one in aws.client("s3").list_buckets()["Buckets"] if one["Name"].startswith(name)]
    return sorted([url.rsplit("/", 1)[1] for url in queues] + buckets)


async def test_absent_queues_and_buckets_are_named_and_nothing_is_made(aws):
    """A misspelt name must not become a queue."""
    name = f"r{uuid.uuid4().hex[:8]}"
    async with Aws(REGION) as account:
        with pytest.raises(AwsRefusal, match=f"no queue {name}-q"):
            await find_or_make(account, settings(queue_url=f"sqs://{name}-q"))
        with pytest.raises(AwsRefusal, match=f"no bucket {name}-b"):
            await find_or_make(account, settings(store_url=f"s3://{name}-b"))
    assert resources_of(aws, name) == []


async def test_the_profile_makes_what_is_absent_and_protects_it(aws):
    """Names as in the course; buckets private and forgetful; the second start finds everything."""
    name = f"r{uuid.uuid4().hex[:8]}"
    async with Aws(REGION) as account:
        for _ in range(2):
            await find_or_make(account, settings(profile="aws", name=name))
    assert resources_of(aws, name) == [
        f"{name}-{one}"
        for one in ("data-bucket", "in-bucket", "out-bucket", "req-queue", "req-queue-bulk", "req-queue-dead")
    ]
    s3 = aws.client("s3")
    assert all(
        s3.get_public_access_block(Bucket=f"{name}-in-bucket")["PublicAccessBlockConfiguration"][one]
        for one in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    )
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=f"{name}-in-bucket")["Rules"]
    assert rule["Expiration"] == {"Days": 8}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    prefixes = [
        one["Filter"]["Prefix"] for one in s3.get_bucket_lifecycle_configuration(Bucket=f"{name}-data-bucket")["Rules"]
    ]
    assert "crops/" not in prefixes


async def test_what_a_failed_start_made_is_gone_again(aws, monkeypatch):
    """The last step is refused, as by a role that may do all but this."""
    name = f"r{uuid.uuid4().hex[:8]}"
    call = Aws.call

    async def refuse(self, service, operation, resource, **parameters):
        if operation == "create_queue" and parameters["QueueName"].endswith("-bulk"):
            raise AwsRefusal("No.", "AccessDenied")
        return await call(self, service, operation, resource, **parameters)

    monkeypatch.setattr(Aws, "call", refuse)
    async with Aws(REGION) as account:
        with pytest.raises(AwsRefusal, match="No"):
            await find_or_make(account, settings(profile="aws", name=name))
    assert resources_of(aws, name) == []


async def test_an_existing_queue_is_used_as_it_is(aws):
    """Its attributes are its owner's, and so are its dead letters."""
    name = f"r{uuid.uuid4().hex[:8]}"
    sqs = aws.client("sqs")
    dead = sqs.create_queue(QueueName=f"{name}-graves")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "9"}}'
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "77", "RedrivePolicy": policy})["QueueUrl"]
    async with Aws(REGION) as account, AsyncExitStack() as made:
        queues = await open_queues(account, name, lease_s=30, max_receives=3, create=False, undo=made)
        assert queues.dead == dead
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["VisibilityTimeout"] == "77"
    assert str(json.loads(found["RedrivePolicy"])["maxReceiveCount"]) == "9"
