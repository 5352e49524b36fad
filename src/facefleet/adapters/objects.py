"""`ObjectStore` through obstore: one adapter for a folder, S3, Google Cloud Storage and Azure."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, ObjectStore, from_url

from facefleet.errors import NotFound, Unavailable, WrongSettings

# Deletions in flight at a time; a folder or a bucket gains nothing from more.
_DELETING = 32
_NO_BUCKET = "NoSuchBucket"
# How obstore calls a file of a folder until it is whole; no key may end in such a name. `a#b#1` is one.
_HALF_WRITTEN = re.compile(r"[^#]*#[0-9]+")
_LONGEST_WRITE_S = 3_600.0
_OURS = frozenset({"inputs", "outputs", "crops", "jobs", "totals", "buckets", "probes", "leader"})


class Objects:
    """Objects below one URL.

    Args:
        url: `file:///folder` (made if it does not exist), `s3://bucket/prefix`, `gs://…`, `az://…`.
        region, kms_key: of an S3 bucket; without a key S3 encrypts with its own.

    Raises:
        WrongSettings: the URL names no store.
        Unavailable: the folder cannot be made.
    """

    def __init__(self, url: str, *, region: str | None = None, kms_key: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.netloc:
            raise WrongSettings(f"{url} names a machine; a folder's URL has three slashes: file:///folder.")
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        if self._folder is None:
            self._store = _bucket(url, region, kms_key)
        else:
            _make(self._folder)
            self._store = LocalStore(self._folder, automatic_cleanup=True)  # a folder goes with its last file

    async def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Write whole or not at all (a folder: temporary file, then rename)."""
        try:
            await obstore.put_async(self._store, key, data)
            if durable and self._folder is not None:
                await asyncio.to_thread(_sync, self._folder, PurePath(key))
        except (BaseError, OSError) as error:
            raise Unavailable(f"The store did not take {key}: {_reason(error, 'PutObject')}") from error

    async def create(self, key: str, data: bytes) -> bool:
        """Write where there is nothing yet; return whether there was nothing (S3: `If-None-Match: *`)."""
        try:
            await obstore.put_async(self._store, key, data, mode="create")
        except (AlreadyExistsError, FileExistsError):
            return False
        except (BaseError, OSError) as error:
            raise Unavailable(f"The store did not take {key}: {_reason(error, 'PutObject')}") from error
        return True

    async def version(self, key: str) -> str | None:
        """Return what changes whenever an object is written; None if there is none."""
        try:
            return (await obstore.head_async(self._store, key))["e_tag"]
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise Unavailable(f"The store did not show {key}: {_reason(error, 'GetObject')}") from error

    async def replace(self, key: str, data: bytes, *, version: str) -> str | None:
        """Write over a version; return the new one, None if there is another by now (S3: `If-Match`)."""
        try:
            return (await obstore.put_async(self._store, key, data, mode={"e_tag": version}))["e_tag"]
        except (PreconditionError, NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise Unavailable(f"The store did not take {key}: {_reason(error, 'PutObject')}") from error

    async def get(self, key: str) -> bytes:
        """Read; NotFound if there is none."""
        try:
            found = await obstore.get_async(self._store, key)
            # A folder's file is open by now, and copying it from memory takes less than another thread's turn.
            return bytes(found.bytes() if self._folder is not None else await found.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            if _NO_BUCKET in str(error):
                raise Unavailable(f"The store did not give {key}: {_reason(error, 'GetObject')}") from error
            raise NotFound(f"The store has no {key}; it may be past retention.") from error
        except (BaseError, OSError) as error:
            raise Unavailable(f"The store did not give {key}: {_reason(error, 'GetObject')}") from error

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete those that exist."""
        for start in range(0, len(keys), _DELETING):
            await asyncio.gather(*(self._delete(key) for key in keys[start : start + _DELETING]))

    async def _delete(self, key: str) -> None:
        try:
            await obstore.delete_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise Unavailable(f"The store did not delete {key}: {_reason(error, 'DeleteObject')}") from error

    async def keys(self, prefix: str, *, older_than_s: float = 0.0) -> AsyncIterator[str]:
        """List keys under a prefix last written more than `older_than_s` ago.

        What a writer that was killed left there in a folder goes: it has no key, so nobody else could delete it.
        """
        before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        try:
            listing = obstore.list(self._store, prefix)
        except ValueError:
            return  # `crops/../`: no key begins like that
        try:
            if self._folder is not None:
                await asyncio.to_thread(_sweep, self._folder / prefix)
            async for chunk in listing:
                for meta in chunk:
                    if older_than_s <= 0 or meta["last_modified"] < before:
                        yield meta["path"]
        except (BaseError, OSError) as error:
            raise Unavailable(f"The store did not list {prefix}: {_reason(error, 'ListBucket')}") from error


def _reason(error: Exception, operation: str) -> str:
    """Return why, in one line; the rest is XML and the driver's own state."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return f"the permission for it is missing (on S3: s3:{operation}), or the credentials are no longer good."
    if _NO_BUCKET in str(error):
        return "there is no such bucket in this region."
    return str(error).split("<?xml", 1)[0].split("\n", 1)[0].rstrip(" :")


def _make(folder: Path) -> None:
    """Make a folder for the owner's eyes alone, since photos are biometric data; close one that others can read.

    One that holds more than a store does, such as `/srv` itself, is somebody else's too and keeps its mode.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.stat()
        ours = status.st_uid == os.geteuid() and {entry.name for entry in folder.iterdir()} <= _OURS
        if ours and status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be written: {error.strerror}. Choose another folder with --data or --store-url."
        ) from error


def _bucket(url: str, region: str | None, kms_key: str | None) -> ObjectStore:
    if not url.startswith("s3:"):
        try:
            return from_url(url)
        except (BaseError, ValueError) as error:
            raise WrongSettings(
                f"{url[:80]!r} is no store; write file:///FOLDER, s3://BUCKET, gs://BUCKET or az://CONTAINER."
            ) from error
    from facefleet.adapters.s3_store import open_bucket  # noqa: PLC0415 boto3 is there only where AWS is used

    return open_bucket(url, region=region, kms_key=kms_key)


def _sweep(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in filter(_HALF_WRITTEN.fullmatch, names):
            with suppress(FileNotFoundError):  # it is whole by now, or another process was faster
                file = Path(place, name)
                if time.time() - file.stat().st_mtime > _LONGEST_WRITE_S:
                    file.unlink()


def _sync(folder: Path, key: PurePath) -> None:
    """Flush a file and the folders it is in to disk; a power cut undoes the rename, or a new folder, without these."""
    for target in (key, *key.parents):
        descriptor = os.open(folder / target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
