"""What is in an installation and not of its stack: workers that the controller launched, objects, and its image.

None of it goes away with the stack by itself; workers and objects even keep the stack from going.
"""

from collections.abc import Sequence

from facefleet.adapters.aws_stack.calls import Calls
from facefleet.errors import NotFound

_ALIVE = ["pending", "running", "stopping", "stopped"]


def newest_image(calls: Calls, pattern: str) -> str:
    """Return the id of the account's newest machine image of such a name.

    Raises:
        NotFound: there is none.
    """
    found = calls.call(
        "ec2",
        "describe_images",
        f"the images {pattern}",
        Owners=["self"],
        Filters=[{"Name": "name", "Values": [pattern]}],
    )["Images"]
    if not found:
        raise NotFound(f"The account has no machine image {pattern} in this region.")
    return str(max(found, key=lambda image: image["CreationDate"])["ImageId"])


def stop_group(calls: Calls, group: str) -> None:
    """Let an auto-scaling group have no instance any more, and wait until they are gone."""
    resource = f"the group {group}"
    found = calls.call("autoscaling", "describe_auto_scaling_groups", resource, AutoScalingGroupNames=[group])
    sizes = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
    calls.call("autoscaling", "update_auto_scaling_group", resource, AutoScalingGroupName=group, **sizes)
    calls.await_termination([one["InstanceId"] for each in found["AutoScalingGroups"] for one in each["Instances"]])


def workers(calls: Calls, name: str) -> list[str]:
    """Return the ids of the instances called NAME-1, NAME-2, …, whatever they do."""
    filters = [
        {"Name": "tag:Name", "Values": [f"{name}-*"]},
        {"Name": "instance-state-name", "Values": _ALIVE},
    ]
    pages = calls.pages("ec2", "describe_instances", f"the instances {name}-*", Filters=filters)
    return [one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]]


def terminate(calls: Calls, instances: Sequence[str]) -> None:
    """Terminate instances and wait until they are gone."""
    calls.call("ec2", "terminate_instances", "the workers", InstanceIds=list(instances))
    calls.await_termination(list(instances))


def empty(calls: Calls, bucket: str) -> None:
    """Delete every object of a bucket."""
    resource = f"the bucket {bucket}"
    for page in calls.pages("s3", "list_objects_v2", resource, Bucket=bucket):
        keys = [{"Key": one["Key"]} for one in page.get("Contents", [])]
        if keys:
            calls.call("s3", "delete_objects", resource, Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
