"""What every queue promises, whatever technology is behind it."""

import asyncio
import itertools
import time
import uuid
from contextlib import suppress

import pytest

from facefleet.core.jobs import BULK_HANDICAP_S, Answer, Detect, Identify, Job, JobState, Lane
from facefleet.errors import (
    BrokenInvariant,
    Cancelled,
    DeadlineExceeded,
    InvalidImage,
    InvalidInput,
    LeaseLost,
    NotFound,
    from_dict,
)

SOON_S = 60.0  # a wait that is expected to end early; only a broken queue waits that long


def a_job(**changes) -> Job:
    job_id = str(uuid.uuid4())
    plain = {"job_id": job_id, "task": Detect(image=f"inputs/{job_id}"), "created_s": 1_700_000_000.25}
    return Job(**(plain | changes))


def answer_to(lease, body=b'{"faces": []}') -> Answer:
    return Answer(job_id=lease.job.job_id, body=body)


async def lease_one(queue, worker_id="w1", *, wait_s=0.0):
    (lease,) = await queue.lease(worker_id, limit=1, wait_s=wait_s)
    return lease


async def lease_ids(queue, *, limit):
    return [lease.job.job_id for lease in await queue.lease("w1", limit=limit, wait_s=0)]


async def answer_next(queue, *, body=b"{}", worker_id="w1"):
    lease = await lease_one(queue, worker_id, wait_s=SOON_S)
    await queue.finish(lease, answer_to(lease, body), busy_ms=1)
    return lease


async def until_enqueued(queue, jobs=1):
    """Wait until jobs that other tasks enqueue are there."""
    while (await queue.counts()).visible < jobs:
        await asyncio.sleep(0.01)


async def until_finished(queue, jobs):
    """Wait until a node has heard of answers that another one was given."""
    while (await queue.counts()).finished_total < jobs:
        await asyncio.sleep(0.01)


async def kill_workers_with(queue, elapse):
    """Let a worker die with the next job as often as it takes to give the job up."""
    for turn in range(queue.max_receives):
        assert len(await queue.lease(f"w{turn + 1}", limit=1, wait_s=0)) == 1
        await elapse(queue.lease_s + 1)
    assert await lease_ids(queue, limit=1) == []


class TestDelivery:
    async def test_a_job_arrives_as_it_was_sent(self, queue):
        """Every field of the task and its envelope survives the way."""
        task = Identify(image="inputs/ä'{}", collection="default", threshold=71.5, max_candidates=3, largest_only=True)
        job = a_job(task=task, lane=Lane.BULK, deadline_s=20.0)
        await queue.put(job)
        lease = await lease_one(queue)
        assert lease.job == job
        assert lease.receives == 1
        assert lease.waited_ms >= 0

    async def test_jobs_come_in_the_order_in_which_they_were_sent(self, queue):
        """First come, first served within a lane."""
        jobs = [a_job() for _ in range(5)]
        for job in jobs:
            await queue.put(job)
        assert await lease_ids(queue, limit=3) == [job.job_id for job in jobs[:3]]
        assert await lease_ids(queue, limit=3) == [job.job_id for job in jobs[3:]]

    async def test_an_empty_queue_gives_nothing(self, queue):
        """A lease that waits in vain is no error."""
        assert list(await queue.lease("w1", limit=4, wait_s=0)) == []
        assert list(await queue.lease("w1", limit=4, wait_s=0.05)) == []

    async def test_a_waiting_worker_gets_a_job_sent_elsewhere(self, queue, elsewhere):
        """A worker that waits is woken by whoever enqueues."""
        waiting = asyncio.create_task(queue.lease("w1", limit=1, wait_s=SOON_S))
        await asyncio.sleep(0.1)
        job = a_job()
        await elsewhere.put(job)
        (lease,) = await waiting
        assert lease.job == job

    async def test_several_waiting_workers_share_what_comes(self, queue, elsewhere):
        """Idle workers are all put to work when as many jobs come, not one after the other is done."""
        waiting = [
            asyncio.create_task(source.lease("w", limit=1, wait_s=SOON_S)) for source in (queue, elsewhere, elsewhere)
        ]
        await asyncio.sleep(0.1)
        jobs = [a_job() for _ in waiting]
        for job in jobs:
            await queue.put(job)
        taken = [lease.job.job_id for leases in await asyncio.gather(*waiting) for lease in leases]
        assert sorted(taken) == sorted(job.job_id for job in jobs)

    async def test_the_same_id_is_enqueued_once(self, queue):
        """A client that repeats a request after a lost connection makes no second job."""
        job = a_job()
        await queue.put(job)
        await queue.put(job)
        assert await lease_ids(queue, limit=4) == [job.job_id]
        assert (await queue.counts()).enqueued_total == 1

    async def test_no_job_goes_to_two_of_many_consumers(self, queue, elsewhere):
        """Concurrent consumers share the work without overlap, and together get all of it."""
        jobs = [a_job() for _ in range(120)]
        await asyncio.gather(*(queue.put(job) for job in jobs))

        async def consume(source, worker_id):
            taken = []
            while leases := await source.lease(worker_id, limit=3, wait_s=0):
                taken += [lease.job.job_id for lease in leases]
            return taken

        sources = [queue, elsewhere] * 6
        taken = await asyncio.gather(*(consume(source, f"w{n}") for n, source in enumerate(sources)))
        # A consumer may find every row locked by others and leave early; what it left is still there.
        rest = await consume(queue, "last")
        assert sorted([*itertools.chain(*taken), *rest]) == sorted(job.job_id for job in jobs)


