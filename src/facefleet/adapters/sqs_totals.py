"""What all nodes have sent and heard of, for a controller that sends nothing itself.

SQS counts nothing over time. Each node that sends jobs leaves its own totals in the store now and then, and whoever
counts adds them up, a few seconds late. A node's totals only grow, so what was read of it once is kept when its object
has expired.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from facefleet.adapters.objects import Objects
from facefleet.errors import NotFound, Unavailable

_TOTALS = "jobs/totals/"
_EVERY_S = 5.0
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

    async def add(self, mine: Totals) -> Totals:
        """Return the sum over all nodes, this one included; leave its totals for the others."""
        now_s = self._now_s()
        if now_s - self._looked_s >= _EVERY_S:
            self._looked_s = now_s
            with suppress(Unavailable):  # then the last ones stand
                await self._leave(mine)
                await self._look()
        nodes = [mine, *self._others.values()]
        fresh = [one.oldest_s for one in nodes if one.oldest_s is not None and now_s - one.at_s < _STALE_S]
        return Totals(
            enqueued=sum(one.enqueued for one in nodes),
            finished=sum(one.finished for one in nodes),
            busy_ms=sum(one.busy_ms for one in nodes),
            oldest_s=min(fresh, default=None),
            at_s=now_s,
        )

    async def _leave(self, mine: Totals) -> None:
        if mine.enqueued and (mine.enqueued, mine.finished) != (self._left.enqueued, self._left.finished):
            await self._store.put(_TOTALS + self._node, json.dumps(asdict(mine)).encode())
            self._left = mine

    async def _look(self) -> None:
        async for key in self._store.keys(_TOTALS):
            node = key.removeprefix(_TOTALS)
            if node != self._node:
                with suppress(NotFound):
                    self._others[node] = Totals(**json.loads(await self._store.get(key)))
