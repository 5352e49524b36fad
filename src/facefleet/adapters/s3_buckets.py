"""The buckets a service needs: found, or made private, encrypted and forgetful.

Buckets that exist are used as they are.
"""

import math
from collections.abc import Iterable
from contextlib import AsyncExitStack

from facefleet.adapters.aws import Aws
from facefleet.adapters.aws_errors import AwsRefusal

# Objects of these prefixes, and no others, may go after their time; crops belong to enrolled faces.
EXPIRING = ("inputs/", "outputs/", "jobs/")
_ABSENT = frozenset({"404", "NoSuchBucket"})
_FIRST_REGION = "us-east-1"


async def open_buckets(
    aws: Aws, names: Iterable[str], *, create: bool, whole: Iterable[str], retention_days: float, undo: AsyncExitStack
) -> None:
    """Find the buckets; with `create`, make those that are absent.

    Args:
        names: of all of them.
        whole: those of them in which everything may go after its time, whatever it is called.
        retention_days: after one day more than this AWS deletes what the housekeeper has not; 0 keeps a day.
        undo: learns how to delete what was made.

    Raises:
        AwsRefusal: a bucket is absent (and `create` is false), in another region, or not ours to use.
    """
    expiring = frozenset(whole)
    for name in dict.fromkeys(names):
        if await _exists(aws, name):
            continue
        if not create:
            raise AwsRefusal(
                f"AWS knows no bucket {name}: check its name, or let --create make it (asked by s3:ListBucket).", "404"
            )
        await _make(aws, name, undo)
        await _protect(aws, name)
        await _let_go(aws, name, ("",) if name in expiring else EXPIRING, math.ceil(retention_days) + 1)


async def _exists(aws: Aws, name: str) -> bool:
    try:
        await aws.call("s3", "head_bucket", f"the bucket {name}", Bucket=name)
    except AwsRefusal as error:
        if error.code in _ABSENT:
            return False
        raise
    return True


async def _make(aws: Aws, name: str, undo: AsyncExitStack) -> None:
    where = {} if aws.region in (None, _FIRST_REGION) else {"LocationConstraint": aws.region}
    options = {"CreateBucketConfiguration": where} if where else {}
    await aws.call("s3", "create_bucket", f"the bucket {name}", Bucket=name, **options)
    undo.push_async_callback(aws.call, "s3", "delete_bucket", f"the bucket {name}", Bucket=name)


async def _protect(aws: Aws, name: str) -> None:
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    await aws.call(
        "s3", "put_public_access_block", f"the bucket {name}", Bucket=name, PublicAccessBlockConfiguration=closed
    )


async def _let_go(aws: Aws, name: str, prefixes: Iterable[str], days: int) -> None:
    rules = [
        {
            "ID": f"facefleet {prefix or 'all'}",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "Expiration": {"Days": days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},  # of a photo whose writer was killed
        }
        for prefix in prefixes
    ]
    await aws.call(
        "s3",
        "put_bucket_lifecycle_configuration",
        f"the bucket {name}",
        Bucket=name,
        LifecycleConfiguration={"Rules": rules},
    )
