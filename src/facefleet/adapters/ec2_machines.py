"""EC2's calls that a fleet is made of: look, start, launch, stop, terminate, tag.

What AWS may lack is tried elsewhere (another type, another zone); what it may throttle, botocore repeats.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog

from facefleet.adapters.aws import Aws
from facefleet.adapters.aws_errors import QUOTA, AwsRefusal

log = structlog.get_logger()

_DRAINING = "facefleet-draining"
# Nothing wrong with the request: AWS has none of that type there at the moment, or none at all there.
_NO_CAPACITY = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "SpotMaxPriceTooLow",
        "Unsupported",
    }
)
_WRONG_STATE = "IncorrectInstanceState"
# Of stopping: "You can't stop the Spot Instance … because it is associated with a one-time Spot Instance request", or
# it has no disk that stays.
_FOR_ONE_RUN = "UnsupportedOperation"
# Of stopping and terminating: somebody protected it, or the role may not.
_KEPT = frozenset({"OperationNotPermitted", "UnauthorizedOperation", _FOR_ONE_RUN, _WRONG_STATE})
_EXISTING = ("pending", "running", "stopping", "stopped", "shutting-down")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What `ec2://NAME?template=…` says.

    Attributes:
        name: the instances are those whose `Name` tag is `name-1`, `name-2`, ….
        template: launch template, by name or id (`lt-…`).
        types, subnets: what to try in place of the template's own, in this order.
    """

    name: str
    template: str
    types: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()

    def placements(self) -> Iterator[dict[str, str]]:
        """Give what to launch with: every type in every subnet, best first."""
        for instance_type in self.types or (None,):
            for subnet in self.subnets or (None,):
                yield {
                    name: value
                    for name, value in (("InstanceType", instance_type), ("SubnetId", subnet))
                    if value is not None
                }


