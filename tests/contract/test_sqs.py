"""What only the queue on SQS promises: small messages, responses to their node, counts that are believed slowly."""

import asyncio
import gc
import json
import os
import time
import uuid
from contextlib import AsyncExitStack

import pytest
import structlog
from queue_benches import LEASE_S, MAX_RECEIVES, sqs_queue_bench

from emulated_aws import REGION
from facefleet.adapters.aws import Aws
from facefleet.adapters.objects import Objects
from facefleet.adapters.sqs_counts import Reading, Steady
from facefleet.adapters.sqs_messages import ending_of
from facefleet.adapters.sqs_names import REQUEST_BYTES, open_queues
from facefleet.adapters.sqs_queue import SqsQueue
from facefleet.core.jobs import Answer, Detect, Enrol, Job, JobState
from facefleet.errors import Unavailable
from facefleet.usecases.housekeeping import DAY_S, expire

SOON_S = 60.0


def a_job(**changes):
    job_id = str(uuid.uuid4())
    return Job(**({"job_id": job_id, "task": Detect(image=f"inputs/{job_id}"), "created_s": time.time()} | changes))


@pytest.fixture
async def bench(aws):
    async with sqs_queue_bench(aws) as bench:
        yield bench


async def answer_next(queue, body=b"{}"):
    (lease,) = await queue.lease("w1", limit=1, wait_s=SOON_S)
    await queue.finish(lease, Answer(job_id=lease.job.job_id, body=body), busy_ms=12.5)
    return lease


def queue_urls(aws, queue):
    return aws.client("sqs").list_queues(QueueNamePrefix=queue._queues.name).get("QueueUrls", [])


def response_url(aws, queue):
    return next(url for url in queue_urls(aws, queue) if url.endswith("-resp-here"))


async def until(true):
    async with asyncio.timeout(SOON_S):
        while not await true():
            await asyncio.sleep(0.05)


async def test_a_request_weighs_less_than_the_course_allows(aws, bench):
    """The photo is in the store; even a task that would weigh more travels as the id of its job."""
    long = "ü" * 255
    task = Enrol(image="inputs/1", collection="c" * 200, photo_sha256="0" * 64, person=long, external_image_id=long)
    jobs = [a_job(), a_job(task=task), a_job(task=task)]
    await bench.queue.put(jobs[0])
    await bench.queue.put(jobs[1])
    asking = asyncio.create_task(bench.queue.ask(jobs[2], wait_s=SOON_S))
    for expected in (jobs[0].task, task, task):
        (lease,) = await bench.queue.lease("w1", limit=1, wait_s=SOON_S)
        assert lease.job.task == expected
        await bench.queue.finish(lease, Answer(job_id=lease.job.job_id, body=b"{}"), busy_ms=1)
    assert (await asking).body == b"{}"
    attributes = aws.client("sqs").get_queue_attributes(
        QueueUrl=next(iter(bench.queue._queues.lanes.values())), AttributeNames=["MaximumMessageSize"]
    )
    assert attributes["Attributes"]["MaximumMessageSize"] == str(REQUEST_BYTES)


async def test_an_answer_of_any_size_comes_back(bench):
    """What SQS does not take is fetched from the store."""
    body = b'"' + b"x" * 2_000_000 + b'"'
    asking = asyncio.create_task(bench.queue.ask(a_job(), wait_s=SOON_S))
    await answer_next(bench.elsewhere, body)
    assert (await asking).body == body


async def test_a_response_that_nobody_waits_for_is_dropped_with_a_log_line(aws, bench):
    """Neither kept, nor given to another client, nor the end of the listening."""
    asking = asyncio.create_task(bench.queue.ask(a_job(), wait_s=SOON_S))
    (lease,) = await bench.elsewhere.lease("w1", limit=1, wait_s=SOON_S)
    with structlog.testing.capture_logs() as logs:
        for text in ("no JSON", json.dumps({"id": "x"}), _stray()):
            aws.client("sqs").send_message(QueueUrl=response_url(aws, bench.queue), MessageBody=text)
        await until(lambda: _dropped(logs, 3))
    await bench.elsewhere.finish(lease, Answer(job_id=lease.job.job_id, body=b"mine"), busy_ms=1)
    assert (await asking).body == b"mine"


