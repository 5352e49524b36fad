"""Recorded workloads: a trace, or the service's own history."""

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facefleet.errors import InvalidInput
from facefleet.lab.simulate.workload import Seconds, Workload

_MOST_REQUESTS = 50_000_000
_DIP = 0.5  # of a total; one that is smaller has begun anew, ...
_LAG = 2  # ... as has one that is not made up for within so many looks, ...
_MILLISECONDS = 1e11  # more than these are no seconds since 1970
_LOST = 0.99  # ... unless next to nothing is missing: a node that was killed takes its last seconds along


def from_csv(path: Path) -> Workload:
    """Read a trace: the first column is when a request arrived, as a date and time or as seconds.

    A first line that is neither, nor any number, is taken for the heading. Dates without a zone are UTC.

    Raises:
        InvalidInput: the file cannot be read, has no arrival, or a line has no timestamp (the detail says which).
    """
    times: list[float] = []
    dated, heading = False, False
    for number, line in enumerate(lines_of(path), start=1):
        if not line.strip():
            continue
        stamp = line.split(",", 1)[0].strip().strip('"')
        try:
            time_s, date = _timestamp(stamp)
        except ValueError as error:
            if times or heading or _is_number(stamp):
                raise InvalidInput(
                    f"Line {number} of {path} begins with {stamp[:40]!r}. {_no_timestamp(stamp)}"
                ) from error
            heading = True
            continue
        if times and date != dated:
            kinds = ("a date", "plain seconds") if date else ("plain seconds", "a date")
            raise InvalidInput(
                f"Line {number} of {path} begins with {kinds[0]}, those before with {kinds[1]}; use one."
            )
        if time_s >= _MILLISECONDS:
            raise InvalidInput(
                f"Line {number} of {path} begins with {stamp!r}: that many seconds? Write no milliseconds."
            )
        dated = date
        times.append(time_s)
    return _recorded(path, np.array(times))


def from_history(path: Path, lines: Sequence[str] | None = None) -> Workload:
    """Read arrivals from the service's own history, or from its lines: JSON of either form, oldest first.

    `{"arrived_s": 12.5}` is one request. `{"at_s": 10.0, "seen": {"enqueued_total": 40}}` is a decision as the
    controller records it; the requests enqueued between two of them are spread evenly over the time between. It lasts
    from the first line to the last, with the silence at both ends. Of a clock that was ahead what is later than the
    last line does not count; where it was set back by less, time goes on from where it was.

    Raises:
        InvalidInput: the file cannot be read, has no arrival or too many, or a line has neither form (the detail says
            which).
    """
    times: list[float] = []
    readings: list[_Reading] = []
    for number, line in enumerate(lines_of(path) if lines is None else lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if "arrived_s" in record:
                times.append(_finite(float(record["arrived_s"])))
                continue
            total = _finite(float(record["seen"]["enqueued_total"]), least=0.0)
            readings.append(_Reading(number, _finite(float(record["at_s"])), total))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidInput(
                f'Line {number} of {path} has neither "arrived_s" nor "at_s" with "seen": {{"enqueued_total"}}.'
            ) from error
    span = _in_order(readings)
    if len(readings) > len(span) == 1 and not times:
        raise InvalidInput(
            f"{path} ends with a time before all others: was a clock wrong? Cut what is of another time."
        )
    for before, now in pairwise(_growing(span)):
        came = now.total - before.total
        if len(times) + came > _MOST_REQUESTS:
            raise InvalidInput(
                f"Line {now.line} of {path} makes it {len(times) + came:,.3g} requests, and no more than "
                f"{_MOST_REQUESTS:,} are simulated: cut the history."
            )
        times.extend(np.linspace(before.at_s, now.at_s, int(came), endpoint=False))
    return _recorded(path, np.array(times), span=[reading.at_s for reading in span])


class Measured(NamedTuple):
    """What a history says of its fleet, as `durations` reads it; None where it does not say."""

    service: str | None = None
    boot: str | None = None


def measured(lines: Sequence[str]) -> Measured:
    """Return the work of a request, exponential of the mean that was measured, and the boot expected at last."""
    for line in reversed(lines):
        try:
            seen = json.loads(line)["seen"]
            names = ("finished_total", "busy_ms_total", "boot_s")
            finished, busy_ms, boot_s = (_finite(float(seen[name])) for name in names)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
        service = f"exp:{busy_ms / finished / 1000:.3g}" if finished > 0 < busy_ms else None
        return Measured(service=service, boot=f"{boot_s:.3g}" if boot_s > 0 else None)
    return Measured()


class _Reading(NamedTuple):
    """What the controller saw at a time, and the line that says so."""

    line: int
    at_s: float
    total: float


def _in_order(readings: Sequence[_Reading]) -> list[_Reading]:
    """Return the readings at times that only grow."""
    kept: list[_Reading] = []
    set_back_s = 0.0
    for reading in readings:
        if reading.at_s > readings[-1].at_s:
            continue
        if kept and reading.at_s + set_back_s < kept[-1].at_s:
            set_back_s = kept[-1].at_s - reading.at_s
        kept.append(reading._replace(at_s=reading.at_s + set_back_s))
    return kept


def _growing(readings: Sequence[_Reading]) -> Iterator[_Reading]:
    """Yield the readings with the total of all that ever came, where counts lag or begin anew."""
    most = earlier = 0.0  # of this beginning, and of those before
    for number, reading in enumerate(readings):
        soon = readings[number + 1 : number + 1 + _LAG]
        made_up_for = len(soon) < _LAG or max(one.total for one in soon) >= most
        lags = reading.total >= _LOST * most or (reading.total >= _DIP * most and made_up_for)
        if reading.total < most and not lags:
            earlier, most = earlier + most, 0.0
        most = max(most, reading.total)
        yield reading._replace(total=earlier + most)


def lines_of(path: Path) -> list[str]:
    """Read the lines of a recording; of a pipe that can be done once.

    Raises:
        InvalidInput: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidInput(f"Cannot read {path}: {why}.") from error


def _timestamp(text: str) -> tuple[float, bool]:
    """Return seconds, and if it is a date; fractions finer than a microsecond are cut off: `datetime` reads none."""
    try:
        return _finite(float(text)), False
    except ValueError:
        whole, dot, fraction = text.partition(".")
        digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
        date = datetime.fromisoformat(whole + dot + digits[:6] + fraction[len(digits) :])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp(), True


def _no_timestamp(text: str) -> str:
    """Say what is wrong with what is no time, and what would be one."""
    if text.startswith("{"):
        return "A history is read with --from-history."
    return "A time is seconds (12.5) or a date and time (2026-01-05 10:00:00); it ends at a comma."


def _is_number(text: str) -> bool:
    """Return whether this is a number, be it none that a clock shows, such as nan."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _finite(value: float, *, least: float = -math.inf) -> float:
    if not math.isfinite(value) or value < least:
        raise ValueError(value)
    return value


def _recorded(path: Path, times_s: Seconds, *, span: Sequence[float] = ()) -> Workload:
    if not times_s.size:
        raise InvalidInput(f"{path} holds no arrivals.")
    begin_s, end_s = min([times_s.min(), *span[:1]]), max([times_s.max() + 1.0, *span[-1:]])
    return Workload(name=path.stem, arrivals_s=np.sort(times_s - begin_s), duration_s=float(end_s - begin_s))