def read_plan(url: str) -> Plan:
    """Read `ec2://NAME?template=NAME&types=A,B&subnets=C,D`; the template is called as the instances by default.

    Raises:
        ValueError: it says something else.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.netloc or not all(options.values()) or options.keys() - {"template", "types", "subnets"}:
        raise ValueError(f"{url!r} is no fleet; say ec2://NAME?template=NAME&types=TYPE,TYPE&subnets=ID,ID")
    return Plan(
        name=parts.netloc,
        template=options.get("template", parts.netloc),
        types=tuple(options["types"].split(",")) if "types" in options else (),
        subnets=tuple(options["subnets"].split(",")) if "subnets" in options else (),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """An instance as AWS reports it.

    Attributes:
        number: that of its name.
        draining: whether it was asked to finish.
        launched_s: Unix time of its launch, or of its latest start.
    """

    instance_id: str
    state: str
    number: int
    draining: bool
    launched_s: float


class Machines:
    """The instances of a plan."""

    def __init__(self, aws: Aws, plan: Plan) -> None:
        self._aws = aws
        self._plan = plan
        self._refused: set[tuple[str, str]] = set()  # operation and instance, once told

    async def look(self) -> list[Machine]:
        """Return all that exist, by number."""
        machines: list[Machine] = []
        more: dict[str, str] = {}
        while True:
            found = await self._call(
                "describe_instances",
                f"the instances {self._plan.name}-*",
                Filters=[
                    {"Name": "tag:Name", "Values": [f"{self._plan.name}-*"]},
                    {"Name": "instance-state-name", "Values": list(_EXISTING)},
                ],
                **more,
            )
            named = (one for group in found["Reservations"] for one in group["Instances"])
            machines += [machine for machine in map(self._ours, named) if machine is not None]
            if not found.get("NextToken"):
                # One may have gone between being found and being described.
                existing = (machine for machine in machines if machine.state in _EXISTING)
                return sorted(existing, key=lambda machine: machine.number)
            more = {"NextToken": found["NextToken"]}

    async def start(self, instance_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Start stopped instances; return those that start, and those that are sold out where they are.

        The others are in no state for it, or beyond the quota.
        """
        if not instance_ids:
            return [], []
        # Before they run, or they would be taken for drained.
        await self._call("delete_tags", "the instances", Resources=list(instance_ids), Tags=[{"Key": _DRAINING}])
        try:
            await self._call("start_instances", "the instances", InstanceIds=list(instance_ids))
        except AwsRefusal as error:
            if error.code not in {_WRONG_STATE, *_NO_CAPACITY, *QUOTA}:
                raise
            if len(instance_ids) > 1:
                each = await asyncio.gather(*(self.start([one]) for one in instance_ids))
                return [one for started, _ in each for one in started], [one for _, out in each for one in out]
            log.warning("instance not started", instance=instance_ids[0], error=error.detail)
            return [], list(instance_ids) if error.code in _NO_CAPACITY else []
        return list(instance_ids), []

    async def launch(self, number: int) -> str | None:
        """Launch an instance; None if there is no capacity for it anywhere, or no quota."""
        template = self._plan.template
        named = {"LaunchTemplateId" if template.startswith("lt-") else "LaunchTemplateName": template}
        tags = [{"Key": "Name", "Value": f"{self._plan.name}-{number}"}]
        for placement in self._plan.placements():
            try:
                found = await self._call(
                    "run_instances",
                    f"the launch template {template}",
                    MinCount=1,
                    MaxCount=1,
                    LaunchTemplate=named,
                    TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
                    **placement,
                )
            except AwsRefusal as error:
                if error.code not in _NO_CAPACITY | QUOTA:
                    raise
                log.warning("instance not launched", number=number, error=error.detail, **placement)
                if error.code in QUOTA:
                    return None
            else:
                return str(found["Instances"][0]["InstanceId"])
        return None

    async def mark_draining(self, instance_ids: Sequence[str]) -> None:
        """Note on the instances that they are to be stopped once their workers have finished: outlives this process."""
        tags = [{"Key": _DRAINING, "Value": "yes"}]
        await self._call("create_tags", "the instances", Resources=list(instance_ids), Tags=tags)

    async def stop(self, instance_ids: Sequence[str]) -> list[str]:
        """Stop instances, or delete such as can only be deleted; return those that AWS stops or deletes."""
        return await self._end("stop_instances", instance_ids)

    async def terminate(self, instance_ids: Sequence[str]) -> list[str]:
        """Delete instances; return those that AWS deletes."""
        return await self._end("terminate_instances", instance_ids)

    async def _end(self, operation: str, instance_ids: Sequence[str]) -> list[str]:
        """Do it to all at once, or if AWS keeps one to each alone: a protected one is no reason to end no other.

        Nor is it one to do nothing else, so it is told, once, and tried again whenever this is asked for again.
        """
        if not instance_ids:
            return []
        try:
            await self._call(operation, "the instances", InstanceIds=list(instance_ids))
        except AwsRefusal as error:
            if error.code not in _KEPT:
                raise
            if len(instance_ids) > 1:
                each = await asyncio.gather(*(self._end(operation, [one]) for one in instance_ids))
                return [ended for one in each for ended in one]
            if (operation, error.code) == ("stop_instances", _FOR_ONE_RUN):
                return await self._end("terminate_instances", instance_ids)
            if (operation, instance_ids[0]) not in self._refused:
                self._refused.add((operation, instance_ids[0]))
                log.warning("instance not stopped or terminated", instance=instance_ids[0], error=error.detail)
            return []
        self._refused -= {(operation, one) for one in instance_ids}
        return list(instance_ids)

    def _ours(self, found: dict[str, Any]) -> Machine | None:
        """Return an instance of this fleet; None for one only called alike, as `name-b-1` of another fleet is."""
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
        number = tags.get("Name", "").removeprefix(f"{self._plan.name}-")
        if not (number.isascii() and number.isdecimal()):
            return None
        return Machine(
            instance_id=found["InstanceId"],
            state=found["State"]["Name"],
            number=int(number),
            draining=_DRAINING in tags,
            launched_s=found["LaunchTime"].timestamp(),
        )

    async def _call(self, operation: str, resource: str, **parameters: Any) -> dict[str, Any]:
        return await self._aws.call("ec2", operation, resource, **parameters)
