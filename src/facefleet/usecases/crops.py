"""Crops that no face names: left by an enrolment that was killed halfway, or that met a deletion.

Nobody could have them deleted, and they are biometric data. What an enrolment knows of it deletes itself; the rest is
found by comparing the store with the gallery.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence

from facefleet.core.crops import crop_folder, whose_crop
from facefleet.errors import FacefleetError, NotFound
from facefleet.ports import Gallery, ObjectStore
from facefleet.usecases.housekeeping import CHUNK, chunks

# A crop is written moments before its face, anew at every try; the clocks of store and service may differ.
ORPHAN_S = 3_600.0
SWEEP_EVERY_S = 3_600.0
# Crops looked at in a round of the housekeeper, of which there is one a minute; that takes 1.5 s (folder and embedded
# database, two busy cores). A million takes a hundred rounds.
SWEPT_AT_ONCE = 10_000


async def delete_orphans(gallery: Gallery, store: ObjectStore, crop_keys: Sequence[str], *, strangers: bool) -> int:
    """Delete those of these crops that no face names; return how many. What is no crop stays.

    Args:
        strangers: those of collections that there are not, too.
    """
    crops: set[str] = set()
    faces: dict[str, set[str]] = {}
    for key in crop_keys:
        if (whose := whose_crop(key)) is not None:
            crops.add(key)
            faces.setdefault(whose[0], set()).add(whose[1])
    for collection_id, face_ids in faces.items():
        named = await _named(gallery, collection_id, face_ids)
        if named is None and not strangers:
            named = {key for key in crops if key.startswith(crop_folder(collection_id))}
        crops -= named or set()
    await store.delete(sorted(crops))
    return len(crops)


async def _named(gallery: Gallery, collection_id: str, face_ids: Collection[str]) -> set[str] | None:
    """Return the keys of the crops of these faces; None if there is no such collection."""
    try:
        page = await gallery.faces(collection_id, limit=len(face_ids), face_ids=face_ids)
    except NotFound:
        return None
    return {face.crop_key for face in page.items if face.crop_key is not None}


class CropSweep:
    """Goes through all crops once in a while, a part at a time, and deletes old ones that no face names.

    Those of collections that there are not stay: with an empty or another database in front of the store, by mistake or
    until a backup is back, that would be all of them.

    Args:
        now_s: any clock, in seconds.
        at_once: about how many crops are looked at in a part.
    """

    def __init__(
        self, *, gallery: Gallery, store: ObjectStore, now_s: Callable[[], float], at_once: int = SWEPT_AT_ONCE
    ) -> None:
        self._gallery = gallery
        self._store = store
        self._now_s = now_s
        self._at_once = at_once
        self._due_s = now_s()
        self._left: AsyncIterator[list[str]] | None = None

    async def go_on(self) -> int:
        """Look at the next part, if there is one or it is time for another sweep; return how many crops went.

        Raises:
            FacefleetError: store or gallery failed; the next sweep begins at the beginning.
        """
        if self._left is None:
            if self._now_s() < self._due_s:
                return 0
            self._due_s = self._now_s() + SWEEP_EVERY_S
            self._left = chunks(self._store.keys("crops/", older_than_s=ORPHAN_S))
        deleted = looked_at = 0
        try:
            while looked_at < self._at_once:
                keys = await anext(self._left, None)
                if keys is None:
                    self._left = None
                    break
                deleted += await delete_orphans(self._gallery, self._store, keys, strangers=False)
                looked_at += CHUNK
        except FacefleetError:
            self._left, self._due_s = None, self._now_s()
            raise
        return deleted
