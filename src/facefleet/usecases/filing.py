"""Calling a photo and its answer what the course calls them, once there is an answer.

While a request is worked on its photo is called by its job, because two photos of the same name, sent at the same time,
must not become one. Afterwards the later one stands, as in the course.
"""

from contextlib import suppress

from facefleet.core.jobs import Job, input_keys
from facefleet.errors import NotFound
from facefleet.ports import ObjectStore

# S3 takes keys of 1,024 bytes, and a character has four at most.
_LONGEST_STEM, _LONGEST_SUFFIX = 200, 20


async def file_by_name(store: ObjectStore, job: Job, *, stem: str, suffix: str, label: str) -> None:
    """Keep the photo as `inputs/STEM.SUFFIX` and the label as `outputs/STEM`, and nothing by the job's id.

    Args:
        stem, suffix: of the photo's file name, without folders; the suffix with its dot.
    """
    (photo_key,) = input_keys(job.task)
    stem = stem[:_LONGEST_STEM]
    with suppress(NotFound):  # cleared meanwhile, by an operator
        await store.put(f"inputs/{stem}{suffix[:_LONGEST_SUFFIX]}", await store.get(photo_key))
        await store.put(f"outputs/{stem}", label.encode())
        await store.delete([photo_key, f"outputs/{job.job_id}.json"])