def _stray():
    ending = {"kind": "detect", "created": 0.0, "state": "done", "receives": 1, "token": "", "reason": "", "busy_ms": 1}
    return json.dumps({"id": str(uuid.uuid4()), "body": "not mine", "error": None} | ending)


async def _dropped(logs, count):
    return sum(entry["event"].startswith("response dropped") for entry in logs) == count


async def test_answers_that_expired_while_a_node_was_stopped_are_looked_up(aws, bench, monkeypatch):
    """It counts them, and does not take their jobs for waiting ever after."""
    job, later = a_job(), a_job()
    await bench.queue.put(job)
    url, call = response_url(aws, bench.queue), bench.queue._aws.call

    async def stopped(service, operation, resource, **parameters):
        if operation == "receive_message" and parameters["QueueUrl"] == url:
            raise Unavailable("Stopped.")
        return await call(service, operation, resource, **parameters)

    with monkeypatch.context() as stop, structlog.testing.capture_logs() as logs:
        stop.setattr(bench.queue._aws, "call", stopped)
        await until(lambda: _away(logs))
        await answer_next(bench.elsewhere)
        aws.client("sqs").purge_queue(QueueUrl=url)
        await bench.elapse(61)
    await bench.queue.put(later)
    await until(lambda: _finished(bench.queue, 1))
    assert set(bench.queue._answers.sent) == {later.job_id}


async def _away(logs):
    return any(entry["event"] == "responses away" for entry in logs)


async def test_an_answer_that_was_looked_up_and_comes_after_all_is_counted_once(bench):
    """However many were looked up before its turn in the response queue came."""
    endings = [ending_of(a_job(), JobState.DONE, busy_ms=1) for _ in range(1_500)]
    for ending in [*endings, *endings]:
        bench.queue._answers.heard(ending)
    assert (await bench.queue.counts()).finished_total == len(endings)
    await bench.elapse(3600)
    bench.queue._answers.heard(ending_of(a_job(), JobState.DONE, busy_ms=1))
    assert len(bench.queue._answers._counted) <= 1_000


async def test_a_node_deletes_its_response_queue(aws):
    """It is made at the first request and goes with the node."""
    async with sqs_queue_bench(aws) as bench:
        assert not any("-resp-" in url for url in queue_urls(aws, bench.queue))
        await bench.queue.put(a_job())
        assert response_url(aws, bench.queue)
    assert not any("-resp-" in url for url in queue_urls(aws, bench.queue))


async def test_the_queue_of_a_node_that_died_is_swept(aws, bench):
    """By the next node, an hour after the dead one's last sign; a queue that bears no sign is somebody else's."""
    name = bench.queue._queues.name
    sqs = aws.client("sqs")
    for node, tags in (("dead", {"facefleet-alive": str(int(aws.now_s()) - 4000)}), ("other", {})):
        sqs.create_queue(QueueName=f"{name}-resp-{node}", tags=tags)
    sqs.create_queue(QueueName=f"{name}-resp-alive", tags={"facefleet-alive": str(int(aws.now_s()))})
    await bench.queue.put(a_job())
    left = {url.rsplit("-", 1)[1] for url in queue_urls(aws, bench.queue) if "-resp-" in url}
    assert left == {"alive", "here", "other"}


async def test_a_node_whose_response_queue_was_deleted_makes_another(aws, bench):
    """By hand, or by another node while this one was stopped for an hour: it would hear no answer any more."""
    await bench.queue.put(a_job())
    await answer_next(bench.elsewhere)
    aws.client("sqs").delete_queue(QueueUrl=response_url(aws, bench.queue))
    await until(lambda: _listens(aws, bench.queue))
    asking = asyncio.create_task(bench.queue.ask(a_job(), wait_s=24 * 3600))
    await answer_next(bench.elsewhere)
    async with asyncio.timeout(SOON_S):
        assert (await asking).body == b"{}"


async def _listens(aws, queue):
    return any(url.endswith("-resp-here") for url in queue_urls(aws, queue))


