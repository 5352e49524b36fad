"""An experiment: one workload, one world, several policies, several seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facefleet.core.fleet import Bounds, Policy
from facefleet.core.scaling import NAMES, policy
from facefleet.core.scaling.terms import Objective
from facefleet.errors import InvalidInput
from facefleet.lab.simulate.clairvoyant import clairvoyant
from facefleet.lab.simulate.durations import Durations
from facefleet.lab.simulate.engine import Run, simulate
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.outcome import Outcome, summarise
from facefleet.lab.simulate.workload import Seconds, Workload

CLAIRVOYANT = "clairvoyant"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything but the policy.

    Attributes:
        workload: a seed → when requests arrive; a recorded one is the same for every seed.
        service: how long a worker takes for one request.
        warmup_s: the beginning that does not count.
    """

    workload: Callable[[int], Workload]
    service: Durations
    world: World
    bounds: Bounds
    objective: Objective = field(default_factory=Objective)
    warmup_s: float = 0.0

    def draw(self, seed: int) -> tuple[Workload, Seconds]:
        """Return the arrivals and the service times of one seed."""
        workload = self.workload(seed)
        return workload, self.service.draw(np.random.default_rng([seed, 3]), workload.arrivals_s.size)

    def run(self, name: str, seed: int, *, passed: Callable[[float], None] = lambda _share: None) -> Run:
        """Run one policy once.

        Args:
            name: of the policy.
            seed: of everything that chance decides.
            passed: is told now and then which share of the workload is over.

        Raises:
            InvalidInput: there is no policy of this name.
        """
        workload, services_s = self.draw(seed)
        if name == CLAIRVOYANT:
            counted = after(workload, self.warmup_s)
            late = services_s[services_s.size - counted.arrivals_s.size :]
            wait_s = self.objective.slo_s
            return clairvoyant(counted, late, bounds=self.bounds, world=self.world, wait_s=wait_s, seed=seed)
        return simulate(
            workload,
            services_s,
            self._rule(name),
            bounds=self.bounds,
            world=self.world,
            seed=seed,
            warmup_s=self.warmup_s,
            passed=lambda now_s: passed(now_s / max(workload.duration_s, now_s)),
        )

    def compare(
        self,
        names: Sequence[str],
        seeds: Sequence[int],
        *,
        passed: Callable[[str, int, float], None] = lambda _name, _seed, _share: None,
    ) -> list[Outcome]:
        """Return what each policy did over the seeds, in the order of the names.

        Args:
            names: of the policies.
            seeds: one run of each policy a seed.
            passed: is told the policy and the seed of a run when it begins, and now and then which share of it is over.

        Raises:
            InvalidInput: there is no policy of one of the names; nothing was run.
        """
        for name in names:
            if name != CLAIRVOYANT:
                self._rule(name)

        def run(name: str, seed: int) -> Run:
            passed(name, seed, 0.0)
            run = self.run(name, seed, passed=lambda share: passed(name, seed, share))
            return replace(run, looks=())  # which would fill the memory

        billing = self.world.billing
        return [summarise([run(name, seed) for seed in seeds], self.objective, billing) for name in names]

    def _rule(self, name: str) -> Policy[Any]:
        try:
            return policy(name, objective=self.objective, billing=self.world.billing)
        except InvalidInput as error:
            known = ", ".join((*NAMES, CLAIRVOYANT))
            raise InvalidInput(f"There is no policy {name!r}; choose among {known}.") from error


def after(workload: Workload, begin_s: float) -> Workload:
    """Return the part of a workload from `begin_s` on, at its old times."""
    return replace(workload, arrivals_s=workload.arrivals_s[workload.arrivals_s >= begin_s])
