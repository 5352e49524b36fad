"""Refusing early: a request that cannot be answered in time is better told so at the door.

The expected wait is (waiting + being worked on) x mean service time / most workers, Little's law with the fleet at its
largest, because the controller will grow it that far before anyone has to be refused.
"""

from facefleet.core.jobs import QueueCounts
from facefleet.errors import Overloaded

# Before the first answer: a photo of a phone takes about this long on one slow core.
_PRIOR_SERVICE_S = 0.1
# Weight of the newest second in the moving mean of the service time.
_NEWEST = 0.2


class Admission:
    """Decides whether one more request can be answered within `answer_within_s`."""

    def __init__(self, *, max_workers: int, answer_within_s: float) -> None:
        self._max_workers = max_workers
        self._answer_within_s = answer_within_s
        self._service_s = _PRIOR_SERVICE_S
        self._seen: QueueCounts | None = None

    def observe(self, counts: QueueCounts) -> None:
        """Take in a reading of the queue; call about once a second."""
        before, self._seen = self._seen, counts
        finished = counts.finished_total - before.finished_total if before else 0
        if before and finished > 0:
            service_s = (counts.busy_ms_total - before.busy_ms_total) / finished / 1000
            self._service_s += _NEWEST * (service_s - self._service_s)

    @property
    def expected_wait_s(self) -> float:
        """Seconds that a request accepted now would take, with the fleet at its largest."""
        if self._seen is None:
            return 0.0
        return (self._seen.visible + self._seen.in_flight) * self._service_s / self._max_workers

    def admit(self) -> None:
        """Return if there is room.

        Raises:
            Overloaded: the backlog is longer than what can be answered in time.
        """
        if self.expected_wait_s > self._answer_within_s:
            raise Overloaded(
                f"The queue is about {self.expected_wait_s:.0f} s long and answers are promised within "
                f"{self._answer_within_s:.0f} s; try again later, or send the photo as a job (POST /v1/jobs)."
            )