class TestLeases:
    async def test_a_leased_job_is_hidden(self, queue, elapse):
        """While a worker holds a job nobody else gets it."""
        await queue.put(a_job())
        await lease_one(queue)
        await elapse(queue.lease_s / 2)
        assert await lease_ids(queue, limit=1) == []

    async def test_an_expired_lease_is_delivered_again(self, queue, elapse):
        """A worker that dies silently does not lose its job."""
        await queue.put(a_job())
        first = await lease_one(queue)
        await elapse(queue.lease_s + 1)
        second = await lease_one(queue, "w2")
        assert second.job == first.job
        assert second.receives == 2
        assert second.token != first.token

    async def test_a_worker_that_lost_its_lease_cannot_answer(self, queue, elapse):
        """The token fences out a worker that comes back from the dead; the one that holds the job answers."""
        await queue.put(a_job())
        stale = await lease_one(queue)
        await elapse(queue.lease_s + 1)
        held = await lease_one(queue, "w2")
        with pytest.raises(LeaseLost):
            await queue.finish(stale, answer_to(stale, b'"stale"'), busy_ms=1)
        await queue.finish(held, answer_to(held, b'"held"'), busy_ms=1)
        assert (await queue.status(held.job.job_id)).answer.body == b'"held"'

    async def test_a_late_answer_counts_while_nobody_else_has_the_job(self, queue, elapse):
        """An expired lease that was not taken over wastes no finished work."""
        await queue.put(a_job())
        lease = await lease_one(queue)
        await elapse(queue.lease_s + 1)
        await queue.finish(lease, answer_to(lease), busy_ms=1)
        assert (await queue.status(lease.job.job_id)).state is JobState.DONE

    async def test_a_heartbeat_keeps_a_lease(self, queue, elapse):
        """Extending is all it takes to work longer than a lease."""
        await queue.put(a_job())
        lease = await lease_one(queue)
        for _ in range(3):
            await elapse(queue.lease_s * 2 / 3)
            assert list(await queue.extend([lease])) == [lease]
        assert await lease_ids(queue, limit=1) == []
        await queue.finish(lease, answer_to(lease), busy_ms=1)

    async def test_a_heartbeat_names_the_leases_that_are_lost(self, queue, elapse):
        """A worker learns from its heartbeat which jobs to drop: taken over or withdrawn."""
        for _ in range(3):
            await queue.put(a_job())
        lost, withdrawn, kept = [await lease_one(queue) for _ in range(3)]
        await queue.cancel(withdrawn.job.job_id)
        await elapse(queue.lease_s + 1)
        await queue.extend([kept])
        await lease_one(queue, "w2")
        assert list(await queue.extend([lost, withdrawn, kept])) == [kept]

    @pytest.mark.promise("release is free")
    async def test_a_released_job_is_not_counted_as_received(self, queue):
        """Giving back is no attempt that failed."""
        await queue.put(a_job())
        await queue.release(await lease_one(queue))
        assert (await lease_one(queue, "w2")).receives == 1

    async def test_a_released_job_is_visible_at_once(self, queue):
        """A worker that drains gives back what it has not begun."""
        job = a_job()
        await queue.put(job)
        lease = await lease_one(queue)
        await queue.release(lease)
        again = await lease_one(queue, "w2")
        assert again.job == job
        with pytest.raises(LeaseLost):
            await queue.finish(lease, answer_to(lease), busy_ms=1)

    async def test_a_waiting_worker_gets_a_released_job(self, queue, elsewhere):
        """Giving back wakes those who wait."""
        await queue.put(a_job())
        lease = await lease_one(queue)
        waiting = asyncio.create_task(elsewhere.lease("w2", limit=1, wait_s=SOON_S))
        await asyncio.sleep(0.1)
        await queue.release(lease)
        assert [taken.job for taken in await waiting] == [lease.job]

    async def test_releasing_a_lost_lease_changes_nothing(self, queue, elapse):
        """Only the holder gives a job back."""
        await queue.put(a_job())
        stale = await lease_one(queue)
        await elapse(queue.lease_s + 1)
        held = await lease_one(queue, "w2")
        await queue.release(stale)
        assert await lease_ids(queue, limit=1) == []
        await queue.finish(held, answer_to(held), busy_ms=1)

    async def test_finishing_twice_is_harmless(self, queue):
        """A worker may repeat its answer when the connection broke before it heard."""
        await queue.put(a_job())
        lease = await lease_one(queue)
        await queue.finish(lease, answer_to(lease, b"1"), busy_ms=5)
        await queue.finish(lease, answer_to(lease, b"2"), busy_ms=5)
        assert (await queue.status(lease.job.job_id)).answer.body == b"1"
        assert (await queue.counts()).finished_total == 1


