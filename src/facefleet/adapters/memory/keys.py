"""`Keys` and `Receipts` in memory: the reference of their contracts."""

from collections.abc import Callable, Sequence

from facefleet.core.keys import AccessKey
from facefleet.errors import AlreadyExists, NotFound


class MemoryKeys:
    """Access keys in a dictionary."""

    def __init__(self) -> None:
        self._keys: dict[str, AccessKey] = {}

    async def add(self, key: AccessKey) -> None:
        """Keep a new key."""
        if key.access_key_id in self._keys:
            raise AlreadyExists(f"There is an access key {key.access_key_id} already.")
        self._keys[key.access_key_id] = key

    async def key(self, access_key_id: str) -> AccessKey:
        """Return one key."""
        try:
            return self._keys[access_key_id]
        except KeyError:
            raise NotFound(f"There is no access key {access_key_id}.") from None

    async def keys(self) -> Sequence[AccessKey]:
        """List all keys, oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_s, key.access_key_id))

    async def revoke(self, access_key_id: str) -> None:
        """Delete a key."""
        await self.key(access_key_id)
        del self._keys[access_key_id]


class MemoryReceipts:
    """Answers by token, in a dictionary; those past their time go when another comes.

    Args:
        clock: seconds, monotonic or Unix.
    """

    def __init__(self, *, keep_s: float, clock: Callable[[], float]) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._receipts: dict[str, tuple[float, str, bytes]] = {}

    async def find(self, token: str) -> tuple[str, bytes] | None:
        """Return the request's digest and its answer."""
        found = self._receipts.get(token)
        if found is None or found[0] <= self._clock():
            return None
        return found[1], found[2]

    async def keep(self, token: str, digest: str, answer: bytes) -> None:
        """Keep the answer, unless the token has one."""
        now_s = self._clock()
        self._receipts = {name: receipt for name, receipt in self._receipts.items() if receipt[0] > now_s}
        self._receipts.setdefault(token, (now_s + self._keep_s, digest, answer))
