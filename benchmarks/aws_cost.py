"""What photos cost on AWS, as a table: computing, queue, buckets, beside a managed face API.

    python benchmarks/aws_cost.py --core-ms 40
    python benchmarks/aws_cost.py --core-ms 40 --prices mine.toml --types c7i.large,c8g.medium --busy 0.3

`--core-ms` is the processor time of one photo as `benchmarks/engine.py` measures it where it runs: an assumption on
every other processor. Prices are an input (`deploy/aws/prices.toml`), and so is what a photo causes in calls
(`benchmarks/aws_calls.py` counts them).
"""

import argparse
import tomllib
from pathlib import Path

from facefleet.core.aws_costs import PhotoTraffic, Prices

PRICES = Path(__file__).parents[1] / "deploy" / "aws" / "prices.toml"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core-ms", type=float, required=True, help="processor time of one photo, ms")
    parser.add_argument("--prices", type=Path, default=PRICES, help="list of prices [%(default)s]")
    parser.add_argument("--types", default="c7a.medium,c7i.large,c7g.medium", help="instance types [%(default)s]")
    parser.add_argument("--photos", type=int, default=1_000_000, help="how many [%(default)s]")
    parser.add_argument("--busy", type=float, default=0.5, help="share of a worker's paid time at work [%(default)s]")
    parser.add_argument("--queue-requests", type=float, default=8.7, help="to SQS, a photo [%(default)s]")
    parser.add_argument("--writes", type=float, default=3, help="to S3, a photo [%(default)s]")
    parser.add_argument("--reads", type=float, default=2, help="from S3, a photo [%(default)s]")
    parser.add_argument("--kept-mb", type=float, default=0.2, help="of photo and answer [%(default)s]")
    parser.add_argument("--kept-days", type=float, default=7, help="that they are kept [%(default)s]")
    return parser.parse_args()


def main():
    given = parse()
    prices = Prices.from_dict(tomllib.loads(given.prices.read_text()))
    traffic = PhotoTraffic(
        queue_requests=given.queue_requests,
        bucket_writes=given.writes,
        bucket_reads=given.reads,
        kept_mb=given.kept_mb,
        kept_days=given.kept_days,
    )
    print(
        f"{given.photos:,} photos of {given.core_ms:g} ms, workers at work {given.busy:.0%} of the time they are paid."
    )
    print(f"US dollars, {prices.region}, prices of {prices.as_of}; web instance and database by the hour on top.\n")
    print("| workers | an hour each | computing | SQS | S3 calls | S3 storage | sum | managed API |")
    print("|---|---|---|---|---|---|---|---|")
    managed = prices.managed(given.photos)
    for worker in given.types.split(","):
        cost = prices.photos(given.photos, worker=worker, core_ms=given.core_ms, busy=given.busy, traffic=traffic)
        parts = (cost.computing, cost.queue, cost.bucket_calls, cost.storage, cost.total, managed)
        hourly = f"{prices.instances[worker]:.4f}"
        print(f"| {worker} | {hourly} | " + " | ".join(f"{part:,.2f}" for part in parts) + " |")


if __name__ == "__main__":
    main()
