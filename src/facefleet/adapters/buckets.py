"""`Buckets` through obstore: folders of the configured store, then real S3.

A bucket `B` is the folder `buckets/B/` of the store, beside `inputs/` and `crops/`, so that no name reaches the photos
of other clients. S3 is asked only for buckets that the settings list: the service's credentials may open more than its
clients should see (the confused deputy).
"""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, ObjectStore, from_url

from facefleet.errors import ImageTooLarge, NotFound, Unavailable

_FOLDER = "buckets"
_ANY = "*"
# obstore refuses a path with `..`, empty parts or control characters by ValueError, so that no name leads elsewhere.
_NOT_THERE = (NotFoundError, PermissionDeniedError, UnauthenticatedError, FileNotFoundError, ValueError)


class ObjectBuckets:
    """Objects of other people's making, read only.

    Args:
        store_url: the service's own store.
        s3: names of the S3 buckets that clients may name; `*` is any.
        region: theirs; None asks the AWS profile.
    """

    def __init__(self, store_url: str, *, s3: Iterable[str] = (), region: str | None = None) -> None:
        self._region = region
        self._store = self._folder(store_url)
        self._s3_names = frozenset(s3)
        self._s3: dict[str, ObjectStore] = {}

    async def read(self, bucket: str, name: str, *, version: str | None, max_bytes: int) -> bytes:
        """Return an object, whole; a version is asked of S3 only."""
        if version is None:
            try:
                return await _read(self._store, f"{bucket}/{name}", None, max_bytes)
            except NotFound:
                if not self._is_s3(bucket):
                    raise
        elif not self._is_s3(bucket):
            raise NotFound("Only buckets of S3 keep versions.")
        if bucket not in self._s3:
            self._s3[bucket] = self._open(f"s3://{bucket}")
        return await _read(self._s3[bucket], name, version, max_bytes)

    def _is_s3(self, bucket: str) -> bool:
        return bucket in self._s3_names or _ANY in self._s3_names

    def _folder(self, store_url: str) -> ObjectStore:
        parts = urlsplit(store_url)
        if parts.scheme == "file":
            folder = Path(unquote(parts.path)) / _FOLDER
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return LocalStore(folder)
        url = f"{store_url.rstrip('/')}/{_FOLDER}"
        return self._open(url) if parts.scheme == "s3" else from_url(url)

    def _open(self, url: str) -> ObjectStore:
        from facefleet.adapters.s3_store import open_bucket  # noqa: PLC0415 boto3 is there only where AWS is used

        return open_bucket(url, region=self._region, kms_key=None)


async def _read(store: ObjectStore, key: str, version: str | None, max_bytes: int) -> bytes:
    try:
        found = await obstore.get_async(store, key, options={"version": version} if version else None)
        if found.meta["size"] > max_bytes:
            raise ImageTooLarge(f"The object has {found.meta['size']:,} bytes; at most {max_bytes:,} are read.")
        return bytes(await found.bytes_async())
    except _NOT_THERE as error:
        raise NotFound("There is no object of that name, or the service may not read it.") from error
    except (BaseError, OSError) as error:
        if isinstance(store, LocalStore):  # a name that no file can have
            raise NotFound("There is no object of that name.") from error
        raise Unavailable(f"The bucket did not give the object: {type(error).__name__}.") from error
