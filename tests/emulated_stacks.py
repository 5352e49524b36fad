"""What moto's CloudFormation lacks so that our template can be made and deleted: secrets, and deleting route tables."""

from moto.cloudformation import parsing
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