class TestAsking:
    async def test_whoever_asks_gets_the_answer(self, queue, elsewhere):
        """The answer's bytes come back as the worker wrote them."""
        body = '{"faces": [], "naïve": "☺"}'.encode()
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
        lease = await answer_next(elsewhere, body=body)
        assert await asking == Answer(job_id=lease.job.job_id, body=body)

    @pytest.mark.parametrize(
        "body",
        [b'{"faces": []}', b"two\nlines\n", b"\x00\x01", b"x" * 100_000],
        ids=["JSON", "lines", "zero bytes", "long"],
    )
    async def test_an_answer_comes_as_it_was_written(self, queue, elsewhere, body):
        """Short or long, text or not, with line breaks or without."""
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
        lease = await answer_next(elsewhere, body=body)
        assert await asking == Answer(job_id=lease.job.job_id, body=body)

    async def test_an_error_comes_as_it_was_written(self, queue, elsewhere):
        """With its fields, whatever their language."""
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
        (lease,) = await elsewhere.lease("w1", limit=1, wait_s=SOON_S)
        answer = Answer(job_id=lease.job.job_id, error={"code": "NoFace", "detail": "Kein Gesicht:\n☹"})
        await elsewhere.finish(lease, answer, busy_ms=1)
        assert await asking == answer

    async def test_many_ask_at_once_and_each_gets_its_own(self, queue, elsewhere):
        """Answers never reach the wrong client."""

        async def work(left):
            while left:
                for lease in await elsewhere.lease("w1", limit=4, wait_s=SOON_S):
                    body = lease.job.task.image.encode()
                    await elsewhere.finish(lease, answer_to(lease, body), busy_ms=1)
                    left -= 1

        jobs = [a_job() for _ in range(40)]
        working = asyncio.create_task(work(len(jobs)))
        answers = await asyncio.gather(*(queue.ask(job, wait_s=SOON_S) for job in jobs))
        await working
        assert [answer.body.decode() for answer in answers] == [job.task.image for job in jobs]

    async def test_an_error_crosses_the_queue(self, queue):
        """What the worker raises is what the client is told."""
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
        lease = await lease_one(queue, wait_s=SOON_S)
        error = InvalidImage("These bytes are not a photo.").to_dict()
        await queue.finish(lease, Answer(job_id=lease.job.job_id, error=error), busy_ms=1)
        heard = from_dict((await asking).error)
        assert isinstance(heard, InvalidImage)
        assert heard.detail == "These bytes are not a photo."

    async def test_waiting_too_long_cancels_the_job(self, queue):
        """Nobody works for a client that was told it took too long."""
        with pytest.raises(DeadlineExceeded):
            await queue.ask(a_job(), wait_s=0.1)
        assert await lease_ids(queue, limit=1) == []

    async def test_a_client_that_leaves_cancels_its_job(self, queue):
        """Nobody works for a client that hung up."""
        job = a_job()
        asking = asyncio.create_task(queue.ask(job, wait_s=SOON_S))
        await until_enqueued(queue)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await queue.status(job.job_id, wait_s=SOON_S)).state is JobState.CANCELLED
        assert await lease_ids(queue, limit=1) == []

    async def test_a_web_node_that_dies_leaves_no_job_behind_for_long(self, queue, elapse):
        """A job without a deadline gets the client's patience as one."""
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=600))
        await until_enqueued(queue)
        await elapse(601)
        assert await lease_ids(queue, limit=1) == []
        with pytest.raises(DeadlineExceeded):
            await asking

    async def test_whoever_asks_hears_of_a_cancellation(self, queue):
        """Withdrawing a job wakes those who wait for it."""
        job = a_job()
        asking = asyncio.create_task(queue.ask(job, wait_s=SOON_S))
        await until_enqueued(queue)
        assert await queue.cancel(job.job_id)
        with pytest.raises(Cancelled):
            await asking

    @pytest.mark.promise("asked jobs are known elsewhere")
    async def test_whoever_asks_hears_of_a_cancellation_elsewhere(self, queue, elsewhere):
        """Any node can withdraw what was asked at another."""
        job = a_job()
        asking = asyncio.create_task(queue.ask(job, wait_s=SOON_S))
        await until_enqueued(queue)
        assert await elsewhere.cancel(job.job_id)
        with pytest.raises(Cancelled):
            await asking

    async def test_whoever_asks_hears_of_a_purge(self, queue, elsewhere):
        """Purging wakes those who wait, at every node."""
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=SOON_S))
        await until_enqueued(queue)
        assert await elsewhere.purge() == 1
        with pytest.raises(Cancelled):
            await asking

    async def test_whoever_asks_hears_that_the_job_was_given_up(self, queue, elapse):
        """A photo that kills workers is answered with an error of ours."""
        asking = asyncio.create_task(queue.ask(a_job(), wait_s=600))
        await until_enqueued(queue)
        await kill_workers_with(queue, elapse)
        with pytest.raises(BrokenInvariant, match="3 times"):
            await asking

    async def test_asking_again_with_the_same_id_joins_the_wait(self, queue):
        """A repeated request gets the answer of the first, computed once."""
        job = a_job()
        asking = [asyncio.create_task(queue.ask(job, wait_s=SOON_S)) for _ in range(2)]
        await answer_next(queue, body=b"1")
        assert [answer.body for answer in await asyncio.gather(*asking)] == [b"1", b"1"]
        assert (await queue.ask(job, wait_s=SOON_S)).body == b"1"
        assert (await queue.counts()).enqueued_total == 1


