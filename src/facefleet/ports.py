"""The one page of interfaces between the rooms and the technologies behind them.

Each port has a reference implementation in `adapters/memory/`; the contract suites in `tests/contract` say what every
other adapter must do as well. Adapters raise nothing but the errors of `facefleet.errors`.

It is long because it is one page: whoever writes an adapter, or asks what the rooms need, reads it as a whole. There is
no code in it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Collection as Items
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from facefleet.core.centroid import Centroid
from facefleet.core.faces import Candidate, Collection, EnrolledFace, Page, Person, Template
from facefleet.core.fleet import Decision, Instance, Worker, WorkerReport
from facefleet.core.jobs import Answer, DeadLetter, Job, JobStatus, Lease, QueueCounts
from facefleet.core.keys import AccessKey

# When it was made (Unix time), the decision, and the numbers that it was made from.
Recorded: TypeAlias = tuple[float, Decision, Mapping[str, float]]


class Queue(Protocol):
    """At-least-once delivery with leases, effects exactly once: answers are kept by job id and fenced by token."""

    lease_s: float
    max_receives: int

    async def put(self, job: Job) -> None:
        """Enqueue durably: the job survives a power cut once this returns."""
        ...

    async def ask(self, job: Job, *, wait_s: float) -> Answer:
        """Enqueue for a client that waits on the line, and return the answer.

        The commit may be relaxed. If the wait is cancelled or too long, the job is cancelled. A job without a deadline
        gets `wait_s` as its deadline, so that it dies with a web node that dies.

        Raises:
            DeadlineExceeded: no answer within `wait_s`, or before the job's deadline.
            Cancelled: the job was cancelled or purged meanwhile.
            BrokenInvariant: the job went to the dead letters meanwhile.
        """
        ...

    async def lease(self, worker_id: str, *, limit: int, wait_s: float) -> Sequence[Lease]:
        """Take up to `limit` jobs, waiting at most `wait_s` for the first; empty if none came.

        Interactive jobs come first, bulk ones age (`BULK_HANDICAP_S`). Expired jobs are never returned. A job that was
        leased before (its worker died) comes first, having waited a whole lease, and alone, so that a photo which
        kills workers takes no neighbour with it; one that was leased `max_receives` times goes to the dead letters.
        """
        ...

    async def extend(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Renew for another `lease_s`; return those that are still held (cancelled or lost ones are left out)."""
        ...

    async def finish(self, lease: Lease, answer: Answer, *, busy_ms: float) -> None:
        """Record the answer, wake whoever waits for it and remove the job; doing so twice is harmless.

        Raises:
            LeaseLost: the lease ran out and another worker has the job, or the client withdrew it.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give a job back unworked; it is visible at once and the receive is not counted."""
        ...

    async def abandon(self, worker_id: str) -> None:
        """Make what a worker held visible at once, because that worker is known to be dead; its receives count.

        A queue that does not know its workers lets the leases run out.
        """
        ...

    async def cancel(self, job_id: str) -> bool:
        """Withdraw a job that has no answer yet, a dead letter too; return whether there was one."""
        ...

    async def status(self, job_id: str, *, wait_s: float = 0.0) -> JobStatus:
        """Return where a job is, waiting up to `wait_s` for its end.

        Raises:
            NotFound: no such job, or its answer is past retention.
        """
        ...

    async def counts(self) -> QueueCounts:
        """Return how many wait, are worked on and were given up."""
        ...

    async def purge(self) -> int:
        """Cancel every job without an answer, dead letters too; return how many."""
        ...

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Page[DeadLetter]:
        """List given-up jobs, oldest first."""
        ...

    async def redrive(self, job_ids: Sequence[str] | None = None) -> int:
        """Queue given-up jobs anew (all if None), receives back to zero, deadlines lifted; return how many."""
        ...

    async def erase(self, job_ids: Sequence[str]) -> None:
        """Delete ended jobs with their answers, at once; ids that do not exist are ignored."""
        ...

    async def forget(self, *, answered_before_s: float) -> Sequence[str]:
        """Delete jobs that ended in any way more than this many seconds ago; return their ids.

        Where there are very many it may take several calls: call again until it returns none.
        """
        ...


