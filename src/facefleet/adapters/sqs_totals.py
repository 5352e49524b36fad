"""What all nodes have sent and heard of, for a controller that sends nothing itself.

SQS counts nothing over time. Each node that sends jobs leaves its own totals in the store now and then, and whoever
counts adds them up, a few seconds late. Such an object expires like all that has to do with jobs; a node that lives
leaves it again before that, one that ends writes it down where nothing expires, and whoever is there does so for one
that was killed. So totals fall only where a node was killed and no other was there for days.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from facefleet.adapters.objects import Objects
from facefleet.errors import NotFound, Unavailable

_TOTALS = "jobs/totals/"
_ENDED = "totals/ended"  # node -> its last totals, of those that are gone
_EVERY_S = 5.0
# A day after it was last left an object may expire. So a node leaves it anew after some hours though nothing changed;
# one whose totals are older is gone, and written down by whoever looks.
_AGAIN_S = 3 * 3600.0
_GONE_S = 6 * 3600.0
_WRITTEN_DOWN_EVERY_S = 3600.0
# A node that has left its totals this long ago says nothing of what waits now.
_STALE_S = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What a node has sent and heard of.

    Attributes:
        oldest_s: Unix time of sending of its oldest job without an end; None if there is none.
        at_s: Unix time of this.
    """

    enqueued: int = 0
    finished: int = 0
    busy_ms: float = 0.0
    oldest_s: float | None = None
    at_s: float = 0.0


class SharedTotals:
    """The totals of all nodes.

    Args:
        node: this process's id.
        now_s: Unix time.
    """

    def __init__(self, store: Objects, *, node: str, now_s: Callable[[], float]) -> None:
        self._store = store
        self._node = node
        self._now_s = now_s
        self._others: dict[str, Totals] = {}
        self._left = Totals()
        self._looked_s = 0.0
        self._written_s = 0.0
        self._complete = False

    async def add(self, mine: Totals) -> Totals:
        """Return the sum over all nodes, this one included; leave its totals for the others.

        Raises:
            Unavailable: the store is away, and was not read yet: a part of the sum would be taken for all of it.
        """
        now_s = self._now_s()
        if now_s - self._looked_s >= _EVERY_S or not self._complete:
            self._looked_s = now_s
            try:
                await self._leave(mine)
                await self._look()
                await self._write_down(now_s)
                self._complete = True
            except Unavailable:
                if not self._complete:
                    raise  # later, the last ones stand
        nodes = [mine, *self._others.values()]
        fresh = [one.oldest_s for one in nodes if one.oldest_s is not None and now_s - one.at_s < _STALE_S]
        return Totals(
            enqueued=sum(one.enqueued for one in nodes),
            finished=sum(one.finished for one in nodes),
            busy_ms=sum(one.busy_ms for one in nodes),
            oldest_s=min(fresh, default=None),
            at_s=now_s,
        )

    async def end(self, mine: Totals) -> None:
        """Write down what this node leaves, which ends; if the store is away, others do that from what it left last."""
        if mine.enqueued or mine.finished:
            with suppress(Unavailable):
                await self._leave(mine)
                await self._keep(await self._kept() | {self._node: mine})

    async def _leave(self, mine: Totals) -> None:
        same = (mine.enqueued, mine.finished) == (self._left.enqueued, self._left.finished)
        some = mine.enqueued or mine.finished
        # Where jobs wait and nothing changes, others still hear how old they are.
        if some and not (same and mine.oldest_s is None and mine.at_s - self._left.at_s < _AGAIN_S):
            await self._store.put(_TOTALS + self._node, json.dumps(asdict(mine)).encode())
            self._left = mine

    async def _look(self) -> None:
        async for key in self._store.keys(_TOTALS):
            node = key.removeprefix(_TOTALS)
            if node != self._node:
                with suppress(NotFound):
                    self._others[node] = Totals(**json.loads(await self._store.get(key)))

    async def _write_down(self, now_s: float) -> None:
        """Keep what is known of nodes that are gone, and read what others kept.

        Of two that write at once one may forget what the other knew; it is written again within the hour, long before
        the objects it came from expire.
        """
        if now_s - self._written_s < _WRITTEN_DOWN_EVERY_S:
            return
        kept = await self._kept()
        self._others = {node: one for node, one in kept.items() if node != self._node} | self._others
        gone = kept | {node: one for node, one in self._others.items() if now_s - one.at_s > _GONE_S}
        if gone != kept:
            await self._keep(gone)
        self._written_s = now_s

    async def _kept(self) -> dict[str, Totals]:
        try:
            found = json.loads(await self._store.get(_ENDED))
        except NotFound:
            return {}
        return {node: Totals(**one) for node, one in found.items()}

    async def _keep(self, ended: Mapping[str, Totals]) -> None:
        await self._store.put(_ENDED, json.dumps({node: asdict(one) for node, one in ended.items()}).encode())
