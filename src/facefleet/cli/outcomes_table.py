"""What `facefleet simulate` found, as a table for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facefleet.cli import tables

if TYPE_CHECKING:
    from facefleet.lab.simulate.outcome import Estimate, Outcome

_DEAR = 10.0  # costs below are shown to four decimals
_COLUMNS = ("policy", "p50 s", "p95 s", "p99 s", "late %", "instance-s", "cost", "starts", "stops")


def show(outcomes: Sequence["Outcome"], *, priced: bool) -> None:
    """Print a line a policy; where the terminal is narrow, without the intervals.

    Args:
        outcomes: what each policy did.
        priced: whether it is known what a worker costs.
    """
    whole, means = ([_row(one, priced=priced, interval=interval) for one in outcomes] for interval in (True, False))
    tables.print_table(_COLUMNS, whole, narrow=means)


def _row(outcome: "Outcome", *, priced: bool, interval: bool) -> tuple[str, ...]:
    def shown(value: "Estimate", digits: int) -> str:
        if not interval or not value.plus_minus:
            return f"{value.mean:,.{digits}f}"
        return f"{value.mean:,.{digits}f} ±{value.plus_minus:,.{digits}f}"

    return (
        outcome.policy + (f" ({outcome.unanswered} never begun)" if outcome.unanswered else ""),
        shown(outcome.p50_s, 2),
        shown(outcome.p95_s, 2),
        shown(outcome.p99_s, 2),
        shown(outcome.late_percent, 2),
        shown(outcome.instance_s, 0),
        shown(outcome.cost, 2 if outcome.cost.mean >= _DEAR else 4) if priced else "-",
        shown(outcome.starts, 0),
        shown(outcome.stops, 0),
    )