class Gallery(Protocol):
    """Collections of enrolled faces, and search among them.

    Listings are ordered by name, or by face id, and paged by `after`. Unknown collections raise NotFound everywhere.
    """

    async def create_collection(self, collection_id: str, *, model_id: str, tags: Mapping[str, str]) -> Collection:
        """Create; AlreadyExists if the name is taken."""
        ...

    async def delete_collection(self, collection_id: str) -> Sequence[str]:
        """Delete with all faces and persons; return the crop keys that are now orphans."""
        ...

    async def collection(self, collection_id: str) -> Collection:
        """Return one collection with its counts."""
        ...

    async def collections(self, *, limit: int, after: str | None = None) -> Page[Collection]:
        """List collections by name."""
        ...

    async def add_tags(self, collection_id: str, tags: Mapping[str, str], *, most_tags: int) -> None:
        """Add tags; those of the same name are replaced.

        Raises:
            LimitExceeded: there would be more than `most_tags`; none is added then.
        """
        ...

    async def remove_tags(self, collection_id: str, names: Items[str]) -> None:
        """Remove the tags of these names; those that are not there are ignored."""
        ...

    async def enrol(self, faces: Sequence[EnrolledFace]) -> Sequence[EnrolledFace]:
        """Add faces of one collection with their templates, creating persons as needed.

        Idempotent by face id. A named face whose (person, photo_sha256) is enrolled already is not added again: the
        earlier one is returned in its place.

        Raises:
            IncompatibleTemplates: a template is not of the collection's model.
        """
        ...

    async def face(self, collection_id: str, face_id: str) -> EnrolledFace:
        """Return one face, template included."""
        ...

    async def faces(
        self,
        collection_id: str,
        *,
        limit: int,
        after: str | None = None,
        person: str | None = None,
        face_ids: Items[str] | None = None,
    ) -> Page[EnrolledFace]:
        """List faces, of one person or with these ids if given, without templates."""
        ...

    async def delete_faces(
        self, collection_id: str, face_ids: Sequence[str], *, named: bool = True
    ) -> Sequence[EnrolledFace]:
        """Delete, with `named=False` only what is nobody's; return those that went (their crops are now orphans)."""
        ...

    async def search(
        self,
        collection_id: str,
        probes: Sequence[Template],
        *,
        limit: int,
        min_score: float = -1.0,
        named_except: Items[str] | None = None,
    ) -> Sequence[Sequence[Candidate]]:
        """Return for each probe the `limit` best faces, best first, without templates.

        Args:
            named_except: if given, only faces that belong to a person, and to none of these.

        Raises:
            IncompatibleTemplates: a probe is not of the collection's model.
        """
        ...

    async def create_person(self, collection_id: str, person: str) -> Person:
        """Create a person without faces; AlreadyExists if the name is taken."""
        ...

    async def delete_person(self, collection_id: str, person: str, *, faces: bool) -> Sequence[EnrolledFace]:
        """Delete a person with (`faces=True`) or without their faces, which then belong to nobody; return these."""
        ...

    async def persons(self, collection_id: str, *, limit: int, after: str | None = None) -> Page[Person]:
        """List persons by name."""
        ...

    async def associate(
        self, collection_id: str, face_ids: Sequence[str], person: str, *, most_faces: int
    ) -> Sequence[EnrolledFace]:
        """Give a person those faces that are nobody's; return all that exist, as now: some may be another's.

        Raises:
            NotFound: no such person.
            LimitExceeded: the person would have more than `most_faces`; none is given then.
        """
        ...

    async def disassociate(self, collection_id: str, face_ids: Sequence[str], person: str) -> Sequence[EnrolledFace]:
        """Take from a person those faces that are theirs, which then are nobody's; return these.

        Raises:
            NotFound: no such person.
        """
        ...

    async def person_templates(self, collection_id: str, person: str) -> Sequence[Template]:
        """Return the templates of a person's faces."""
        ...

    async def centroids(self, collection_id: str, persons: Items[str]) -> Mapping[str, Centroid]:
        """Return the means of these persons' templates; who has none, or is not there, is left out."""
        ...

    async def maintain(self) -> None:
        """Keep searches fast and deletions thorough: index what has grown, erase what was deleted (once a minute).

        An index makes search approximate in a collection that is too large to score every face.
        """
        ...


class ObjectStore(Protocol):
    """Photos in, answers out, face crops. Keys are `inputs/…`, `outputs/…`, `crops/…`."""

    async def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Write whole or not at all; `durable` returns only once a power cut cannot undo it."""
        ...

    async def get(self, key: str) -> bytes:
        """Read; NotFound if there is none."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete those that exist."""
        ...

    def keys(self, prefix: str, *, older_than_s: float = 0.0) -> AsyncIterator[str]:
        """List keys under a prefix last written more than `older_than_s` ago."""
        ...


