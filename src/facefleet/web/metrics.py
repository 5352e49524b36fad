"""Numbers for Prometheus: requests and stages counted as they happen, queue and fleet read when scraped.

Every web node shows the whole queue and fleet, so over several nodes take the `max` of `facefleet_queue_*`,
`facefleet_workers`, `facefleet_controller_*`, `facefleet_cost_*` and `facefleet_scaling_decisions_total`, and the `sum`
of the others.
"""

import asyncio
import json
import math
import re
from itertools import takewhile
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facefleet.core.cost import Cost
from facefleet.core.fleet import WorkerState, in_vain
from facefleet.errors import Unavailable
from facefleet.ports import Queue, Recorded, Roster
from facefleet.usecases.service import Service
from facefleet.usecases.spending import spending

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# The first object of that name, which holds numbers alone; the answers put it among their first fields.
_TOOK_MS = re.compile(rb'"took_ms":\s*(\{[^{}]*\})')
_DECISIONS_LOOKED_AT = 1000


class Metrics:
    """One app's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        into = self._registry
        self.requests = Counter(
            "facefleet_http_requests", "Requests answered.", ("route", "method", "status"), registry=into
        )
        self.latency = Histogram(
            "facefleet_http_request_seconds",
            "Whole requests, queue and work included.",
            ("route",),
            buckets=_SECONDS,
            registry=into,
        )
        self._stages = Histogram(
            "facefleet_stage_seconds",
            "Stages of a recognition, as its worker measured them.",
            ("stage",),
            buckets=_SECONDS,
            registry=into,
        )
        self._jobs = Gauge("facefleet_queue_jobs", "Jobs in the queue.", ("state",), registry=into)
        self._oldest = Gauge("facefleet_queue_oldest_age_seconds", "Age of the oldest waiting job.", registry=into)
        self._workers = Gauge("facefleet_workers", "Workers.", ("state",), registry=into)
        self._silent = Gauge(
            "facefleet_controller_silent_seconds",
            "Time since a controller last looked at queue and fleet; NaN if none ever did.",
            registry=into,
        )
        self._decisions = Counter(
            "facefleet_scaling_decisions",
            "Decisions of the controller that this node has seen.",
            ("action",),
            registry=into,
        )
        for action in ("start", "drain"):
            self._decisions.labels(action)
        self._last_decision: Recorded | None = None
        self._has_looked = False
        self._counting = asyncio.Lock()
        self._costs = {
            name: Gauge(f"facefleet_cost_{name}", text, registry=into)
            for name, text in (
                ("worker_seconds", "Worker time charged since the beginning."),
                ("per_hour", "What the workers that are there now cost an hour; NaN without a price."),
                ("per_1000", "Cost of 1,000 photos, averaged over a day; NaN without a price or photos."),
                ("per_month", "Projection of a day to 730 hours; NaN without a price."),
                ("spent", "Cost since the beginning, at today's price; NaN without a price."),
                ("managed", "What a managed face API would have cost for the same photos."),
            )
        }

    def observe_answer(self, body: bytes) -> None:
        """Take the stages out of a worker's answer, without parsing its faces."""
        found = _TOOK_MS.search(body)
        for stage, took_ms in json.loads(found[1]).items() if found else ():
            self._stages.labels(stage).observe(took_ms / 1000)

    async def scrape(self, service: Service) -> bytes:
        """Return everything in Prometheus's text format; without queue and fleet while these cannot be read."""
        try:
            await self._read(service.queue, service.roster)
            self._show_cost(await spending(service.queue, service.roster, service.settings, now_s=service.now_s()))
        except Unavailable:
            self._jobs.clear()
            self._workers.clear()
            for gauge in (self._oldest, self._silent, *self._costs.values()):
                gauge.set(math.nan)
        return generate_latest(self._registry)

    async def _read(self, queue: Queue, roster: Roster) -> None:
        counts = await queue.counts()
        for state, jobs in (("visible", counts.visible), ("in_flight", counts.in_flight), ("dead", counts.dead)):
            self._jobs.labels(state).set(jobs)
        self._oldest.set(counts.oldest_age_s)
        workers = await roster.workers()
        for worker_state in WorkerState:
            self._workers.labels(worker_state.value).set(sum(worker.state is worker_state for worker in workers))
        silent_s = await roster.published_age_s()
        self._silent.set(math.nan if silent_s is None else silent_s)
        await self._count_decisions(roster)

    async def _count_decisions(self, roster: Roster) -> None:
        """Count what was decided since the last scrape; at the first one nothing, or a restart would count it again."""
        async with self._counting:  # an older list that came later would be counted anew
            latest = await roster.decisions(limit=_DECISIONS_LOOKED_AT, acting_only=True)  # by number: clocks are set
            since = takewhile(lambda one: one != self._last_decision, latest) if self._has_looked else ()
            for _, decision, seen in since:
                if not in_vain(seen):
                    self._decisions.labels("start" if decision.start else "drain").inc()
            self._last_decision, self._has_looked = (latest[0] if latest else None), True

    def _show_cost(self, cost: Cost) -> None:
        numbers = {
            "worker_seconds": cost.worker_s,
            "per_hour": cost.per_h,
            "per_1000": cost.per_1000,
            "per_month": cost.per_month,
            "spent": cost.total,
            "managed": cost.managed_total,
        }
        for name, number in numbers.items():
            self._costs[name].set(math.nan if number is None else number)


class Measured:
    """Counts and times every request, by its route's template."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, status).inc()
            self._metrics.latency.labels(route).observe(perf_counter() - began_s)
