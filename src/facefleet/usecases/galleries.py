"""Collections with everything that hangs on them: a face that goes takes its stored crop along."""

from collections.abc import Sequence

from facefleet.core.crops import crop_folder
from facefleet.core.faces import EnrolledFace
from facefleet.errors import AlreadyExists, NotFound
from facefleet.ports import Gallery, ObjectStore


async def ensure_collection(gallery: Gallery, collection_id: str, *, model_id: str) -> None:
    """Create the collection unless it exists."""
    if not await _exists(gallery, collection_id):
        try:
            await gallery.create_collection(collection_id, model_id=model_id, tags={})
        except AlreadyExists:
            return  # another web node was faster


async def delete_collection(gallery: Gallery, store: ObjectStore, collection_id: str) -> None:
    """Delete a collection, its faces, persons and crops, those that no face named too.

    Raises:
        NotFound: there is none; crops that an earlier try left, for the store was away, are gone.
    """
    try:
        await store.delete(await gallery.delete_collection(collection_id))
    finally:
        await _delete_left(gallery, store, collection_id)


async def _delete_left(gallery: Gallery, store: ObjectStore, collection_id: str) -> None:
    left = [key async for key in store.keys(crop_folder(collection_id))]
    # If it was made anew meanwhile, faces of these crops may be on their way.
    if left and not await _exists(gallery, collection_id):
        await store.delete(left)


async def delete_faces(
    gallery: Gallery, store: ObjectStore, collection_id: str, face_ids: Sequence[str], *, named: bool = True
) -> Sequence[EnrolledFace]:
    """Delete faces and their crops, with `named=False` only what is nobody's; return those that went."""
    gone = await gallery.delete_faces(collection_id, face_ids, named=named)
    await _delete_crops(store, gone)
    return gone


async def delete_person(gallery: Gallery, store: ObjectStore, collection_id: str, person: str) -> int:
    """Delete a person with all faces and crops; return how many faces that were."""
    gone = await gallery.delete_person(collection_id, person, faces=True)
    await _delete_crops(store, gone)
    return len(gone)


async def crop(gallery: Gallery, store: ObjectStore, collection_id: str, face_id: str) -> bytes:
    """Return the aligned crop of an enrolled face, PNG.

    Raises:
        NotFound: no such face, or it was enrolled without a crop.
    """
    face = await gallery.face(collection_id, face_id)
    if face.crop_key is None:
        raise NotFound(f"Face {face_id} was enrolled without a crop.")
    return await store.get(face.crop_key)


async def _exists(gallery: Gallery, collection_id: str) -> bool:
    try:
        await gallery.collection(collection_id)
    except NotFound:
        return False
    return True


async def _delete_crops(store: ObjectStore, faces: Sequence[EnrolledFace]) -> None:
    await store.delete([face.crop_key for face in faces if face.crop_key is not None])