class TestEndings:
    async def test_a_cancelled_job_is_never_delivered(self, queue):
        """Withdrawing a waiting job takes it out of the line."""
        job = a_job()
        await queue.put(job)
        assert await queue.cancel(job.job_id) is True
        assert await lease_ids(queue, limit=1) == []
        assert await queue.cancel(job.job_id) is False
        assert await queue.cancel(str(uuid.uuid4())) is False

    async def test_a_job_cancelled_in_the_middle_cannot_be_answered(self, queue):
        """The worker that holds a withdrawn job has lost its lease."""
        await queue.put(a_job())
        lease = await lease_one(queue)
        assert await queue.cancel(lease.job.job_id) is True
        with pytest.raises(LeaseLost):
            await queue.finish(lease, answer_to(lease), busy_ms=1)

    async def test_an_answered_job_cannot_be_cancelled(self, queue):
        """What was answered stays answered."""
        await queue.put(a_job())
        lease = await answer_next(queue)
        assert await queue.cancel(lease.job.job_id) is False
        assert (await queue.status(lease.job.job_id)).state is JobState.DONE

    async def test_an_expired_job_is_never_delivered(self, queue, elapse):
        """A job whose deadline passed is dropped before any work; the ones behind it are not held up."""
        late, patient = a_job(deadline_s=5), a_job(deadline_s=500)
        await queue.put(late)
        await queue.put(patient)
        await elapse(6)
        assert (await queue.status(late.job_id)).state is JobState.EXPIRED
        assert await lease_ids(queue, limit=1) == [patient.job_id]
        assert (await queue.status(late.job_id)).state is JobState.EXPIRED
        assert (await queue.counts()).visible == 0

    async def test_a_job_whose_worker_died_is_not_delivered_past_its_deadline(self, queue, elapse):
        """The deadline holds for later deliveries too."""
        await queue.put(a_job(deadline_s=queue.lease_s / 2))
        await lease_one(queue)
        await elapse(queue.lease_s + 1)
        assert await lease_ids(queue, limit=1) == []

    async def test_status_follows_a_job(self, queue):
        """A client sees its job queued, in flight, then done with the answer."""
        job = a_job()
        await queue.put(job)
        queued = await queue.status(job.job_id)
        assert (queued.state, queued.kind, queued.created_s) == (JobState.QUEUED, "detect", job.created_s)
        lease = await lease_one(queue)
        in_flight = await queue.status(job.job_id)
        assert (in_flight.state, in_flight.receives, in_flight.answer) == (JobState.IN_FLIGHT, 1, None)
        await queue.finish(lease, answer_to(lease, b"[]"), busy_ms=1)
        done = await queue.status(job.job_id)
        assert (done.state, done.answer) == (JobState.DONE, Answer(job_id=job.job_id, body=b"[]"))

    async def test_status_can_wait_for_the_end(self, queue, elsewhere):
        """A client may wait for its answer instead of asking again and again."""
        job = a_job()
        await queue.put(job)
        waiting = asyncio.create_task(elsewhere.status(job.job_id, wait_s=SOON_S))
        await asyncio.sleep(0.1)
        await answer_next(queue, body=b"7")
        assert (await waiting).answer.body == b"7"
        other = a_job()
        await queue.put(other)
        assert (await queue.status(other.job_id, wait_s=0.05)).state is JobState.QUEUED

    async def test_an_unknown_job_is_not_found(self, queue):
        """A made-up id is the caller's mistake."""
        for job_id in (str(uuid.uuid4()), "no uuid at all"):
            with pytest.raises(NotFound):
                await queue.status(job_id)

    async def test_old_jobs_are_forgotten_and_young_ones_are_not(self, queue, elapse):
        """Retention deletes answers by age; what has not ended stays."""
        for _ in range(3):
            await queue.put(a_job())
        old = await answer_next(queue)
        await elapse(100)
        young = await answer_next(queue)
        assert list(await queue.forget(answered_before_s=50)) == [old.job.job_id]
        with pytest.raises(NotFound):
            await queue.status(old.job.job_id)
        assert (await queue.status(young.job.job_id)).state is JobState.DONE
        assert (await queue.counts()).visible == 1


