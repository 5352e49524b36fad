"""The fleet as values: what a controller observes and what it decides.

`Policy` is the whole interface of a scaling rule. It is pure (time is in the observation, memory goes in and comes
out), so the controller and the simulator run the very same code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable

from facefleet.core.boots import GUESSED, Spread

M = TypeVar("M")


class WorkerState(StrEnum):
    """AWS's instance states, with `draining` between running and stopping."""

    PENDING = "pending"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A place where a worker runs, as the fleet's technology reports it (a process, an EC2 instance)."""

    worker_id: str
    state: WorkerState
    since_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerReport:
    """What a worker says of itself with each heartbeat."""

    worker_id: str
    host: str
    pid: int
    draining: bool
    jobs: tuple[str, ...]  # ids being worked on
    finished: int  # jobs answered since it started
    reported_s: float = 0.0  # set by the roster, by its own clock
    since_s: float = 0.0  # Unix time of its first report; set by the roster
    idle_since_s: float = 0.0  # Unix time since which it has had nothing to do; set by the roster


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """One worker as a policy, the console and `GET /v1/fleet` see it: instance and report merged.

    Attributes:
        since_s: when it entered its state.
        idle_since_s: when it last became idle; None while busy or not running.
        boot_s: how long it took to boot; None before that, and where nobody saw it.
        run_s: how long it has been charged for, before that is rounded up; None where nobody counts.
    """

    worker_id: str
    state: WorkerState
    since_s: float
    jobs: tuple[str, ...] = ()
    idle_since_s: float | None = None
    boot_s: float | None = None
    run_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """Everything a policy may look at, at one instant.

    Attributes:
        now_s: monotonic seconds; only differences mean something.
        visible, in_flight: requests waiting, requests being worked on.
        oldest_age_s: how long the oldest waiting request has waited.
        enqueued_total, finished_total, busy_ms_total: running totals, see `QueueCounts`.
        boot_s: how long the next worker takes from start to first lease, as measured so far (a guess before the first).
        boot_spread: how that differs.
        stop_s: how long one takes to stop.
        capacity: requests one worker works on at once.
    """

    now_s: float
    visible: int
    in_flight: int
    oldest_age_s: float = 0.0
    enqueued_total: int = 0
    finished_total: int = 0
    busy_ms_total: float = 0.0
    workers: tuple[Worker, ...] = field(default=())
    boot_s: float = 1.0
    boot_spread: Spread = GUESSED
    stop_s: float = 1.0
    capacity: int = 1

    def those(self, state: WorkerState) -> list[Worker]:
        """Return the workers in a state."""
        return [worker for worker in self.workers if worker.state is state]

    def count(self, state: WorkerState) -> int:
        """Return how many workers are in a state."""
        return [worker.state for worker in self.workers].count(state)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How few and how many workers there may be (pending ones counted, draining ones not)."""

    minimum: int
    maximum: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """How many workers to start, which to drain, and why, in one sentence with the numbers in it."""

    start: int
    drain: tuple[str, ...]
    reason: str

    @property
    def acts(self) -> bool:
        """Whether it starts or drains anybody."""
        return self.start > 0 or bool(self.drain)


def in_vain(seen: Mapping[str, float]) -> bool:
    """Return whether a recorded decision came to nothing: then it is told how few were `started` and `drained`."""
    return seen.get("started", 1) == 0 == seen.get("drained", 1)


class Policy(Protocol[M]):
    """A scaling rule. It keeps nothing between calls but what it returns as memory."""

    @property
    def name(self) -> str:
        """What it is called on the command line and in the history."""
        ...

    def begin(self) -> M:
        """Return the memory of a controller that has seen nothing yet."""
        ...

    def decide(self, seen: Observation, bounds: Bounds, memory: M) -> tuple[Decision, M]:
        """Return what to do now, and what to remember."""
        ...


@runtime_checkable
class Learner(Protocol[M]):
    """A scaling rule that can be shown the past without being asked what it would have done."""

    def learn(self, seen: Observation, bounds: Bounds, memory: M) -> M:
        """Return what to remember of what was seen."""
        ...
