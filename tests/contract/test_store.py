"""What every object store must do; run over a folder, obstore's own memory store, and buckets of an emulated S3."""

import os
import stat
import time
import uuid

import pytest

from emulated_aws import REGION
from facefleet.adapters.objects import Objects
from facefleet.adapters.split_store import SplitStore
from facefleet.errors import NotFound, Unavailable, WrongSettings


@pytest.fixture(params=["folder", "memory", "s3", "three buckets"])
def store(request, tmp_path):
    if request.param == "folder":
        return Objects((tmp_path / "a folder").as_uri())
    if request.param == "memory":
        return Objects("memory:///")
    inputs, outputs, rest = buckets(request.getfixturevalue("aws"), 3)
    return rest if request.param == "s3" else SplitStore(rest, {"inputs/": inputs, "outputs/": outputs})


@pytest.mark.parametrize("folder", ["file:///proc/facefleet", "{below}/store"])
def test_a_folder_that_cannot_be_made_is_named_in_a_sentence(tmp_path, folder):
    """Below a file, and where nobody can write, not even root."""
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"cannot be written: .*--data"):
        Objects(folder.format(below=(tmp_path / "file").as_uri()))


def test_a_folder_on_another_machine_is_refused():
    """Two slashes instead of three would put the photos into a folder at the root of this one."""
    with pytest.raises(WrongSettings, match="a folder's URL has three slashes"):
        Objects("file://photos/x")


def test_a_folder_of_ours_that_others_can_read_is_closed(tmp_path):
    """One that an earlier release, or somebody's umask, made; by a copy of a backup it is full already."""
    for name in ("inputs", "outputs", "crops", "buckets", "probes", "jobs", "totals"):
        (tmp_path / name).mkdir()
    (tmp_path / "leader").touch()
    tmp_path.chmod(0o755)
    Objects(tmp_path.as_uri())
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_folder_that_holds_more_than_photos_keeps_its_mode(tmp_path):
    """Whoever keeps photos right in `/srv` has other services there."""
    tmp_path.chmod(0o755)
    (tmp_path / "www").mkdir()
    Objects(tmp_path.as_uri())
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.parametrize("url", ["nonsense://x", "nonsense", "file", "://"])
def test_a_url_that_names_no_store_is_refused_in_a_sentence(url):
    """And the sentence says what would name one."""
    with pytest.raises(WrongSettings, match=r"is no store; write file:///FOLDER") as caught:
        Objects(url)
    assert "\n" not in caught.value.detail


async def test_what_a_killed_writer_left_in_a_folder_goes(tmp_path):
    """It is a photo, and has no key by which it could be found or deleted; what may still be written stays."""
    store = Objects(tmp_path.as_uri())
    await store.put("inputs/a", b"photo")
    for name, age_s in (("left#1", 7200), ("written#2", 60), ("a#photo", 7200), ("a#b#3", 7200)):
        (tmp_path / "inputs" / name).write_bytes(b"photo")
        os.utime(tmp_path / "inputs" / name, (time.time() - age_s,) * 2)
    with pytest.raises(Unavailable):  # so these are obstore's names, and nobody's keys
        await store.put("inputs/left#1", b"photo")
    assert await listed(store, "inputs/") == ["inputs/a", "inputs/a#b#3", "inputs/a#photo"]
    assert sorted(file.name for file in (tmp_path / "inputs").iterdir()) == ["a", "a#b#3", "a#photo", "written#2"]


def buckets(aws, count):
    names = [f"store-{uuid.uuid4().hex}" for _ in range(count)]
    for name in names:
        aws.client("s3").create_bucket(Bucket=name)
    return [Objects(f"s3://{name}", region=REGION) for name in names]


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


async def test_nothing_is_kept_under_a_name_that_no_key_can_have(store):
    """A collection may be called so, and must be deletable."""
    assert await listed(store, "crops/../") == await listed(store, "crops/./") == []


async def test_a_folder_goes_with_its_last_file(tmp_path):
    """The name of a deleted collection is not left behind."""
    store = Objects(tmp_path.as_uri())
    for key in ("crops/a/1.png", "crops/a/2.png", "crops/ab/1.png"):
        await store.put(key, b"x", durable=True)
    await store.delete(["crops/a/1.png", "crops/a/2.png"])
    assert [folder.name for folder in (tmp_path / "crops").iterdir()] == ["ab"]
    await store.delete(["crops/ab/1.png"])
    await store.put("crops/a/1.png", b"x", durable=True)
    assert await listed(store, "crops/a/") == ["crops/a/1.png"]


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


async def test_two_buckets_hold_what_the_course_expects(aws):
    """The input bucket holds photos and nothing else, by the names after `inputs/`; the output bucket likewise."""
    inputs, outputs, rest = buckets(aws, 3)
    store = SplitStore(rest, {"inputs/": inputs, "outputs/": outputs})
    for key in ("inputs/1", "outputs/1.json", "crops/c/1.png"):
        await store.put(key, key.encode())
    assert await listed(inputs, "") == ["1"]
    assert await listed(outputs, "") == ["1.json"]
    assert await listed(rest, "") == ["crops/c/1.png"]
    await store.delete(["inputs/1", "outputs/1.json", "crops/none"])
    assert await listed(inputs, "") == await listed(outputs, "") == []


@pytest.mark.parametrize("key", [None, "alias/faces"])
async def test_what_is_in_a_bucket_is_encrypted(aws, key):
    """With S3's own key, or with one of the account."""
    name = f"store-{uuid.uuid4().hex}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name)
    await Objects(f"s3://{name}", region=REGION, kms_key=key).put("inputs/1", b"x")
    head = s3.head_object(Bucket=name, Key="inputs/1")
    assert head["ServerSideEncryption"] == ("aws:kms" if key else "AES256")
    assert head.get("SSEKMSKeyId") == key


async def test_only_one_creates(store):
    """What two write at once where nothing may be yet, one has written."""
    if isinstance(store, SplitStore):
        pytest.skip("records are kept in one place")
    assert await store.create("jobs/1", b"first")
    assert not await store.create("jobs/1", b"second")
    assert await store.get("jobs/1") == b"first"