class TestLanes:
    async def test_interactive_jobs_go_ahead_of_bulk_ones(self, queue):
        """A nightly import does not keep a person waiting."""
        bulk, interactive = a_job(lane=Lane.BULK), a_job()
        await queue.put(bulk)
        await queue.put(interactive)
        assert await lease_ids(queue, limit=2) == [interactive.job_id, bulk.job_id]

    async def test_bulk_jobs_cannot_starve(self, queue, elapse):
        """A bulk job that has waited long enough goes ahead of newer interactive ones."""
        bulk = a_job(lane=Lane.BULK)
        await queue.put(bulk)
        await elapse(BULK_HANDICAP_S + 1)
        await queue.put(a_job())
        assert await lease_ids(queue, limit=1) == [bulk.job_id]


class TestDeadLetters:
    async def test_a_job_whose_worker_died_comes_alone(self, queue, elapse):
        """A photo that kills workers takes no neighbour with it."""
        suspect, *others = [a_job() for _ in range(3)]
        await queue.put(suspect)
        await lease_one(queue)
        await elapse(queue.lease_s + 1)
        for job in others:
            await queue.put(job)
        assert await lease_ids(queue, limit=4) == [suspect.job_id]
        assert await lease_ids(queue, limit=4) == [job.job_id for job in others]

    async def test_a_job_that_kills_every_worker_is_given_up(self, queue, elapse):
        """After `max_receives` leases the job goes to the dead letters, with the reason in words."""
        job = a_job()
        await queue.put(job)
        await kill_workers_with(queue, elapse)
        page = await queue.dead_letters(limit=10)
        (letter,) = page.items
        assert (letter.job_id, letter.kind, letter.created_s) == (job.job_id, job.task.kind, job.created_s)
        assert letter.receives == queue.max_receives
        assert letter.reason == "Leased 3 times without an answer; last by worker w3."
        assert page.next_after is None
        assert (await queue.counts()).dead == 1
        assert (await queue.status(job.job_id)).state is JobState.DEAD

    async def test_a_redriven_job_starts_anew(self, queue, elapse):
        """Once the cause is mended a job given up can be run again, its deadline lifted."""
        job = a_job(deadline_s=10_000)
        await queue.put(job)
        await kill_workers_with(queue, elapse)
        await elapse(10_000)
        assert await queue.redrive([str(uuid.uuid4())]) == 0
        assert await queue.redrive([job.job_id]) == 1
        lease = await lease_one(queue)
        assert (lease.job.job_id, lease.receives, lease.job.deadline_s) == (job.job_id, 1, None)
        assert (await queue.counts()).dead == 0
        await queue.finish(lease, answer_to(lease), busy_ms=1)
        assert (await queue.status(job.job_id)).state is JobState.DONE

    async def test_dead_letters_are_paged_and_all_redriven(self, queue, elapse):
        """Listing by pages shows each once, oldest first; redriving without ids takes all."""
        jobs = [a_job() for _ in range(5)]
        for job in jobs:
            await queue.put(job)
            await kill_workers_with(queue, elapse)
        listed, after = [], None
        while True:
            page = await queue.dead_letters(limit=2, after=after)
            listed += [letter.job_id for letter in page.items]
            after = page.next_after
            if after is None:
                break
        assert listed == [job.job_id for job in jobs]
        assert await queue.redrive() == 5
        assert (await queue.counts()).visible == 5

    async def test_a_dead_letter_can_be_withdrawn(self, queue, elapse):
        """A client may give up a job that was given up."""
        job = a_job()
        await queue.put(job)
        await kill_workers_with(queue, elapse)
        assert await queue.cancel(job.job_id) is True
        assert await queue.redrive() == 0


