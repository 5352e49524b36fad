"""What every object store must do; run over a folder and over obstore's own memory store."""

import os
import time

import pytest

from facefleet.adapters.objects import Objects
from facefleet.errors import NotFound, Unavailable


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return Objects((tmp_path / "a folder").as_uri() if request.param == "folder" else "memory:///")


async def listed(store, prefix, **options):
    return sorted([key async for key in store.keys(prefix, **options)])


@pytest.mark.parametrize("durable", [False, True])
async def test_what_was_put_is_got(store, durable):
    """Bytes come back as they were, and a second write replaces the first."""
    await store.put("inputs/a", b"\x00\xff", durable=durable)
    await store.put("inputs/a", b"second", durable=durable)
    assert await store.get("inputs/a") == b"second"


async def test_an_absent_object_is_not_found(store):
    """The error is the port's, whatever the technology calls it, and names the key."""
    with pytest.raises(NotFound, match="inputs/none"):
        await store.get("inputs/none")


async def test_deleting_takes_what_is_there_and_minds_nothing_else(store):
    """Deleting is safe to repeat."""
    await store.put("crops/c/1.png", b"1")
    await store.put("crops/c/2.png", b"2")
    await store.delete(["crops/c/1.png", "crops/c/none.png"])
    await store.delete(["crops/c/1.png"])
    assert await listed(store, "crops/") == ["crops/c/2.png"]


async def test_listing_keeps_prefixes_apart(store):
    """Clearing the inputs never touches the outputs."""
    for key in ("inputs/1", "inputs/2", "outputs/1.json"):
        await store.put(key, b"x")
    assert await listed(store, "inputs/") == ["inputs/1", "inputs/2"]
    assert await listed(store, "nothing/") == []


async def test_listing_by_age_leaves_the_young(store):
    """Retention never deletes what was written just now."""
    await store.put("inputs/young", b"x")
    assert await listed(store, "inputs/", older_than_s=60) == []


async def test_listing_by_age_finds_the_old(tmp_path):
    """A file last written before the limit is listed."""
    store = Objects(tmp_path.as_uri())
    await store.put("inputs/old", b"x")
    await store.put("inputs/young", b"x")
    before = time.time() - 120
    os.utime(tmp_path / "inputs" / "old", (before, before))
    assert await listed(store, "inputs/", older_than_s=60) == ["inputs/old"]


async def test_only_the_owner_can_look_into_the_folder(tmp_path):
    """Photos of faces are nobody else's business on a shared machine."""
    Objects((tmp_path / "private").as_uri())
    assert (tmp_path / "private").stat().st_mode & 0o077 == 0


async def test_a_store_that_cannot_be_written_says_so(tmp_path):
    """A full or broken disk is `Unavailable`: the request may be tried again."""
    store = Objects((tmp_path / "s").as_uri())
    (tmp_path / "s" / "inputs").write_text("a file where a folder is needed")
    with pytest.raises(Unavailable, match="inputs/a"):
        await store.put("inputs/a", b"x")
