"""`Keys` and `Receipts` in PostgreSQL."""

from collections.abc import Sequence
from typing import Any, Final

from facefleet.adapters.postgres import Database
from facefleet.core.keys import AccessKey, Grant, Scope
from facefleet.errors import AlreadyExists, NotFound

_ALL: Final = "SELECT access_key_id, scope, collections, created_s, sealed_secret FROM access_keys"


class PostgresKeys:
    """Access keys in a table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: AccessKey) -> None:
        """Keep a new key."""
        collections = None if key.grant.collections is None else sorted(key.grant.collections)
        added = await self._database.run(
            "INSERT INTO access_keys (access_key_id, scope, collections, created_s, sealed_secret)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
            [key.access_key_id, key.grant.scope.value, collections, key.created_s, key.sealed_secret],
        )
        if not added:
            raise AlreadyExists(f"There is an access key {key.access_key_id} already.")

    async def key(self, access_key_id: str) -> AccessKey:
        """Return one key."""
        rows = await self._database.run(_ALL + " WHERE access_key_id = %s", [access_key_id])
        if not rows:
            raise NotFound(f"There is no access key {access_key_id}.")
        return _key(rows[0])

    async def keys(self) -> Sequence[AccessKey]:
        """List all keys, oldest first."""
        rows = await self._database.run(_ALL + " ORDER BY created_s, access_key_id")
        return [_key(row) for row in rows]

    async def revoke(self, access_key_id: str) -> None:
        """Delete a key."""
        gone = await self._database.run("DELETE FROM access_keys WHERE access_key_id = %s RETURNING 1", [access_key_id])
        if not gone:
            raise NotFound(f"There is no access key {access_key_id}.")


class PostgresReceipts:
    """Answers by token in a table; those past their time go when another comes."""

    def __init__(self, database: Database, *, keep_s: float) -> None:
        self._database = database
        self._keep_s = keep_s

    async def find(self, token: str) -> tuple[str, bytes] | None:
        """Return the request's digest and its answer."""
        rows = await self._database.run(
            "SELECT digest, answer FROM receipts WHERE token = %s AND expires_at > clock_timestamp()", [token]
        )
        return (rows[0][0], bytes(rows[0][1])) if rows else None

    async def keep(self, token: str, digest: str, answer: bytes) -> None:
        """Keep the answer, unless the token has one."""
        await self._database.run(
            "WITH expired AS (DELETE FROM receipts WHERE expires_at <= clock_timestamp() AND token <> %(token)s)"
            " INSERT INTO receipts (token, digest, answer, expires_at)"
            " VALUES (%(token)s, %(digest)s, %(answer)s, clock_timestamp() + make_interval(secs => %(keep_s)s))"
            " ON CONFLICT (token) DO UPDATE SET digest = EXCLUDED.digest, answer = EXCLUDED.answer,"
            " expires_at = EXCLUDED.expires_at WHERE receipts.expires_at <= clock_timestamp()",
            {"token": token, "digest": digest, "answer": answer, "keep_s": self._keep_s},
        )


def _key(row: Sequence[Any]) -> AccessKey:
    access_key_id, scope, collections, created_s, sealed_secret = row
    return AccessKey(
        access_key_id=access_key_id,
        grant=Grant(scope=Scope(scope), collections=None if collections is None else frozenset(collections)),
        created_s=created_s,
        sealed_secret=bytes(sealed_secret),
    )
