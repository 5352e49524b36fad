"""Reading clients' photos: folders of the store, and real S3 where the settings allow it."""

import uuid

import pytest

from facefleet.adapters.aws_errors import AwsRefusal
from facefleet.adapters.buckets import ObjectBuckets
from facefleet.errors import ImageTooLarge, NotFound

MAX_BYTES = 100


@pytest.fixture
def bucket(aws):
    """A bucket of S3 with two versions of one object."""
    name = f"photos-{uuid.uuid4()}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=name, Key="2026/a b.jpg", Body=b"first")["VersionId"]
    s3.put_object(Bucket=name, Key="2026/a b.jpg", Body=b"second")
    s3.put_object(Bucket=name, Key="large", Body=bytes(MAX_BYTES + 1))
    return name, first


async def read(buckets, bucket, name, version=None):
    return await buckets.read(bucket, name, version=version, max_bytes=MAX_BYTES)


async def test_a_folder_of_the_store_is_a_bucket(tmp_path):
    """`buckets/B/` of the store is the bucket B; its neighbours `inputs/` and `crops/` are none."""
    (tmp_path / "buckets" / "holiday").mkdir(parents=True)
    (tmp_path / "inputs").mkdir()
    (tmp_path / "buckets" / "holiday" / "photo").write_bytes(b"mine")
    (tmp_path / "inputs" / "job").write_bytes(b"somebody's")
    buckets = ObjectBuckets(tmp_path.as_uri())
    assert await read(buckets, "holiday", "photo") == b"mine"
    for bucket, name in (("inputs", "job"), ("holiday", "../../inputs/job"), ("..", "inputs/job"), ("", "x")):
        with pytest.raises(NotFound):
            await read(buckets, bucket, name)


async def test_a_large_object_is_not_read(tmp_path):
    """At the limit it is, above it the size alone decides."""
    (tmp_path / "buckets" / "b").mkdir(parents=True)
    for size in (MAX_BYTES, MAX_BYTES + 1):
        (tmp_path / "buckets" / "b" / str(size)).write_bytes(bytes(size))
    buckets = ObjectBuckets(tmp_path.as_uri())
    assert len(await read(buckets, "b", str(MAX_BYTES))) == MAX_BYTES
    with pytest.raises(ImageTooLarge):
        await read(buckets, "b", str(MAX_BYTES + 1))


@pytest.mark.parametrize("allowed", ["*", None])
async def test_s3_is_read_where_the_settings_name_the_bucket(tmp_path, bucket, allowed):
    """By name or by `*`; the newest version unless one is asked for."""
    name, first = bucket
    buckets = ObjectBuckets(tmp_path.as_uri(), s3=[allowed or name])
    assert await read(buckets, name, "2026/a b.jpg") == b"second"
    assert await read(buckets, name, "2026/a b.jpg", version=first) == b"first"
    with pytest.raises(ImageTooLarge):
        await read(buckets, name, "large")
    for missing in ("nothing", "2026"):
        with pytest.raises(NotFound):
            await read(buckets, name, missing)


async def test_s3_is_not_read_otherwise(tmp_path, bucket):
    """The service's credentials may open more than its clients should see."""
    name, first = bucket
    buckets = ObjectBuckets(tmp_path.as_uri(), s3=["another"])
    for version in (None, first):
        with pytest.raises(NotFound):
            await read(buckets, name, "2026/a b.jpg", version=version)


async def test_a_store_in_s3_has_buckets_too(bucket, aws):
    """`s3://store/prefix` keeps them under `prefix/buckets/`."""
    name, _ = bucket
    aws.client("s3").put_object(Bucket=name, Key="prefix/buckets/holiday/photo", Body=b"mine")
    buckets = ObjectBuckets(f"s3://{name}/prefix")
    assert await read(buckets, "holiday", "photo") == b"mine"
    with pytest.raises(NotFound):
        await read(buckets, "holiday", "2026/a b.jpg")


async def test_credentials_and_region_may_come_from_a_profile(aws, bucket, tmp_path, monkeypatch):
    """As for everything else on AWS: the environment names nothing but AWS_PROFILE."""
    name, _ = bucket
    (tmp_path / "config").write_text(
        "[profile mine]\nregion = eu-central-1\naws_access_key_id = mine\naws_secret_access_key = secret\n"
    )
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(AwsRefusal, match=f"credentials for s3:.* on the bucket {name}"):
        await read(ObjectBuckets(tmp_path.as_uri(), s3=[name]), name, "2026/a b.jpg")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    buckets = ObjectBuckets(tmp_path.as_uri(), s3=[name])
    assert await read(buckets, name, "2026/a b.jpg") == b"second"
    assert buckets._s3[name].config["region"] == "eu-central-1"
    elsewhere = ObjectBuckets(tmp_path.as_uri(), s3=[name], region="eu-west-3")
    assert await read(elsewhere, name, "2026/a b.jpg") == b"second"
    assert elsewhere._s3[name].config["region"] == "eu-west-3"
