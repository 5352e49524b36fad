"""`Fleet` of worker processes on this machine.

Each worker runs in a session of its own, so that Ctrl-C in a terminal reaches only whoever started the fleet, which
then drains it in good order. A worker that finds its parent gone drains by itself.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from facefleet.core.fleet import Instance, WorkerState
from facefleet.core.retry import backoff_s
from facefleet.errors import Unavailable

log = structlog.get_logger()

# A worker that ends this soon after its start, unasked, would end again: the next start waits, longer each time.
_STILLBORN_S = 10.0
_MOST_BACKOFF_S = 30.0
_SHORT_PAUSE_S = 2.0  # is waited for: whoever is sent away comes again after ten seconds
# Longest a closing fleet waits for work in progress; a photo takes a second, a stalled one ends itself after a minute.
_DRAIN_S = 75.0
# A worker that reports no more hangs, or was stopped: it counts, and does nothing. One that never did may be making its
# models ready.
_SILENT_S = 180.0
_USELESS_S = 900.0
_LOOK_S = 60.0  # between two looks, at most; in a longer time nobody listened


@dataclass(kw_only=True, slots=True)
class _Child:
    process: asyncio.subprocess.Process
    started_s: float
    draining_since_s: float | None = None
    silent_s: float = 0.0
    longest_silent_s: float = _USELESS_S
    watched: asyncio.Task[None] | None = field(default=None, repr=False)


class ProcessFleet:
    """Starts worker processes and drains them with SIGTERM.

    Args:
        command: the argument vector that runs a worker of this id.
        environment: the workers' whole environment.
        bury: called with the id of each worker that has ended, however it did.
        heard: returns the ids of the workers that have reported lately.
        new_id: makes a worker's id.
        now_s: Unix time.
    """

    usual_boot_s = 2.0  # as measured on a small machine

    def __init__(
        self,
        *,
        command: Callable[[str], Sequence[str]],
        environment: Mapping[str, str],
        bury: Callable[[str], Awaitable[None]],
        heard: Callable[[], Awaitable[Collection[str]]],
        new_id: Callable[[], str],
        now_s: Callable[[], float],
    ) -> None:
        self._command = command
        self._environment = dict(environment)
        self._bury = bury
        self._heard = heard
        self._new_id = new_id
        self._now_s = now_s
        self._children: dict[str, _Child] = {}
        self._stillborn = 0
        self._not_before_s = 0.0
        self._looked_s = now_s()

    async def instances(self) -> Sequence[Instance]:
        """Return the processes that are alive; those that have been silent for too long are killed."""
        await self._kill_silent()
        return [_instance(worker_id, child) for worker_id, child in self._children.items()]

    async def start(self, count: int) -> Sequence[str]:
        """Start processes, a moment later or none while workers that just ended by themselves make it pointless.

        Raises:
            Unavailable: the system refuses the first process; if it refuses a later one, there are fewer.
        """
        pause_s = self._not_before_s - self._now_s()
        if _SHORT_PAUSE_S < pause_s <= _MOST_BACKOFF_S:  # farther ahead, the clock was set back
            return []
        if 0 < pause_s <= _SHORT_PAUSE_S:
            await asyncio.sleep(pause_s)
        started: list[str] = []
        for _ in range(count):
            try:
                started.append(await self._start())
            except Unavailable as error:
                if not started:
                    raise
                log.warning("no more worker processes", error=error.detail)
                break
        return started

    async def _start(self) -> str:
        worker_id = self._new_id()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(worker_id),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"No worker process can be started: {error}") from error
        child = _Child(process=process, started_s=self._now_s())
        self._children[worker_id] = child
        child.watched = asyncio.create_task(self._watch(worker_id, child), name=f"watch {worker_id}")
        return worker_id

    async def _watch(self, worker_id: str, child: _Child) -> None:
        status = await child.process.wait()
        self._children.pop(worker_id, None)
        try:
            await self._bury(worker_id)
        except Unavailable as error:
            log.warning("worker not buried: its leases run out", worker=worker_id, error=error.detail)
        if child.draining_since_s is not None:
            return
        log.warning("worker ended unasked", worker=worker_id, exit_status=status)
        if not 0 <= self._now_s() - child.started_s <= _STILLBORN_S:
            self._stillborn = 0
            return
        self._stillborn += 1
        pause_s = backoff_s(self._stillborn, first_s=0.5, most_s=_MOST_BACKOFF_S, random=1.0)
        self._not_before_s = self._now_s() + pause_s
        log.error("workers end as soon as they start", times=self._stillborn, next_start_in_s=round(pause_s, 1))

    async def drain(self, worker_ids: Sequence[str]) -> None:
        """Send SIGTERM; a worker finishes what it has and ends."""
        for worker_id in worker_ids:
            child = self._children.get(worker_id)
            if child is not None and child.draining_since_s is None:
                child.draining_since_s = self._now_s()
                _signal(child, signal.SIGTERM)

    async def _kill_silent(self) -> None:
        heard = await self._heard()
        now_s = self._now_s()
        passed_s = min(max(0.0, now_s - self._looked_s), _LOOK_S)
        self._looked_s = now_s
        for worker_id, child in self._children.items():
            if worker_id in heard:
                child.silent_s, child.longest_silent_s = 0.0, _SILENT_S
                continue
            child.silent_s += passed_s
            if child.silent_s > child.longest_silent_s:
                log.error("worker killed: it reports no more", worker=worker_id, for_s=round(child.silent_s))
                _signal(child, signal.SIGKILL)

    async def close(self) -> None:
        """Drain all and wait; what is still there after the longest possible work is killed."""
        await self.drain(list(self._children))
        watched = [child.watched for child in self._children.values() if child.watched is not None]
        if not watched:
            return
        _, late = await asyncio.wait(watched, timeout=_DRAIN_S)
        if late:
            for worker_id, child in list(self._children.items()):
                log.error("worker killed: it did not drain", worker=worker_id)
                _signal(child, signal.SIGKILL)
            await asyncio.wait(late)


def _signal(child: _Child, number: signal.Signals) -> None:
    try:
        os.kill(child.process.pid, number)
    except ProcessLookupError:
        return  # it ended by itself a moment ago


def _instance(worker_id: str, child: _Child) -> Instance:
    if child.draining_since_s is not None:
        return Instance(worker_id=worker_id, state=WorkerState.DRAINING, since_s=child.draining_since_s)
    return Instance(worker_id=worker_id, state=WorkerState.RUNNING, since_s=child.started_s)
