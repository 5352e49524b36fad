"""A fleet that exists on paper: workers boot, work, drain and stop, and are charged for it.

Waiting requests go to the worker that has been free longest. That is all a queue promises; handing them to the one
that was busy last would make idle workers easier to find than they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappush

import numpy as np

from facefleet.core.boots import Boots
from facefleet.core.fleet import Worker, WorkerState
from facefleet.core.scaling.terms import Billing
from facefleet.lab.simulate.durations import Durations, fixed

_DRAWN = 256  # boot delays drawn at a time


@dataclass(frozen=True, kw_only=True)
class World:
    """What the fleet is made of and how it is charged.

    Attributes:
        boot: from the order to start until the first lease.
        stop_s: from the end of the drain until the place is free again; not charged.
        tick_s: how often the controller looks.
        capacity: requests one worker works on at once.
        warm: stopped workers kept for restart; `warm_boot` is what a restart takes.
        billing: how worker time is charged.
    """

    boot: Durations = field(default_factory=lambda: fixed(1.0))
    stop_s: float = 1.0
    tick_s: float = 1.0
    capacity: int = 1
    warm: int = 0
    warm_boot: Durations = field(default_factory=lambda: fixed(1.0))
    billing: Billing = field(default_factory=Billing)


def boots_s(boot: Durations, rng: np.random.Generator) -> Iterator[float]:
    """Yield boot delays for ever, first start to last, the same whoever starts them."""
    while True:
        yield from reversed(boot.draw(rng, _DRAWN).tolist())


@dataclass(slots=True)
class _Place:
    """One worker from its start to its end."""

    shown: Worker  # as last observed, kept while nothing changes
    started_s: float
    ready_s: float
    warm: bool
    drained_s: float = float("inf")


class SimulatedFleet:
    """Workers by number, and a heap of their slots ordered by when each is free.

    Attributes:
        slots: heap of (free at, worker number, request or -1): what serves, now or once it has booted.
        starts, stops: how many workers were ordered, and how many told to drain.
    """

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.slots: list[tuple[float, int, int]] = []
        self.starts = self.stops = 0
        self._world = world
        self._live: dict[int, _Place] = {}  # pending and running
        self._leaving: dict[int, _Place] = {}  # draining and stopping
        self._last_slots: list[tuple[float, int, int]] = []  # of those that drain
        self._stopped = world.warm
        self._ended_s = 0.0  # charged for workers that have drained
        kinds = {False: world.boot, True: world.warm_boot}
        self._drawn = {warm: boots_s(boot, rng) for warm, boot in kinds.items()}
        self._boots = {warm: Boots.expected(boot.mean_s) for warm, boot in kinds.items()}

    @property
    def next_boots(self) -> Boots:
        """What the next start takes, as measured so far; the first guess is the true mean."""
        return self._boots[self._uses_warm()]

    @property
    def serving(self) -> int:
        """How many workers are pending or running."""
        return len(self._live)

    def start(self, count: int, now_s: float) -> None:
        """Begin to boot `count` workers: stopped ones while there are some and they are faster, else new ones."""
        for _ in range(count):
            number = self.starts
            self.starts += 1
            warm = self._uses_warm()
            self._stopped -= warm
            ready = now_s + next(self._drawn[warm])
            shown = Worker(worker_id=f"w{number}", state=WorkerState.PENDING, since_s=now_s)
            self._live[number] = _Place(shown, now_s, ready, warm)
            for _ in range(self._world.capacity):
                heappush(self.slots, (ready, number, -1))

    def drain(self, worker_ids: Sequence[str], now_s: float) -> None:
        """Let these running workers finish what they have and then stop."""
        numbers = {int(worker_id[1:]) for worker_id in worker_ids}
        numbers = {n for n in numbers if n in self._live and self._live[n].ready_s <= now_s}
        if not numbers:
            return
        leaving = [slot for slot in self.slots if slot[1] in numbers]
        self.slots = [slot for slot in self.slots if slot[1] not in numbers]
        heapify(self.slots)
        last_s: dict[int, float] = {}
        for free, number, _ in leaving:
            last_s[number] = max(free, last_s.get(number, now_s))
        for number in numbers:
            place = self._live.pop(number)
            place.drained_s = last_s[number]
            place.shown = replace(place.shown, state=WorkerState.DRAINING, since_s=now_s, idle_since_s=None)
            self._leaving[number] = place
            self._ended_s += self._world.billing.billed_s(place.drained_s - place.started_s)
            self.stops += 1
        self._last_slots += [slot for slot in leaving if slot[0] > now_s]

    def spent_s(self, now_s: float) -> float:
        """Return the worker-seconds charged for until now, those of the workers that still serve included."""
        bill = self._world.billing.billed_s
        return self._ended_s + sum(bill(max(0.0, now_s - place.started_s)) for place in self._live.values())

    def observe(self, now_s: float) -> tuple[tuple[Worker, ...], list[int]]:
        """Return the workers as a controller sees them, and the requests being worked on."""
        busy: dict[int, list[int]] = {}
        free_since: dict[int, float] = {}
        for free, number, request in self.slots:
            if free > now_s:
                if request >= 0:
                    busy.setdefault(number, []).append(request)
            elif free > free_since.get(number, -1.0):
                free_since[number] = free
        for number, place in self._live.items():
            if place.ready_s <= now_s:
                jobs = busy.get(number)
                self._show_running(place, None if jobs else free_since[number], len(jobs or ()))
        self._settle(now_s)
        self._last_slots = [slot for slot in self._last_slots if slot[0] > now_s]
        at_work = [request for requests in busy.values() for request in requests]
        at_work += [request for _, _, request in self._last_slots]
        shown = [place.shown for place in self._live.values()] + [place.shown for place in self._leaving.values()]
        shown += [Worker(worker_id=f"s{n}", state=WorkerState.STOPPED, since_s=0.0) for n in range(self._stopped)]
        return tuple(shown), at_work

    def _show_running(self, place: _Place, idle_since_s: float | None, requests: int) -> None:
        shown, since_s, boot_s = place.shown, place.shown.since_s, place.shown.boot_s
        if shown.idle_since_s == idle_since_s and len(shown.jobs) == requests:
            return  # who boots is neither idle nor busy
        if shown.state is WorkerState.PENDING:
            since_s, boot_s = place.ready_s, place.ready_s - place.started_s
            self._boots[place.warm] = self._boots[place.warm].add(boot_s)
        place.shown = Worker(
            worker_id=shown.worker_id,
            state=WorkerState.RUNNING,
            since_s=since_s,
            jobs=("request",) * requests,
            idle_since_s=idle_since_s,
            boot_s=boot_s,
        )

    def _settle(self, now_s: float) -> None:
        """Move drained workers on to stopping, and stopped ones out or to the warm ones."""
        for number, place in list(self._leaving.items()):
            if place.drained_s + self._world.stop_s <= now_s:
                del self._leaving[number]
                self._stopped += self._stopped < self._world.warm
            elif place.drained_s <= now_s and place.shown.state is WorkerState.DRAINING:
                place.shown = replace(place.shown, state=WorkerState.STOPPING, since_s=place.drained_s)

    def _uses_warm(self) -> bool:
        return self._stopped > 0 and self._world.warm_boot.mean_s <= self._world.boot.mean_s
