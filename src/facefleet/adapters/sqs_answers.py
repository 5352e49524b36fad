"""The way back: one response queue for each web node, named in every message that the node sends.

A node's queue is made at its first request and deleted with it. AWS deletes no queue by itself, so each says in a tag
when its node was last alive, and a node that opens its own deletes those that have been silent for an hour. What comes
for nobody (its client has left, or it was sent to a node of the same queue name) is dropped with a log line.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from facefleet.adapters.aws import Aws
from facefleet.adapters.aws_errors import AwsRefusal
from facefleet.adapters.sqs_messages import Ending, ending_json, ending_of, read_ending
from facefleet.adapters.sqs_names import RESPONSE_RETENTION_S, find, open_response_queue
from facefleet.adapters.sqs_records import Records
from facefleet.adapters.sqs_totals import Totals
from facefleet.core.jobs import Job, JobState
from facefleet.core.retry import backoff_s
from facefleet.errors import Unavailable

log = structlog.get_logger()

# A long poll ends with the first message; this bounds how long a closing program waits for the last one.
_POLL_S = 5
_BATCH = 10
# SQS takes 256 KiB; a longer answer is fetched from the records.
_INLINE_BYTES = 200_000
_ALIVE = "facefleet-alive"
_ALIVE_EVERY_S = 600.0
_ORPHAN_S = 3_600.0
# Records read at a time.
_LOOKED_UP = 100
# Ended jobs that this node still knows by their ids; more, until none can come a second time from the response queue.
_REMEMBERED = 1_000
_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A job that this node sent and has not heard the end of."""

    job: Job
    sent_s: float


