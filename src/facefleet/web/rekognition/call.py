"""One call of an operation: who calls, from which region, and what the operations share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Receive

from facefleet.core.calibration import Calibration
from facefleet.core.keys import Grant, Scope
from facefleet.ports import Buckets, Keys, Receipts, Vault
from facefleet.usecases.intake import MakeTask
from facefleet.usecases.search import Searcher
from facefleet.usecases.service import Service
from facefleet.web.connection import while_connected
from facefleet.web.metrics import Metrics
from facefleet.web.rekognition.paging import PagingTokens
from facefleet.web.rekognition.refusals import Refusal

ACCOUNT = "000000000000"

D = TypeVar("D")


@dataclass(frozen=True, kw_only=True, slots=True)
class Backing:
    """What stands behind this interface besides the `Service`; filled by `wiring`.

    Attributes:
        anonymous: whether requests without a signature are answered.
        now_s: Unix time.
    """

    keys: Keys
    vault: Vault
    receipts: Receipts
    buckets: Buckets
    calibration: Calibration
    anonymous: bool
    now_s: Callable[[], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What an operation's function is given, besides the request."""

    service: Service
    metrics: Metrics
    buckets: Buckets
    searcher: Searcher
    tokens: PagingTokens
    grant: Grant
    region: str
    receive: Receive

    def check(self, scope: Scope, collection_id: str | None = None) -> None:
        """Return if the caller may do this.

        Raises:
            Refusal: AccessDeniedException.
        """
        if not self.grant.allows(scope, collection_id):
            where = "" if collection_id is None else f" in collection {collection_id}"
            raise Refusal("AccessDeniedException", f"This access key may not {scope.value}{where}.")

    def arn(self, collection_id: str) -> str:
        """Return a collection's name as tags use it."""
        return f"arn:aws:rekognition:{self.region}:{ACCOUNT}:collection/{collection_id}"

    async def ask(self, photos: list[bytes], make_task: MakeTask, read: Callable[[bytes], D]) -> D:
        """Have a worker look at photos, through the same queue as version 1, and read its answer.

        Args:
            photos: emptied once they are in the store, so that nobody who waits holds a photo.
            make_task: receives the photos' store keys.
            read: takes the worker's document.
        """
        intake = self.service.intake
        job = await intake.accept(photos, make_task, wait_s=self.service.settings.request_timeout_s)
        photos.clear()
        body = await while_connected(self.receive, intake.answer(job))
        self.metrics.observe_answer(body)
        return read(body)


Function = Callable[[Call, Any], Awaitable[dict[str, Any]]]
