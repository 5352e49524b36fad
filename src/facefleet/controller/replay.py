"""What a controller knows that begins to lead: the history, shown to its rule again.

A rule learns the day and the week from what it is shown. Nothing of that is kept but the history itself, from which any
rule learns what it would have learned had it been there. The time it takes is bounded: of days past one reading a
minute is enough.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from facefleet.core.fleet import Bounds, Learner, Observation, Policy, Worker, WorkerState
from facefleet.ports import Recorded, Roster

_LONGEST_S = 15 * 86_400.0  # two weeks, which a week needs to prove itself, and a day
_LATELY_S = 86_400.0  # every reading is shown this far back ...
_SPACING_S = 60.0  # ... and before that one in this time
_SILENCE_S = 300.0  # the journal keeps one reading an hour of it; shown is one in this time
_AT_ONCE_S = 1.0  # after the last reading of work nothing came any more
_TURN = 20  # readings between two turns of everybody else


async def memory_of_history(roster: Roster, policy: Policy[Any], bounds: Bounds, *, now_s: float, unix_s: float) -> Any:
    """Return the rule's memory after all that the history holds of the last two weeks.

    Args:
        now_s, unix_s: the policy's time and Unix time, of the same instant.
    """
    memory, shown = policy.begin(), 0
    async for seen in _looks(roster, now_s=now_s, unix_s=unix_s):
        memory = _after(seen, policy, bounds, memory)
        shown += 1
        if shown % _TURN == 0:
            await asyncio.sleep(0)
    return memory


def _after(seen: Observation, policy: Policy[Any], bounds: Bounds, memory: Any) -> Any:
    if isinstance(policy, Learner):
        return policy.learn(seen, bounds, memory)
    return policy.decide(seen, bounds, memory)[1]


async def _looks(roster: Roster, *, now_s: float, unix_s: float) -> AsyncIterator[Observation]:
    """Yield what was seen, with the end of each stretch of work and with more of each silence than was recorded."""
    before: Recorded | None = None
    skipped: Recorded | None = None
    async for record in roster.history(since_s=unix_s - _LONGEST_S):
        if record[0] > unix_s:  # the clock was ahead then; what is right came after it
            continue
        if before is not None and record[0] - before[0] < _spacing_s(unix_s - record[0]):
            skipped = record
            continue
        for one in (skipped, record) if skipped is not None and _silent(skipped, record) else (record,):
            for seen in _since(before, one, now_s - unix_s):
                yield seen
            before = one
        skipped = None


def _spacing_s(age_s: float) -> float:
    return _SPACING_S if age_s > _LATELY_S else 0.0


def _silent(before: Recorded, record: Recorded) -> bool:
    return before[2].get("enqueued_total") == record[2].get("enqueued_total")


def _since(before: Recorded | None, record: Recorded, offset_s: float) -> Iterator[Observation]:
    """Yield a record, and if nothing came since the one before, that one again and again until then."""
    if before is not None and _silent(before, record):
        quiet_s = before[0] + _AT_ONCE_S
        while quiet_s < record[0]:
            yield _seen(quiet_s + offset_s, before[2])
            quiet_s += _SILENCE_S
    yield _seen(record[0] + offset_s, record[2])


def _seen(now_s: float, numbers: Mapping[str, float]) -> Observation:
    in_flight = int(numbers.get("in_flight", 0))
    running = tuple(
        Worker(
            worker_id=f"running{number}",
            state=WorkerState.RUNNING,
            since_s=now_s,
            jobs=("job",) if number < in_flight else (),
        )
        for number in range(int(numbers.get("running", 0)))
    )
    pending = tuple(
        Worker(worker_id=f"pending{number}", state=WorkerState.PENDING, since_s=now_s)
        for number in range(int(numbers.get("pending", 0)))
    )
    return Observation(
        now_s=now_s,
        visible=int(numbers.get("visible", 0)),
        in_flight=in_flight,
        oldest_age_s=numbers.get("oldest_age_s", 0.0),
        enqueued_total=int(numbers.get("enqueued_total", 0)),
        finished_total=int(numbers.get("finished_total", 0)),
        busy_ms_total=numbers.get("busy_ms_total", 0.0),
        workers=running + pending,
        boot_s=numbers.get("boot_s", 1.0),
    )