async def test_a_message_that_is_no_request_goes_to_the_dead_letters(aws, bench):
    """Somebody else's message must not stop the workers."""
    aws.client("sqs").send_message(QueueUrl=next(iter(bench.queue._queues.lanes.values())), MessageBody="test_00.jpg")
    assert await bench.queue.lease("w1", limit=1, wait_s=0) == []
    counts = await bench.queue.counts()
    assert (counts.visible, counts.dead) == (0, 1)


async def test_a_withdrawn_job_that_sqs_itself_gave_up_is_not_done_after_all(bench):
    """Its workers died as soon as they had it, so the redrive policy moved it, and no record says that it is dead."""
    job, queue = a_job(), bench.queue
    await queue.put(job)
    for _ in range(MAX_RECEIVES + 1):
        await bench.elsewhere._lanes.take(1, wait_s=0)
        await bench.elapse(LEASE_S + 1)
    assert await bench.elsewhere.lease("w1", limit=1, wait_s=0) == []
    assert [letter.job_id for letter in (await queue.dead_letters(limit=2)).items] == [job.job_id]
    assert await queue.cancel(job.job_id)
    assert await queue.redrive() == 0
    assert (await queue.status(job.job_id)).state is JobState.CANCELLED
    assert await bench.elsewhere.lease("w1", limit=1, wait_s=0) == []
    assert (await queue.dead_letters(limit=2)).items == ()


async def test_a_dead_letter_of_an_earlier_version_is_not_taken_for_purged(bench):
    """Its record does not say when it died."""
    job, queue = a_job(), bench.queue
    await queue.put(job)
    await queue._records.end(ending_of(job, JobState.DEAD, receives=MAX_RECEIVES, reason="Its workers died."))
    assert (await queue.status(job.job_id)).state is JobState.DEAD
    assert await queue.cancel(job.job_id)
    assert (await queue.status(job.job_id)).state is JobState.CANCELLED


async def test_the_photo_of_a_job_that_was_purged_goes_after_retention(bench, tmp_path):
    """No record says that the job has ended, so the queue never comes to forget it."""
    store, jobs = Objects(tmp_path.as_uri()), [a_job() for _ in range(2)]
    for job in jobs:
        photo = tmp_path / "inputs" / job.job_id
        await store.put(f"inputs/{job.job_id}", b"photo")
        os.utime(photo, (time.time() - 3 * DAY_S,) * 2)
    await bench.queue.put(jobs[0])
    await bench.queue.purge()
    await bench.elapse(1)
    await bench.queue.put(jobs[1])
    assert await expire(bench.queue, store, retention_days=1) == 1
    assert [key async for key in store.keys("inputs/")] == [f"inputs/{jobs[1].job_id}"]


async def test_a_job_whose_message_sqs_has_dropped_is_not_said_to_wait_for_ever(bench):
    """Nor is its photo kept for ever, which only a job that waits may need."""
    job = a_job()
    await bench.queue.put(job)
    await bench.elapse(13 * DAY_S)
    assert (await bench.elsewhere.status(job.job_id)).state is JobState.QUEUED
    await bench.elapse(2 * DAY_S)
    assert (await bench.elsewhere.status(job.job_id)).state is JobState.EXPIRED


async def test_a_look_at_very_many_dead_letters_ends(aws, bench, monkeypatch):
    """It takes longer than SQS hides the first of them, which it then shows again."""
    url = bench.queue._queues.dead
    for _ in range(25):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody="test_00.jpg")
    receive = bench.queue._aws.call

    async def slowly(service, operation, resource, **parameters):
        if operation == "receive_message" and parameters["QueueUrl"] == url:
            await bench.elapse(6)
        return await receive(service, operation, resource, **parameters)

    monkeypatch.setattr(bench.queue._aws, "call", slowly)
    async with asyncio.timeout(SOON_S):
        letters = await bench.queue._given_up._dead.letters()
    assert 10 < len(letters) <= 25


