"""What an installation on AWS costs, from prices that are an input (`deploy/aws/prices.toml`).

Left out: taxes, discounts, free tiers, data sent to the internet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from facefleet.errors import NotFound

HOURS_PER_MONTH = 730.0
# As deploy/aws/facefleet.yaml makes them.
_DISK_GB = 10
_DATABASE_GB = 20
_SECRETS = 2
_ALARMS = 3
# Requests to SQS of a web instance and its controller with no work, as benchmarks/aws_calls.py counts them.
_LOOKS_PER_HOUR = 20_500


@dataclass(frozen=True, kw_only=True, slots=True)
class HourlyCost:
    """US dollars an hour.

    Attributes:
        idle: of what always runs: web instance, database, address, disk, secrets, alarms, looking at the queues.
        worker: more for each running worker.
        stopped_worker: more for each stopped one: its disk.
        full: with all workers running.
    """

    idle: float
    worker: float
    stopped_worker: float
    full: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoTraffic:
    """Calls to AWS's services that one photo causes, and how long and how large its photo is kept.

    Attributes:
        queue_requests: to SQS.
        bucket_writes, bucket_reads: to S3.
        kept_mb, kept_days: of photo and answer.
    """

    queue_requests: float
    bucket_writes: float
    bucket_reads: float
    kept_mb: float
    kept_days: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotosCost:
    """US dollars for a number of photos, by what they are paid for."""

    computing: float
    queue: float
    bucket_calls: float
    storage: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.computing + self.queue + self.bucket_calls + self.storage


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """The prices of a region on a day."""

    region: str
    as_of: date
    instances: Mapping[str, float]
    databases: Mapping[str, float]
    other: Mapping[str, float]

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read what `prices.toml` holds."""
        return cls(
            region=document["region"],
            as_of=document["as_of"],
            instances=document["instances"],
            databases=document["databases"],
            other=document["other"],
        )

    def hourly(self, *, web: str, worker: str, database: str | None, max_workers: int) -> HourlyCost:
        """Return what a stack costs.

        Args:
            web, worker: instance types.
            database: class of the stack's own database; None if it uses another's.
            max_workers: most that run.

        Raises:
            NotFound: a price is not known.
        """
        disk = _DISK_GB * self.other["disk_per_gb_month"] / HOURS_PER_MONTH
        address = self.other["address_per_hour"]
        idle = _priced(self.instances, web) + disk + address + _ALARMS * self._monthly("alarm_per_month")
        idle += _LOOKS_PER_HOUR * self.other["queue_request"]
        if database is not None:
            idle += _priced(self.databases, database) + _DATABASE_GB * self._monthly("database_per_gb_month")
            idle += _SECRETS * self._monthly("secret_per_month")
        running = _priced(self.instances, worker) + disk + address
        return HourlyCost(idle=idle, worker=running, stopped_worker=disk, full=idle + max_workers * running)

    def photos(self, count: int, *, worker: str, core_ms: float, busy: float, traffic: PhotoTraffic) -> PhotosCost:
        """Return what photos cost beyond what always runs.

        Args:
            count: photos.
            worker: instance type of the workers.
            core_ms: what one core needs for one photo, taken as the same on every type; a worker uses one core.
            busy: share of a running worker's time in which it works.
            traffic: what a photo causes.

        Raises:
            NotFound: the type's price is not known.
        """
        hours = count * core_ms / busy / 3_600_000
        kept_gb_months = count * traffic.kept_mb / 1000 * traffic.kept_days * 24 / HOURS_PER_MONTH
        return PhotosCost(
            computing=hours * (_priced(self.instances, worker) + self.other["address_per_hour"]),
            queue=count * traffic.queue_requests * self.other["queue_request"],
            bucket_calls=count
            * (traffic.bucket_writes * self.other["bucket_write"] + traffic.bucket_reads * self.other["bucket_read"]),
            storage=kept_gb_months * self.other["bucket_gb_month"],
        )

    def managed(self, count: int) -> float:
        """Return what a managed face API would ask for the photos, at its published price."""
        return count * self.other["managed_image"]

    def _monthly(self, name: str) -> float:
        return self.other[name] / HOURS_PER_MONTH


def _priced(prices: Mapping[str, float], name: str) -> float:
    if name not in prices:
        raise NotFound(f"There is no price of {name} in the list of prices; it has {', '.join(sorted(prices))}.")
    return prices[name]