class Answers:
    """This node's response queue, who waits for what comes through it, and the way to those of other nodes.

    Args:
        prefix: start of the names of all nodes' response queues.
        name: of this node's; with `shared` it is used as it is and never deleted.
        now_s: Unix time.
    """

    def __init__(
        self, aws: Aws, records: Records, *, prefix: str, name: str, shared: bool, now_s: Callable[[], float]
    ) -> None:
        self._aws = aws
        self._records = records
        self._prefix = prefix
        self.name = name
        self._shared = shared
        self._now_s = now_s
        self._url = ""
        self._opening = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[str, set[asyncio.Future[Ending]]] = {}
        self._urls: dict[str, str] = {}
        self._heard: deque[str] = deque(maxlen=_REMEMBERED)
        self._counted: dict[str, float] = {}  # when, oldest first
        self.sent: dict[str, Sent] = {}
        self._enqueued = self._finished = 0
        self._busy_ms = 0.0

    @contextmanager
    def expect(self, job_id: str) -> Iterator[asyncio.Future[Ending]]:
        """Give a future of the job's ending."""
        future: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, set()).add(future)
        try:
            yield future
        finally:
            future.cancel()
            self._waiting[job_id].discard(future)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def repeated(self, job_id: str) -> bool:
        """Return whether this node has lately heard of a job's end."""
        return job_id in self._heard

    async def open(self) -> None:
        """Have a queue to be answered through, and listen to it."""
        async with self._opening:
            if self._task is not None:
                return
            await self._open()
            self._task = asyncio.create_task(self._listen(), name=f"responses {self.name}")
        if not self._shared:
            await self._sweep()

    async def _open(self) -> None:
        alive = {} if self._shared else {_ALIVE: str(int(self._now_s()))}
        self._url = await open_response_queue(self._aws, self.name, tags=alive)

    def totals(self) -> Totals:
        """Return what this node has sent and heard of."""
        return Totals(
            enqueued=self._enqueued,
            finished=self._finished,
            busy_ms=self._busy_ms,
            oldest_s=min((one.sent_s for one in self.sent.values()), default=None),
            at_s=self._now_s(),
        )

    def remember(self, job: Job) -> None:
        """Note a job as sent."""
        self._enqueued += 1
        self.sent[job.job_id] = Sent(job=job, sent_s=self._now_s())

    def unsent(self, job_id: str) -> None:
        """Forget a job that could not be sent."""
        if self.sent.pop(job_id, None) is not None:
            self._enqueued -= 1

    def heard(self, ending: Ending) -> bool:
        """Take in how a job ended; return whether anybody here cared."""
        ours = self.sent.pop(ending.job_id, None) is not None
        self._heard.append(ending.job_id)
        # Whoever sent it: a node of this queue name that was there before, or this one, before it was redriven.
        if ending.state is JobState.DONE and ending.job_id not in self._counted:
            self._count(ending)
        waiting = self._waiting.get(ending.job_id, ())
        for future in waiting:
            if not future.done():
                future.set_result(ending)
        return ours or bool(waiting)

    def _count(self, ending: Ending) -> None:
        now_s = self._now_s()
        while len(self._counted) >= _REMEMBERED:
            oldest, counted_s = next(iter(self._counted.items()))
            if now_s - counted_s <= 2 * RESPONSE_RETENTION_S:
                break
            del self._counted[oldest]
        self._counted[ending.job_id] = now_s
        self._finished += 1
        self._busy_ms += ending.busy_ms

    async def tell(self, name: str, ending: Ending) -> None:
        """Send how a job ended to the node whose response queue has this name; a node that is gone needs no answer."""
        if self._task is not None and name == self.name:
            self.heard(ending)
            return
        text = ending_json(ending)
        if len(text.encode()) > _INLINE_BYTES:
            text = json.dumps({"ended": ending.job_id})
        await self._send(name, text)

    async def tell_purged(self, now_s: float) -> None:
        """Tell every node that all jobs sent before now are cancelled."""
        self._purged(now_s)
        urls = {name: url for name, url in await self._nodes() if name != self.name}
        self._urls |= urls
        for name in urls:
            await self._send(name, json.dumps({"purged": now_s}))

    async def close(self) -> None:
        """Stop listening; delete the queue, unless it is shared."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._shared:
            with suppress(Unavailable):
                await self._aws.call("sqs", "delete_queue", self._resource, QueueUrl=self._url)

    @property
    def _resource(self) -> str:
        return f"the queue {self.name}"

    async def _send(self, name: str, text: str) -> None:
        if name not in self._urls:
            url = await find(self._aws, name)
            if url is None:
                log.info("response dropped: its node is gone", queue=name)
                return
            self._urls[name] = url
        try:
            await self._aws.call(
                "sqs", "send_message", f"the queue {name}", QueueUrl=self._urls[name], MessageBody=text
            )
        except AwsRefusal as error:
            if error.code not in _GONE:
                raise
            del self._urls[name]
            log.info("response dropped: its node is gone", queue=name)

    async def _listen(self) -> None:
        failures, alive_s, heard_s = 0, self._now_s(), self._now_s()
        while True:
            try:
                await self._receive()
                now_s = self._now_s()
                if now_s - heard_s > RESPONSE_RETENTION_S:  # stopped, or SQS was away: responses have expired
                    await self._catch_up()
                heard_s = now_s
                if not self._shared and self._now_s() - alive_s > _ALIVE_EVERY_S:
                    alive_s = self._now_s()
                    await self._aws.call(
                        "sqs", "tag_queue", self._resource, QueueUrl=self._url, Tags={_ALIVE: str(int(alive_s))}
                    )
                failures = 0
            except Unavailable as error:
                failures += 1
                log.warning("responses away", queue=self.name, error=error.detail)
                await asyncio.sleep(backoff_s(failures, random=random.random()))  # noqa: S311
                if isinstance(error, AwsRefusal) and error.code in _GONE:  # deleted by hand, or swept while we hung
                    heard_s = 0.0  # what it held is lost
                    with suppress(Unavailable):
                        await self._open()

    async def _receive(self) -> None:
        found = await self._aws.call(
            "sqs",
            "receive_message",
            self._resource,
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=_POLL_S,
        )
        messages: list[dict[str, Any]] = found.get("Messages", [])
        for message in messages:
            await self._take_in(message["Body"])
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
            await self._aws.call("sqs", "delete_message_batch", self._resource, QueueUrl=self._url, Entries=entries)

    async def _catch_up(self) -> None:
        """Look up how the jobs ended whose responses were lost."""
        job_ids = list(self.sent)
        for start in range(0, len(job_ids), _LOOKED_UP):
            looked_up = job_ids[start : start + _LOOKED_UP]
            for ending in await asyncio.gather(*(self._records.ending(job_id) for job_id in looked_up)):
                if ending is not None:
                    self.heard(ending)

    async def _take_in(self, text: str) -> None:
        try:
            document = json.loads(text)
            if "purged" in document:
                self._purged(float(document["purged"]))
                return
            ending = await self._records.ending(document["ended"]) if "ended" in document else read_ending(text)
        except (ValueError, TypeError) as error:
            log.warning("response dropped: not one of this service", queue=self.name, error=str(error))
            return
        if ending is not None and not self.heard(ending):
            log.info("response dropped: nobody waits for it", queue=self.name, job=ending.job_id)

    def _purged(self, before_s: float) -> None:
        for sent in [one for one in self.sent.values() if one.sent_s <= before_s]:
            self.heard(ending_of(sent.job, JobState.CANCELLED))

    async def _nodes(self) -> list[tuple[str, str]]:
        found = await self._aws.call(
            "sqs", "list_queues", f"the queues {self._prefix}*", QueueNamePrefix=self._prefix, MaxResults=1000
        )
        return [(url.rsplit("/", 1)[1], url) for url in found.get("QueueUrls", [])]

    async def _sweep(self) -> None:
        """Delete the queues of nodes that died without doing so."""
        with suppress(Unavailable):  # a convenience; the next node will try again
            for name, url in await self._nodes():
                if name != self.name and _orphaned(await self._tags(name, url), self._now_s()):
                    log.info("response queue of a dead node deleted", queue=name)
                    await self._aws.call("sqs", "delete_queue", f"the queue {name}", QueueUrl=url)

    async def _tags(self, name: str, url: str) -> Mapping[str, str]:
        found = await self._aws.call("sqs", "list_queue_tags", f"the queue {name}", QueueUrl=url)
        return dict(found.get("Tags", {}))


def _orphaned(tags: Mapping[str, str], now_s: float) -> bool:
    """Return whether a queue says that its node has long been silent; one that says nothing is not ours."""
    return _ALIVE in tags and now_s - float(tags[_ALIVE]) > _ORPHAN_S