async def test_a_worker_that_died_between_answer_and_deletion_loses_nothing(aws, bench):
    """The next receiver finds the ending, tells the client and deletes the message."""
    job = a_job()
    asking = asyncio.create_task(bench.queue.ask(job, wait_s=SOON_S))
    (lease,) = await bench.elsewhere.lease("w1", limit=1, wait_s=SOON_S)
    leases = bench.elsewhere._leases

    async def die(*_):
        raise ConnectionError

    tell = leases.answers.tell
    leases.answers.tell = die
    with pytest.raises(ConnectionError):
        await bench.elsewhere.finish(lease, Answer(job_id=job.job_id, body=b"1"), busy_ms=1)
    leases.answers.tell = tell
    await bench.elapse(LEASE_S + 1)
    assert await bench.elsewhere.lease("w2", limit=1, wait_s=0) == []
    assert (await asking).body == b"1"
    assert (await bench.queue.counts()).in_flight == 0


async def test_neighbours_of_a_suspect_are_kept_and_not_counted_twice(bench):
    """They came in the same receive; however long the suspect takes, they are given out without another attempt."""
    queue, jobs = bench.queue, [a_job() for _ in range(3)]
    await queue.put(jobs[0])
    assert len(await queue.lease("w1", limit=1, wait_s=0)) == 1
    await bench.elapse(LEASE_S + 1)
    for job in jobs[1:]:
        await queue.put(job)
    (suspect,) = await queue.lease("w1", limit=3, wait_s=0)
    await bench.elapse(LEASE_S * 2 / 3)
    neighbours = await queue.lease("w1", limit=3, wait_s=0)
    assert [lease.receives for lease in (suspect, *neighbours)] == [2, 1, 1]
    await bench.elapse(LEASE_S * 2 / 3)
    assert list(await queue.extend(neighbours)) == list(neighbours)
    taken = [lease.job.job_id for lease in await bench.elsewhere.lease("w2", limit=3, wait_s=0)]
    assert taken == [suspect.job.job_id]


async def test_what_a_worker_gives_back_at_its_end_others_have_at_once(bench):
    """Though one of them is not its own any more."""
    for _ in range(3):
        await bench.queue.put(a_job())
    lanes = bench.elsewhere._lanes
    taken = await lanes.take(3, wait_s=0)
    lanes.keep(taken)
    await lanes.delete(taken[0].lane, taken[0].handle)
    await lanes.close()
    assert len(await bench.queue.lease("w2", limit=1, wait_s=0)) == 1
    assert len(await bench.queue.lease("w2", limit=1, wait_s=0)) == 1


async def test_a_store_that_is_away_for_long_costs_a_request_no_attempt(bench, monkeypatch):
    """Nor is it moved to the dead letters behind our back; whoever has it keeps it until the store is there again."""
    jobs = [a_job() for _ in range(2)]
    for job in jobs:
        await bench.queue.put(job)
    store, worker = bench.elsewhere._records._store, bench.elsewhere

    async def away(_):
        raise Unavailable("The store does not answer.")

    with monkeypatch.context() as outage:
        outage.setattr(store, "get", away)
        for _ in range(2 * MAX_RECEIVES):
            with pytest.raises(Unavailable):
                await worker.lease("w1", limit=2, wait_s=0)
            await bench.elapse(LEASE_S * 2 / 3)
    leases = await worker.lease("w1", limit=2, wait_s=0)
    assert sorted(lease.job.job_id for lease in leases) == sorted(job.job_id for job in jobs)
    assert [lease.receives for lease in leases] == [1, 1]


async def test_a_request_whose_records_alone_cannot_be_read_holds_up_no_other(bench, monkeypatch):
    """Its attempts are used up; kept for the next call, it would be all that a worker ever tries."""
    jobs, worker = [a_job() for _ in range(2)], bench.elsewhere
    await bench.queue.put(jobs[0])
    store = worker._records._store
    get = store.get

    async def denied(key):
        if key.endswith(jobs[0].job_id):
            raise Unavailable("The permission for it is missing.")
        return await get(key)

    monkeypatch.setattr(store, "get", denied)
    with pytest.raises(Unavailable):
        await worker.lease("w1", limit=1, wait_s=1)
    await bench.queue.put(jobs[1])
    (lease,) = await worker.lease("w1", limit=1, wait_s=SOON_S)
    assert lease.job.job_id == jobs[1].job_id


