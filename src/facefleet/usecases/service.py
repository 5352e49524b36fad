"""Everything the web room needs, in one value that `wiring` fills."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from facefleet.config import Settings
from facefleet.ports import Gallery, ObjectStore, Queue, Roster
from facefleet.usecases.admission import Admission
from facefleet.usecases.intake import Intake


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """The ports and use cases behind the HTTP interfaces.

    Attributes:
        model_id: the model whose templates new collections hold.
        now_s: Unix time.
    """

    settings: Settings
    queue: Queue
    store: ObjectStore
    gallery: Gallery
    roster: Roster
    intake: Intake
    admission: Admission
    model_id: str
    now_s: Callable[[], float] = time.time
