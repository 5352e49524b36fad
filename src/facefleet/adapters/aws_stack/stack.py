"""CloudFormation as asked by `facefleet deploy aws`: one stack, and what happens to it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from facefleet.adapters.aws_errors import AwsRefusal
from facefleet.adapters.aws_stack import contents
from facefleet.adapters.aws_stack.calls import Calls

_LOOK_S = 2.0
_UNCHANGED = "No updates are to be performed"
_TAG = "facefleet"
# Names in the template.
_WEB_GROUP, _INSTANCES = "Web", "Instances"
_BUCKETS = ("InBucket", "OutBucket", "DataBucket")


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What happened to a resource of the stack."""

    resource: str
    kind: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether this is the cause of a failure, not one of its consequences."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason


class Stack:
    """One stack.

    Args:
        name: of the stack.
        pause: waits for a number of seconds, between two looks at AWS.
        new_id: returns a token by which AWS tells a repeated request (its answer was lost) from a second one.
    """

    def __init__(self, calls: Calls, name: str, *, pause: Callable[[float], None], new_id: Callable[[], str]) -> None:
        self.name = name
        self._calls = calls
        self._pause = pause
        self._new_id = new_id
        self._id = name  # AWS tells of a deleted stack by its id only
        self._told: set[str] = set()

    def status(self) -> str | None:
        """Return AWS's word for the stack's state, None if there is no such stack."""
        try:
            found = self._describe()
        except AwsRefusal as error:
            if error.code == "ValidationError":
                return None
            raise
        self._id = found["StackId"]
        status = str(found["StackStatus"])
        return None if status == "DELETE_COMPLETE" else status

    def parameters(self) -> dict[str, str]:
        """Return what an existing stack was made with."""
        return {one["ParameterKey"]: str(one["ParameterValue"]) for one in self._describe().get("Parameters", [])}

    def outputs(self) -> dict[str, str]:
        """Return what a finished stack tells."""
        return {one["OutputKey"]: one["OutputValue"] for one in self._describe().get("Outputs", [])}

    def known_parameters(self, template: str) -> dict[str, str | None]:
        """Return the template's parameters with their defaults, as AWS reads it."""
        found = self._call("get_template_summary", TemplateBody=template)
        return {one["ParameterKey"]: one.get("DefaultValue") for one in found["Parameters"]}

    def namesake(self, instances: str) -> str | None:
        """Return the name of another stack of ours whose workers have this name, if there is one."""
        for page in self._calls.pages("cloudformation", "describe_stacks", "the stacks"):
            for stack in page["Stacks"]:
                ours = any(tag["Key"] == _TAG for tag in stack.get("Tags", []))
                given = {one["ParameterKey"]: one.get("ParameterValue") for one in stack.get("Parameters", [])}
                if ours and given.get(_INSTANCES) == instances and stack["StackName"] != self.name:
                    return str(stack["StackName"])
        return None

    def create(self, template: str, parameters: Mapping[str, str]) -> None:
        """Begin to make the stack. AWS deletes it again if that fails; so do we where AWS did not even begin well."""
        try:
            made = self._call("create_stack", OnFailure="DELETE", **self._request(template, parameters))
        except AwsRefusal as error:
            if error.code != "AlreadyExistsException":
                with suppress(AwsRefusal):
                    self._call("delete_stack", StackName=self.name, ClientRequestToken=self._new_id())
            raise
        self._id = made["StackId"]

    def update(self, template: str, parameters: Mapping[str, str]) -> bool:
        """Begin to change the stack; return whether there is anything to change. AWS undoes a change that fails."""
        for _ in self._news():  # of earlier changes
            pass
        try:
            self._call("update_stack", **self._request(template, parameters))
        except AwsRefusal as error:
            if _UNCHANGED in error.detail:
                return False
            raise
        return True

    def delete(self) -> Iterator[str]:
        """Begin to delete the stack, with its workers and all objects; tell what is done before."""
        for _ in self._news():
            pass
        resources = self._call("describe_stack_resources", StackName=self._id)["StackResources"]
        made = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources if "PhysicalResourceId" in one}
        if _WEB_GROUP in made:
            yield "stopping the web tier"
            contents.stop_group(self._calls, made[_WEB_GROUP])
        workers = contents.workers(self._calls, self.parameters()[_INSTANCES])
        if workers:
            yield f"terminating workers: {' '.join(workers)}"
            contents.terminate(self._calls, workers)
        for bucket in (made[name] for name in _BUCKETS if name in made):
            yield f"emptying the bucket {bucket}"
            contents.empty(self._calls, bucket)
        self._call("delete_stack", StackName=self._id, ClientRequestToken=self._new_id())

    def follow(self) -> Iterator[Event]:
        """Tell what happens until the stack has settled."""
        while True:
            status = self.status()
            yield from self._news()
            if status is None or not status.endswith("_IN_PROGRESS"):
                return
            self._pause(_LOOK_S)

    def _news(self) -> Iterator[Event]:
        resource = f"the stack {self.name}"
        pages = self._calls.pages("cloudformation", "describe_stack_events", resource, StackName=self._id)
        found = [one for page in pages for one in page["StackEvents"] if one["EventId"] not in self._told]
        for one in reversed(found):  # AWS tells the newest first
            self._told.add(one["EventId"])
            yield Event(
                resource=one["LogicalResourceId"],
                kind=one["ResourceType"],
                status=one["ResourceStatus"],
                reason=one.get("ResourceStatusReason", ""),
            )

    def _describe(self) -> dict[str, Any]:
        found: dict[str, Any] = self._call("describe_stacks", StackName=self._id)["Stacks"][0]
        return found

    def _request(self, template: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        return {
            "StackName": self.name,
            "TemplateBody": template,
            "Capabilities": ["CAPABILITY_IAM"],
            "ClientRequestToken": self._new_id(),
            "Tags": [{"Key": _TAG, "Value": self.name}],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        }

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self._calls.call("cloudformation", operation, f"the stack {self.name}", **parameters)