async def test_a_lease_is_kept_while_the_store_is_away(bench, monkeypatch):
    """Its worker waits for the photo, which is in the same store as the records; nobody else gets the job meanwhile."""
    await bench.queue.put(a_job())
    (lease,) = await bench.elsewhere.lease("w1", limit=1, wait_s=0)

    async def away(_):
        raise Unavailable("The store does not answer.")

    with monkeypatch.context() as outage:
        outage.setattr(bench.elsewhere._records._store, "get", away)
        for _ in range(3):
            await bench.elapse(LEASE_S / 3)
            assert await bench.elsewhere.extend([lease]) == [lease]
        await bench.elapse(LEASE_S / 3)
    assert await bench.queue.lease("w2", limit=1, wait_s=0) == []
    await bench.elsewhere.finish(lease, Answer(job_id=lease.job.job_id, body=b"{}"), busy_ms=1)


async def test_a_withdrawal_that_fails_is_no_bug_in_the_log(bench, monkeypatch):
    """The client has gone and the store is away: the request's deadline does it."""
    unhandled = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    asking = asyncio.create_task(bench.queue.ask(a_job(), wait_s=SOON_S))
    await until(lambda: _sent(bench.queue))

    async def away(*_):
        raise Unavailable("The store does not answer.")

    monkeypatch.setattr(bench.queue._records._store, "get", away)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: _let_go(bench.queue))
    del asking
    gc.collect()
    await asyncio.sleep(0)
    assert unhandled == []


async def _let_go(queue):
    return not queue._cancelling


async def _sent(queue):
    return bool(queue._answers.sent)


async def test_a_process_that_sends_nothing_knows_the_totals(bench):
    """A controller alone sees what web nodes sent and heard of, some seconds late."""
    for _ in range(3):
        await bench.queue.put(a_job())
    lease = await answer_next(bench.elsewhere)
    await until(lambda: _done(bench.queue, lease.job.job_id))
    await bench.elapse(6)
    await until(lambda: _finished(bench.queue, 1))
    await bench.elapse(6)
    await bench.queue.counts()
    counts = await bench.elsewhere.counts()
    assert (counts.enqueued_total, counts.finished_total, counts.busy_ms_total) == (3, 1, 12.5)
    assert counts.oldest_age_s >= 12


async def _done(queue, job_id):
    return (await queue.status(job_id)).state is JobState.DONE


async def _finished(queue, count):
    return (await queue.counts()).finished_total == count


@pytest.mark.parametrize("odd", [Reading(0, 0, 0), Reading(900, 0, 0), Reading(0, 900, 0)])
def test_one_odd_reading_changes_nothing(odd):
    """Whatever SQS says once, the controller hears what it says otherwise."""
    steady, usual = Steady(), Reading(visible=40, in_flight=10, dead=1)
    heard = [steady.take(reading) for reading in (usual, usual, usual, odd, usual, usual)]
    assert set(heard) == {usual}


def test_a_real_change_is_heard_one_reading_later():
    """Two readings that agree are believed."""
    steady, before, after = Steady(), Reading(0, 0, 0), Reading(100, 0, 0)
    for _ in range(3):
        steady.take(before)
    assert [steady.take(after) for _ in range(2)] == [before, after]


async def test_a_response_queue_of_a_given_name_is_used_and_left(aws):
    """`--response-queue NAME`: the only web node uses that queue, and leaves it when it ends.

    The next one counts the answers to what this one sent.
    """
    name = f"test-{uuid.uuid4().hex[:12]}"
    aws.client("sqs").create_queue(QueueName=f"{name}-answers")
    aws.client("s3").create_bucket(Bucket=name)
    async with Aws(REGION) as account, AsyncExitStack() as made:
        queues = await open_queues(account, name, lease_s=LEASE_S, max_receives=3, create=True, undo=made)
        store = Objects(f"s3://{name}", region=REGION)

        def node(number):
            return SqsQueue(account, queues, store, node=number, responses=f"{name}-answers", shared=True)

        async with node("1") as queue:
            await queue.put(a_job())
            await answer_next(queue)
            waiting = [a_job() for _ in range(2)]
            for job in waiting:
                await queue.put(job)
        async with node("2") as queue, node("3") as worker:
            for _ in waiting:
                await answer_next(worker)
            await queue.put(a_job())  # opens the response queue
            await until(lambda: _finished(queue, 3))
    assert aws.client("sqs").list_queues(QueueNamePrefix=f"{name}-answers")["QueueUrls"]