class TestCounts:
    async def test_counts_say_what_waits_and_what_is_worked_on(self, queue, elapse):
        """The numbers a controller scales by."""
        begun_s = time.monotonic()
        for _ in range(3):
            await queue.put(a_job())
        await elapse(7)
        await queue.put(a_job())
        await lease_one(queue)
        counts = await queue.counts()
        assert (counts.visible, counts.in_flight, counts.dead) == (3, 1, 0)
        assert 7 <= counts.oldest_age_s <= 7 + (time.monotonic() - begun_s) + 2  # some round, some wait by the clock

    async def test_an_empty_queue_has_no_age(self, queue):
        """Nothing waits, so nothing is old."""
        counts = await queue.counts()
        assert (counts.visible, counts.in_flight, counts.dead, counts.oldest_age_s) == (0, 0, 0, 0)

    async def test_totals_only_grow(self, queue, elsewhere, elapse):
        """Totals are of all processes, and survive the jobs they counted."""
        for _ in range(4):
            await queue.put(a_job())
        for source in (queue, elsewhere, queue):
            lease = await lease_one(source)
            await source.finish(lease, answer_to(lease), busy_ms=12.5)
        await until_finished(queue, 3)
        await elapse(1000)
        await queue.forget(answered_before_s=10)
        await queue.purge()
        counts = await queue.counts()
        assert (counts.enqueued_total, counts.finished_total, counts.busy_ms_total) == (4, 3, 37.5)

    async def test_purging_drops_everything_unanswered(self, queue, elapse):
        """Waiting, leased and dead jobs go; answers stay."""
        dead = a_job()
        await queue.put(dead)
        await kill_workers_with(queue, elapse)
        for _ in range(3):
            await queue.put(a_job())
        answered = await answer_next(queue)
        held = await lease_one(queue)
        assert await queue.purge() == 3
        counts = await queue.counts()
        assert (counts.visible, counts.in_flight, counts.dead) == (0, 0, 0)
        assert (await queue.status(answered.job.job_id)).state is JobState.DONE
        assert (await queue.status(dead.job_id)).state is JobState.CANCELLED
        assert not await queue.cancel(dead.job_id)
        with pytest.raises(LeaseLost):
            await queue.finish(held, answer_to(held), busy_ms=1)


