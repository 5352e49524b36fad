"""`ObjectStore` over several places: inputs in one bucket, outputs in another, the rest in a third."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from facefleet.errors import NotFound
from facefleet.ports import ObjectStore


class SplitStore:
    """Objects whose key starts with one of the prefixes are elsewhere, and called there by the rest of their key.

    Args:
        rest: where everything else is.
        places: by prefix, `inputs/`.
    """

    def __init__(self, rest: ObjectStore, places: Mapping[str, ObjectStore]) -> None:
        self._rest = rest
        self._places = places

    async def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Write whole or not at all."""
        store, prefix = self._place(key)
        await store.put(key.removeprefix(prefix), data, durable=durable)

    async def get(self, key: str) -> bytes:
        """Read; NotFound if there is none."""
        store, prefix = self._place(key)
        try:
            return await store.get(key.removeprefix(prefix))
        except NotFound as error:
            raise NotFound(f"The store has no {key}; it may be past retention.") from error

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete those that exist, wherever they are."""
        by_place: dict[str, list[str]] = {}
        for key in keys:
            _, prefix = self._place(key)
            by_place.setdefault(prefix, []).append(key.removeprefix(prefix))
        await asyncio.gather(*(self._at(prefix).delete(names) for prefix, names in by_place.items()))

    async def keys(self, prefix: str, *, older_than_s: float = 0.0) -> AsyncIterator[str]:
        """List keys under a prefix last written more than `older_than_s` ago."""
        store, start = self._place(prefix)
        async for key in store.keys(prefix.removeprefix(start), older_than_s=older_than_s):
            yield start + key

    def _place(self, key: str) -> tuple[ObjectStore, str]:
        prefix = next((one for one in self._places if key.startswith(one)), "")
        return self._at(prefix), prefix

    def _at(self, prefix: str) -> ObjectStore:
        return self._places[prefix] if prefix else self._rest
