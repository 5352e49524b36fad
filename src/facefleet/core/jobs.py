"""A request on its way: what is asked (`Task`), its envelope (`Job`), who works on it (`Lease`), what came of it.

Images travel by claim check: a task names keys of the store and stays under 1 KB, because SQS caps a message and a
queue of images is slow everywhere.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from facefleet.core.shortcomings import QualityFilter
from facefleet.errors import BrokenInvariant, Cancelled, DeadlineExceeded, FacefleetError, InvalidInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Detect:
    """Find the faces; compare them with nobody."""

    image: str
    kind: Literal["detect"] = "detect"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identify:
    """Search a collection for the faces of one photo (1:N).

    Attributes:
        threshold: similarity 0-100 from which a candidate counts as the same person; None is the service's default.
        largest_only: search for the largest face alone.
    """

    image: str
    collection: str
    threshold: float | None = None
    max_candidates: int = 5
    largest_only: bool = False
    kind: Literal["identify"] = "identify"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verify:
    """Compare the largest face of `source` with every face of `target` (1:1)."""

    source: str
    target: str
    threshold: float | None = None
    kind: Literal["verify"] = "verify"


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrol:
    """Add the faces of one photo to a collection.

    Attributes:
        person: whom the face belongs to; None leaves it unnamed.
        one_face: refuse a photo with several faces (what enrolling a person means) instead of adding all.
        max_faces: of several, add this many of the largest.
        quality: of several, add only those that pass.
    """

    image: str
    collection: str
    photo_sha256: str
    person: str | None = None
    external_image_id: str | None = None
    one_face: bool = True
    max_faces: int = 100
    quality: QualityFilter = QualityFilter.NONE
    kind: Literal["enrol"] = "enrol"


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """Search a collection for all that resembles the largest face of one photo.

    Attributes:
        threshold: similarity 0-100 from which a match is returned.
        limit: most matches.
        persons: look for persons, each as the mean of their faces, instead of single faces.
        quality: the face searched for is the largest that passes.
    """

    image: str
    collection: str
    threshold: float
    limit: int
    persons: bool = False
    quality: QualityFilter = QualityFilter.NONE
    kind: Literal["search"] = "search"


Task: TypeAlias = Annotated[Detect | Identify | Verify | Enrol | Search, Field(discriminator="kind")]
TASK: TypeAdapter[Detect | Identify | Verify | Enrol | Search] = TypeAdapter(Task)


_INPUT = re.compile(r"inputs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-[01])?")


def input_keys(task: Task) -> tuple[str, ...]:
    """Return the store keys of the photos a task reads."""
    return (task.source, task.target) if isinstance(task, Verify) else (task.image,)


def of_which(error: InvalidInput, place: int, photos: int) -> InvalidInput:
    """Return what is wrong with a photo; where the task has two, the sentence begins with which of them it is."""
    return error if photos == 1 else type(error)(f"The {('source', 'target')[place]} photo: {error.detail}")


def input_places(job_id: str) -> tuple[str, ...]:
    """Return every store key under which a job's photos may lie: one photo, or two numbered ones."""
    return (f"inputs/{job_id}", f"inputs/{job_id}-0", f"inputs/{job_id}-1")


def whose_photo(key: str) -> str | None:
    """Return the job that a photo is kept for; None if the key is no job's."""
    found = _INPUT.fullmatch(key)
    return None if found is None else found[1]


def output_place(job_id: str) -> str:
    """Return the store key of a job's answer."""
    return f"outputs/{job_id}.json"


class Lane(StrEnum):
    """Interactive requests go ahead of bulk ones; bulk ages and so cannot starve."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


# A bulk job stands in line as if it had come this much later, so an interactive one passes it only for that long.
BULK_HANDICAP_S = 30.0


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    IN_FLIGHT = "in_flight"
    DONE = "done"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DEAD = "dead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A task in its envelope.

    Attributes:
        job_id: UUID, made by whoever enqueues; enqueuing the same id twice enqueues once.
        created_s: Unix time by the enqueuer's clock, for display only; waits are measured by the queue's clock.
        deadline_s: seconds after enqueuing from which the answer is of no use; None waits for ever.
    """

    job_id: str
    task: Task
    created_s: float
    lane: Lane = Lane.INTERACTIVE
    deadline_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The right to work on a job until it expires; `token` fences out whoever held it before.

    Attributes:
        receives: how often the job has been leased, this time included.
        waited_ms: time in the queue until this lease, by the queue's clock.
    """

    job: Job
    token: str
    receives: int
    waited_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a job: a JSON document, or an error as `FacefleetError.to_dict` writes it.

    Attributes:
        body: UTF-8 JSON, already encoded: the web tier passes it on without parsing it.
    """

    job_id: str
    body: bytes = field(default=b"", repr=False)
    error: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """A job as its client sees it; `answer` only when the state is DONE."""

    job_id: str
    kind: str
    state: JobState
    created_s: float
    receives: int
    answer: Answer | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueCounts:
    """The queue at one instant.

    Attributes:
        enqueued_total: jobs ever accepted, monotonic; the difference of two readings gives the arrival rate.
        finished_total: jobs ever answered, monotonic.
        busy_ms_total: milliseconds workers spent on answered jobs, monotonic; over finished_total it is the mean
            service time.
    """

    visible: int
    in_flight: int
    dead: int
    oldest_age_s: float
    enqueued_total: int = 0
    finished_total: int = 0
    busy_ms_total: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A job that was given up, and why."""

    job_id: str
    kind: str
    created_s: float
    receives: int
    reason: str
    died_s: float


def given_up(receives: int, worker_id: str) -> str:
    """Return the reason of a dead letter."""
    return f"Leased {receives} times without an answer; last by worker {worker_id}."


def no_answer(state: JobState, reason: str = "") -> FacefleetError:
    """Return what to raise for a client that waited for a job which ended without an answer."""
    if state is JobState.EXPIRED:
        return DeadlineExceeded("No answer came before the deadline.")
    if state is JobState.DEAD:
        return BrokenInvariant(f"The job was given up. {reason}".rstrip())
    return Cancelled("The job was cancelled before it was answered.")


def dead_letter_cursor(after: str | None) -> tuple[int, int]:
    """Read where a listing of dead letters goes on: the microsecond of the last one's death and its place in the queue.

    Raises:
        InvalidInput: no page ever ended there.
    """
    if after is None:
        return 0, 0
    try:
        died_us, seq = (int(part) for part in after.split(" "))
    except ValueError as error:
        raise InvalidInput("`after` is no end of a page; take it from `next_after`.") from error
    if min(died_us, seq) < 0 or max(died_us, seq) >= 2**62:
        raise InvalidInput("`after` is no end of a page; take it from `next_after`.")
    return died_us, seq