class TestCursor:
    @pytest.mark.parametrize(
        "after", ["", "x", "1", "1 2 3", "1.5 2", f"{10**20} 1", f"{2**62 - 1} 1", f"{-(2**62) + 4} 1"]
    )
    async def test_a_cursor_that_no_page_gave_is_the_callers_mistake(self, queue, after):
        """It is refused, or leads nowhere; it is never a crash."""
        with suppress(InvalidInput):
            assert (await queue.dead_letters(limit=1, after=after)).items == ()


class TestErasing:
    async def test_an_ended_job_can_be_erased_at_once(self, queue):
        """With retention 0 nothing is kept after the answer; what does not exist is no error."""
        job = a_job()
        await queue.put(job)
        await answer_next(queue)
        await queue.erase([job.job_id, "none"])
        with pytest.raises(NotFound):
            await queue.status(job.job_id)

    async def test_a_job_without_an_answer_is_never_erased(self, queue):
        """Erasing is no way to lose a request."""
        job = a_job()
        await queue.put(job)
        await queue.erase([job.job_id])
        assert (await lease_one(queue)).job == job


class TestAbandoning:
    @pytest.mark.promise("knows its workers")
    async def test_what_a_dead_worker_held_is_for_others_at_once(self, queue, elsewhere):
        """Whoever saw the worker die need not wait for its lease; the receive counts, so poison still ends."""
        job, other = a_job(), a_job()
        await queue.put(job)
        await queue.put(other)
        held = await lease_one(queue, "dead")
        others = await lease_one(queue, "alive")
        await elsewhere.abandon("dead")
        again = await lease_one(queue, "alive", wait_s=SOON_S)
        assert (again.job, again.receives) == (job, 2)
        assert list(await queue.extend([others])) == [others]
        with pytest.raises(LeaseLost):
            await queue.finish(held, answer_to(held), busy_ms=1)

    async def test_abandoning_nothing_is_no_error(self, queue):
        """Most workers end with empty hands."""
        await queue.abandon("nobody")
