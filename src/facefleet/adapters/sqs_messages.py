"""What travels through SQS and what is written beside it, as JSON: envelopes (a job on its way) and endings."""

import json
from dataclasses import dataclass, replace
from typing import Any

from facefleet.core.jobs import TASK, Answer, Job, JobState, JobStatus, Lane


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """A job on its way.

    Attributes:
        sent_s: Unix time of sending by the sender's clock; deadlines count from the queue's time where it is known.
        reply: name of the response queue of the node that sent it.
        recorded: whether the store has this envelope too (a job whose client does not wait on the line).
    """

    job: Job
    sent_s: float
    reply: str
    recorded: bool

    def too_late(self, now_s: float, sent_s: float) -> bool:
        """Return whether the deadline has passed for a job sent at `sent_s`."""
        return self.job.deadline_s is not None and now_s - sent_s >= self.job.deadline_s

    def revived(self, sent_s: float) -> "Envelope":
        """Return the envelope of the same job, sent anew without a deadline."""
        return replace(self, job=replace(self.job, deadline_s=None), sent_s=sent_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a job ended.

    Attributes:
        token: of the lease under which it was answered; empty if it was not.
        reason, died_s: why and when (Unix time) it was given up.
    """

    job_id: str
    kind: str
    created_s: float
    state: JobState
    receives: int = 0
    token: str = ""
    reason: str = ""
    died_s: float = 0.0
    busy_ms: float = 0.0
    answer: Answer | None = None

    def status(self) -> JobStatus:
        """Return what the client is told."""
        return JobStatus(
            job_id=self.job_id,
            kind=self.kind,
            state=self.state,
            created_s=self.created_s,
            receives=self.receives,
            answer=self.answer,
        )


def ending_of(job: Job, state: JobState, **details: Any) -> Ending:
    """Return the ending of a job."""
    return Ending(job_id=job.job_id, kind=job.task.kind, created_s=job.created_s, state=state, **details)


def envelope_json(envelope: Envelope) -> str:
    """Write an envelope."""
    job = envelope.job
    document: dict[str, Any] = {
        "id": job.job_id,
        "task": TASK.dump_python(job.task, mode="json", exclude_none=True),
        "created": job.created_s,
        "sent": envelope.sent_s,
        "lane": job.lane.value,
        "reply": envelope.reply,
    }
    if job.deadline_s is not None:
        document["deadline"] = job.deadline_s
    if envelope.recorded:
        document["recorded"] = True
    return _json(document)


def pointer_json(job_id: str) -> str:
    """Write what stands for an envelope that is too large for a message and is in the store."""
    return _json({"id": job_id})


def read_pointer(text: str) -> str | None:
    """Return the job whose envelope is in the store, None if `text` is an envelope itself.

    Raises:
        ValueError: it is neither.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise ValueError("no request of this service")  # noqa: TRY004 a wrong value of JSON, not of Python
    return document["id"] if "task" not in document else None


def job_id_of(text: str) -> str | None:
    """Return the id of the job that an envelope carries or a pointer names, None if `text` is neither."""
    try:
        return read_pointer(text) or read_envelope(text).job.job_id
    except ValueError:
        return None


def read_envelope(text: str) -> Envelope:
    """Read an envelope.

    Raises:
        ValueError: it is none.
    """
    document = json.loads(text)
    try:
        job = Job(
            job_id=document["id"],
            task=TASK.validate_python(document["task"]),
            created_s=document["created"],
            lane=Lane(document["lane"]),
            deadline_s=document.get("deadline"),
        )
        return Envelope(
            job=job, sent_s=document["sent"], reply=document["reply"], recorded=document.get("recorded", False)
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no request of this service: {error}") from error


def ending_json(ending: Ending) -> str:
    """Write an ending, the answer's document as a string: its bytes must come back as they were."""
    document: dict[str, Any] = {
        "id": ending.job_id,
        "kind": ending.kind,
        "created": ending.created_s,
        "state": ending.state.value,
        "receives": ending.receives,
        "token": ending.token,
        "reason": ending.reason,
        "died": ending.died_s,
        "busy_ms": ending.busy_ms,
    }
    if ending.answer is not None:
        document["body"], document["error"] = ending.answer.body.decode(), ending.answer.error
    return _json(document)


def read_ending(text: str | bytes) -> Ending:
    """Read an ending.

    Raises:
        ValueError: it is none.
    """
    document = json.loads(text)
    try:
        answer = None
        if "body" in document:
            answer = Answer(job_id=document["id"], body=document["body"].encode(), error=document["error"])
        return Ending(
            job_id=document["id"],
            kind=document["kind"],
            created_s=document["created"],
            state=JobState(document["state"]),
            receives=document["receives"],
            token=document["token"],
            reason=document["reason"],
            died_s=document.get("died", 0.0),  # earlier versions did not tell
            busy_ms=document["busy_ms"],
            answer=answer,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no ending of a job: {error}") from error


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
