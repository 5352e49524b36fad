"""Where the store keeps the crops of enrolled faces."""

import re

# The key of a crop that was made before keys named the job ends after the face's id.
_CROP = re.compile(r"crops/([^/]+)/([0-9a-f-]{36})(?:-[^/]+)?\.png")


def crop_folder(collection_id: str) -> str:
    """Return what the keys of a collection's crops begin with."""
    return f"crops/{collection_id}/"


def crop_place(collection_id: str, face_id: str, job_id: str) -> str:
    """Return the store key of a face's crop.

    It names the job too: a face's id derives from its photo, and a face that is deleted while its photo is enrolled
    anew must not take the new one's crop along.
    """
    return f"{crop_folder(collection_id)}{face_id}-{job_id}.png"


def whose_crop(key: str) -> tuple[str, str] | None:
    """Return the collection and the face that a crop was made for; None if the key is not that of a crop."""
    found = _CROP.fullmatch(key)
    return None if found is None else (found[1], found[2])
