"""Calling a photo and its answer what the course calls them, once there is an answer.

While a request is worked on its photo is called by its job, because two photos of the same name, sent at the same time,
must not become one. Afterwards the later one stands, as in the course.
"""

import re
from contextlib import suppress

from facefleet.core.jobs import Job, input_keys
from facefleet.errors import NotFound
from facefleet.ports import ObjectStore

# S3 takes keys of 1,024 bytes, and a character has four at most.
_LONGEST_STEM, _LONGEST_SUFFIX = 200, 20
_HALF_WRITTEN = re.compile(r"#(?=\d+$)")  # of a folder: `photo#1` is what is not yet a whole `photo`


async def file_by_name(store: ObjectStore, job: Job, *, stem: str, suffix: str, label: str) -> None:
    """Keep the photo as `inputs/STEM.SUFFIX` and the label as `outputs/STEM`, and nothing by the job's id.

    Args:
        stem, suffix: of the photo's file name, without folders; the suffix with its dot.
    """
    (photo_key,) = input_keys(job.task)
    stem = stem[:_LONGEST_STEM]
    photo_name, label_name = (_HALF_WRITTEN.sub("_", name) for name in (stem + suffix[:_LONGEST_SUFFIX], stem))
    with suppress(NotFound):  # cleared meanwhile, by an operator
        await store.put(f"inputs/{photo_name}", await store.get(photo_key))
        await store.put(f"outputs/{label_name}", label.encode())
        await store.delete([photo_key, f"outputs/{job.job_id}.json"])
