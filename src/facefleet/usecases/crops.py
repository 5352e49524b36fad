"""Crops that no face names: left by an enrolment that was killed halfway, or that met a deletion.

Nobody could have them deleted, and they are biometric data. What an enrolment knows of it deletes itself; the rest is
found by comparing the store with the gallery.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence

from facefleet.core.crops import whose_crop
from facefleet.errors import FacefleetError, NotFound
from facefleet.ports import Gallery, ObjectStore
from facefleet.usecases.housekeeping import CHUNK, chunks

# A crop is written moments before its face, anew at every try; the clocks of store and service may differ.
ORPHAN_S = 3_600.0
SWEEP_EVERY_S = 3_600.0
# Crops looked at in a round of the housekeeper, of which there is one a minute; that takes 1.5 s (folder and embedded
# database, two busy cores). A million takes a hundred rounds.
SWEPT_AT_ONCE = 10_000
_FEW = 50  # of a collection among some hundred crops


async def delete_orphans(gallery: Gallery, store: ObjectStore, crop_keys: Sequence[str]) -> int:
    """Delete those of these crops that no face names; return how many. What is no crop stays."""
    orphans = [key for _, keys in await _orphans(gallery, crop_keys) for key in keys]
    await store.delete(orphans)
    return len(orphans)


async def _orphans(gallery: Gallery, crop_keys: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return the keys of crops that no face names, by collection."""
    crops: dict[str, dict[str, str]] = {}
    for key in crop_keys:
        if (whose := whose_crop(key)) is not None:
            collection_id, face_id = whose
            crops.setdefault(collection_id, {})[key] = face_id
    orphans = []
    for collection_id, faces in crops.items():
        named = await _named(gallery, collection_id, set(faces.values()))
        orphans.append((collection_id, sorted(faces.keys() - named)))
    return orphans


async def _named(gallery: Gallery, collection_id: str, face_ids: Collection[str]) -> set[str]:
    """Return the keys of the crops of these faces."""
    try:
        page = await gallery.faces(collection_id, limit=len(face_ids), face_ids=face_ids)
    except NotFound:
        return set()
    return {face.crop_key for face in page.items if face.crop_key is not None}


async def _has_faces(gallery: Gallery, collection_id: str) -> bool:
    try:
        return (await gallery.collection(collection_id)).faces > 0
    except NotFound:
        return False


class CropSweep:
    """Goes through all crops once in a while, a part at a time, and deletes old ones that no face names.

    With an empty or another database in front of the store, by mistake or until a backup is back, that would be all of
    them. So those of a collection without a face stay, and many at once do: kills leave a few.

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
        self._due_s = now_s() + SWEEP_EVERY_S
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
                deleted += await self._swept(keys)
                looked_at += CHUNK
        except FacefleetError:
            self._left, self._due_s = None, self._now_s()
            raise
        return deleted

    async def _swept(self, keys: Sequence[str]) -> int:
        deleted = 0
        for collection_id, orphans in await _orphans(self._gallery, keys):
            if 0 < len(orphans) <= _FEW and await _has_faces(self._gallery, collection_id):
                await self._store.delete(orphans)
                deleted += len(orphans)
        return deleted
