"""`Fleet` of EC2 instances, each the place of one worker that starts at boot and is called by the instance's id.

A worker there cannot be sent a signal: word is left for it in the roster; it finishes, signs off, and its instance is
stopped. That it shall stop is also a tag of the instance, so that a controller that takes over goes on with it. What
has been settled is looked for whenever the instances are looked at, once a tick, by the leading controller.

Instances that are neither running nor stopped are left alone until they are.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from facefleet.adapters.ec2_machines import Machine, Machines
from facefleet.core.fleet import Instance, WorkerReport, WorkerState
from facefleet.errors import Unavailable
from facefleet.ports import Roster

log = structlog.get_logger()

_STATES = {
    "pending": WorkerState.PENDING,
    "running": WorkerState.RUNNING,
    "stopping": WorkerState.STOPPING,
    "shutting-down": WorkerState.STOPPING,
    "stopped": WorkerState.STOPPED,
}
# A worker that fell silent may still be at work, until well after its leases have run out; one that was never heard of
# may still be starting. Who has not looked for this long has not heard either, and begins as one who takes over.
_SILENT_S = 180.0
# AWS may not show an instance for so long after it was launched.
_UNSEEN_S = 30.0
# An instance that runs this long without a worker is of no use: its image is broken, or its machine.
_USELESS_S = 900.0


@dataclass(slots=True)
class _Heard:
    """What was last heard of an instance.

    Attributes:
        since_s: when it was first seen in this state.
        reported_s: when its worker last reported, by the roster's clock.
        heard_s: the look that found that report.
        adopted: whether it ran when it was first seen.
    """

    since_s: float
    state: str
    reported_s: float = 0.0
    heard_s: float = -math.inf
    adopted: bool = False


class Ec2Fleet:
    """See `ports.Fleet`.

    Args:
        maximum: most instances, stopped ones included.
        warm: stopped ones that are kept; more are terminated.
        now_s: Unix time.
    """

    usual_boot_s = 45.0  # an image that is ready takes 30 to 60 s

    def __init__(
        self, machines: Machines, roster: Roster, *, maximum: int, warm: int, now_s: Callable[[], float]
    ) -> None:
        self._machines = machines
        self._roster = roster
        self._maximum = maximum
        self._warm = warm
        self._now_s = now_s
        self._heard: dict[str, _Heard] = {}
        self._looked_s = -math.inf
        self._launched: dict[int, float] = {}

    async def instances(self) -> Sequence[Instance]:
        """Return the instances.

        Those whose workers have finished are stopped; stopped ones in excess are terminated, as are those that bring
        up no worker.
        """
        machines, said = await self._look()
        await self._settle(machines, said, await self._roster.departures())
        return [
            Instance(
                worker_id=machine.instance_id,
                state=WorkerState.DRAINING if _drains(machine) else _STATES[machine.state],
                since_s=self._since_s(machine, said),
            )
            for machine in machines
        ]

    async def start(self, count: int) -> Sequence[str]:
        """Start stopped instances, then launch others, up to the maximum."""
        machines, _ = await self._look()
        stopped = [machine.instance_id for machine in machines if machine.state == "stopped"]
        started, sold_out = await self._machines.start(stopped[:count])
        now_s = self._now_s()
        self._launched = {number: at_s for number, at_s in self._launched.items() if 0 <= now_s - at_s < _UNSEEN_S}
        taken = {machine.number for machine in machines if machine.state != "shutting-down"} | self._launched.keys()
        free = [number for number in range(1, self._maximum + 1) if number not in taken]
        # A stopped instance can start where it is only; sold out there, it gives its number to one elsewhere.
        given_up = {machine.number: machine.instance_id for machine in machines if machine.instance_id in sold_out}
        numbers = [*free, *given_up][: count - len(started)]
        launched = await asyncio.gather(*map(self._machines.launch, numbers), return_exceptions=True)
        came = dict(zip(numbers, launched, strict=True))
        self._launched |= {number: now_s for number, one in came.items() if isinstance(one, str)}
        replaced = [gone for number, gone in given_up.items() if isinstance(came.get(number), str)]
        if gone := await self._machines.terminate(replaced):
            log.info("instances terminated: others were launched in their place", instances=gone)
        started += [one for one in launched if isinstance(one, str)]
        for error in launched:
            if isinstance(error, BaseException) and (not started or not isinstance(error, Unavailable)):
                raise error
            if isinstance(error, Unavailable):
                log.warning("instance not launched", error=error.detail)
        self._heard |= {one: _Heard(since_s=self._now_s(), state="pending") for one in started}
        return started

    async def drain(self, worker_ids: Sequence[str]) -> None:
        """Mark the instances and leave word for their workers."""
        ours = [worker_id for worker_id in worker_ids if worker_id in self._heard]
        if ours:
            await self._machines.mark_draining(ours)
            await self._roster.ask_to_drain(ours)

    async def close(self) -> None:
        """Leave the instances as they are: they outlive this program, and the next controller finds them by their tags.

        To restart a controller, or to bring it up to date, must not stop a fleet at work.
        """
        left = sorted(one for one, heard in self._heard.items() if heard.state in {"pending", "running"})
        if left:
            log.warning("instances go on working, and cost, until a controller stops them", instances=left)

    async def _look(self) -> tuple[Sequence[Machine], Mapping[str, WorkerReport]]:
        began_s = self._now_s()
        machines, reports, published_age_s = await asyncio.gather(
            self._machines.look(), self._roster.reports(), self._roster.published_age_s()
        )
        said = {report.worker_id: report for report in reports}
        if published_age_s is None:  # what the controller published was lost with the database, as were the reports
            self._forget()
        self._listen(machines, said)
        self._looked_s = began_s
        return machines, said

    def _listen(self, machines: Sequence[Machine], said: Mapping[str, WorkerReport]) -> None:
        """Note when the state of each instance, and the report of its worker, last changed."""
        now_s = self._now_s()
        if now_s - self._looked_s > _SILENT_S:  # the database or AWS was away, or another led
            self._forget()
        before, self._heard = self._heard, {}
        for machine in machines:
            heard = before.get(machine.instance_id)
            if heard is None or heard.state != machine.state:
                adopted = heard is None and machine.state == "running"
                heard = _Heard(since_s=now_s, state=machine.state, adopted=adopted)
            report = said.get(machine.instance_id)
            if report is not None and report.reported_s != heard.reported_s:
                heard.reported_s, heard.heard_s = report.reported_s, now_s
            self._heard[machine.instance_id] = heard

    def _forget(self) -> None:
        """Begin as one who takes over: that a report is missing tells nothing of its worker then."""
        self._heard, self._looked_s = {}, -math.inf

    def _since_s(self, machine: Machine, said: Mapping[str, WorkerReport]) -> float:
        """Return since when an instance is in its state; of one at work that was taken over AWS tells since when.

        Of one whose worker has not reported yet it is not believed: it may have been silent for hours, which no boot
        takes.
        """
        heard = self._heard[machine.instance_id]
        return machine.launched_s if heard.adopted and machine.instance_id in said else heard.since_s

    async def _settle(
        self, machines: Sequence[Machine], said: Mapping[str, WorkerReport], departures: Mapping[str, float]
    ) -> None:
        running = [machine for machine in machines if machine.state == "running"]
        silent = [machine for machine in running if machine.instance_id not in said]
        done = [machine for machine in silent if self._has_finished(machine, departures)]
        finished = [machine.instance_id for machine in done if machine.draining]
        if stopped := await self._machines.stop(finished):
            log.info("instances stop: their workers have finished", instances=stopped)
        # Stopped, it would be the first to be started again, and come to nothing again; but so it costs little.
        useless = [machine.instance_id for machine in done if not machine.draining]
        gone = await self._machines.terminate(useless)
        if gone := gone + await self._machines.stop([one for one in useless if one not in gone]):
            log.error("instances terminated or stopped: no worker reported from them", instances=gone, for_s=_USELESS_S)
        # A worker that came up after it was asked has not heard.
        deaf = [
            machine.instance_id
            for machine in running
            if machine.draining and machine.instance_id in said and not said[machine.instance_id].draining
        ]
        if deaf:
            await self._roster.ask_to_drain(deaf)
        excess = [machine.instance_id for machine in machines if machine.state == "stopped"][self._warm :]
        if gone := await self._machines.terminate(excess):
            log.info("instances terminated: enough are kept warm", instances=gone)

    def _has_finished(self, machine: Machine, departures: Mapping[str, float]) -> bool:
        """Return whether an instance from which no report comes has nothing left to do."""
        heard = self._heard[machine.instance_id]
        silent_s = self._now_s() - max(heard.since_s, heard.heard_s)
        if not machine.draining:
            return silent_s > _USELESS_S
        signed_off = departures.get(machine.instance_id, -math.inf) > heard.reported_s
        return signed_off or silent_s > _SILENT_S


def _drains(machine: Machine) -> bool:
    return machine.draining and machine.state == "running"