class Fleet(Protocol):
    """Where workers run: starts places for them and takes them down, never in the middle of work.

    Attributes:
        usual_boot_s: what it takes from the order to start until a worker is ready, as a guess before any was timed.
    """

    usual_boot_s: float

    async def instances(self) -> Sequence[Instance]:
        """Return every instance that is not gone for good."""
        ...

    async def start(self, count: int) -> Sequence[str]:
        """Begin to start workers; return their ids (fewer where the technology refuses more)."""
        ...

    async def drain(self, worker_ids: Sequence[str]) -> None:
        """Ask workers to finish what they have and stop; returns at once."""
        ...

    async def close(self) -> None:
        """Let go of the fleet: workers that this program must not leave behind are drained and waited for."""
        ...


class Roster(Protocol):
    """What the rooms know of each other: who works, who leads, what was decided."""

    async def report(self, report: WorkerReport) -> bool:
        """Record a worker's heartbeat; return whether it has been asked to drain."""
        ...

    async def leave(self, worker_id: str) -> None:
        """Remove a worker that ends in good order."""
        ...

    async def departures(self) -> Mapping[str, float]:
        """Return who ended in good order in the last ten minutes, and did not report since: worker id → when.

        By the clock of `reported_s`.
        """
        ...

    async def reports(self) -> Sequence[WorkerReport]:
        """Return the last report of each worker heard of in the last lease."""
        ...

    async def ask_to_drain(self, worker_ids: Sequence[str]) -> None:
        """Leave word for workers that cannot be sent a signal."""
        ...

    async def publish(self, workers: Sequence[Worker], *, worker_s: float = 0.0, minimum: int | None = None) -> float:
        """Replace the fleet as all rooms see it (by the leading controller, once a tick).

        Args:
            workers: the fleet.
            worker_s: worker-seconds charged since the last time; they are added to the running total.
            minimum: how few workers are kept.

        Returns:
            The running total.
        """
        ...

    async def worker_s_total(self) -> float:
        """Return the worker-seconds charged since the beginning; restarts and crashes do not set it back."""
        ...

    async def workers(self) -> Sequence[Worker]:
        """Return the fleet as last published."""
        ...

    async def minimum(self) -> int | None:
        """Return how few workers are kept by whoever published the fleet; None if that is not known."""
        ...

    async def published_age_s(self) -> float | None:
        """Return how long ago the fleet was last published; None if it never was."""
        ...

    async def record(self, decision: Decision, *, at_s: float, seen: Mapping[str, float]) -> None:
        """Append to the history of decisions; `seen` holds the numbers it was made from."""
        ...

    async def decisions(self, *, limit: int, acting_only: bool = False) -> Sequence[Recorded]:
        """Return the latest decisions, newest first; `acting_only` leaves out those that neither start nor drain."""
        ...

    def history(self, *, since_s: float = 0.0) -> AsyncIterator[Recorded]:
        """Yield the decisions of this Unix time and later, oldest first, as they were made."""
        ...

    async def earliest(self, *, since_s: float, until_s: float) -> Recorded | None:
        """Return the decision with the earliest Unix time between these two; None if none was made then."""
        ...

    def lead(self) -> AbstractAsyncContextManager[bool]:
        """Try to become the one controller that acts; yields whether it worked. Held until the block ends."""
        ...


class Keys(Protocol):
    """The access keys of the Rekognition interface."""

    async def add(self, key: AccessKey) -> None:
        """Keep a new key; AlreadyExists if its id is taken."""
        ...

    async def key(self, access_key_id: str) -> AccessKey:
        """Return one key; NotFound if there is none or it was revoked."""
        ...

    async def keys(self) -> Sequence[AccessKey]:
        """List all keys, oldest first."""
        ...

    async def revoke(self, access_key_id: str) -> None:
        """Delete a key; NotFound if there is none."""
        ...


class Vault(Protocol):
    """What can be read only where the service runs."""

    def seal(self, name: str, secret: str) -> bytes:
        """Encrypt a secret under its name."""
        ...

    def open(self, name: str, sealed: bytes) -> str:
        """Decrypt what was sealed under this name; Unavailable if it was sealed elsewhere or under another name."""
        ...

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for one purpose, the same on every node of a service."""
        ...


class Receipts(Protocol):
    """What was answered to a request that its client may send again, by the client's token, for a limited time."""

    async def find(self, token: str) -> tuple[str, bytes] | None:
        """Return the digest of the request and its answer."""
        ...

    async def keep(self, token: str, digest: str, answer: bytes) -> None:
        """Keep the answer to a request, unless the token has one."""
        ...


class Buckets(Protocol):
    """Photos that clients keep where the service can read them, as S3 names them."""

    async def read(self, bucket: str, name: str, *, version: str | None, max_bytes: int) -> bytes:
        """Return an object.

        Raises:
            NotFound: no such object, or no bucket that clients may name.
            ImageTooLarge: it has more than `max_bytes`; it is not read then.
        """
        ...
