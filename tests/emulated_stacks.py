"""What moto's CloudFormation lacks: secrets, deleting route tables, and failing late, the way that AWS does."""

import threading
from contextlib import contextmanager
from unittest.mock import patch

from moto.cloudformation import cloudformation_backends, parsing
from moto.cloudformation.models import Event, Stack
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.secretsmanager.models import secretsmanager_backends

# Kinds of resource in our template that it passes over with a warning.
UNSUPPORTED = {
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
}


class Secret(CloudFormationModel):
    __module__ = "moto.secretsmanager.models"  # moto files its models by their module

    def __init__(self, arn):
        self.physical_resource_id = arn

    @staticmethod
    def cloudformation_name_type():
        return "Name"

    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::Secret"

    @classmethod
    def has_cfn_attr(cls, attr):
        return attr == "Id"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
        backend = secretsmanager_backends[account_id][region_name]
        text = cloudformation_json["Properties"].get("SecretString", "generated")
        backend.create_secret(resource_name, text, None, None, None, None, None, [], False)
        return cls(backend.describe_secret(resource_name).arn)

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name):
        secretsmanager_backends[account_id][region_name].delete_secret(resource_name, None, True)


def _delete_route_table(table, account_id, region_name):
    table.associations.clear()
    ec2_backends[account_id][region_name].delete_route_table(table.id)


def complete():
    """Teach moto what it lacks; it collects its models once."""
    RouteTable.delete = _delete_route_table
    parsing.get_model_map.cache_clear()


@contextmanager
def failing(reason):
    """While it lasts, a stack's making or change begins, fails at one resource, and is undone a second later."""

    def fail(stack, verb, undo):
        stack.status = f"{verb}_IN_PROGRESS"
        stack.events.append(
            Event(
                stack_id=stack.stack_id,
                stack_name=stack.name,
                logical_resource_id="RequestQueue",
                physical_resource_id="",
                resource_type="AWS::SQS::Queue",
                resource_status=f"{verb}_FAILED",
                resource_status_reason=reason,
                resource_properties=None,
            )
        )
        threading.Timer(1.0, undo).start()

    def create(stack):
        backend = cloudformation_backends[stack.account_id][stack.region_name]
        fail(stack, "CREATE", lambda: backend.delete_stack(stack.stack_id))

    def update(stack, *_, **__):
        def roll_back():
            stack.status = "UPDATE_ROLLBACK_COMPLETE"

        fail(stack, "UPDATE", roll_back)

    with patch.object(Stack, "create_resources", create), patch.object(Stack, "update", update):
        yield
