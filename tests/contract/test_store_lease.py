"""Leading by a lease in an emulated S3: one of two controllers, whatever happens to it."""

import asyncio
import uuid

import pytest

from emulated_aws import REGION
from facefleet.adapters.objects import Objects
from facefleet.adapters.store_lease import StoreLease
from facefleet.errors import Unavailable

TERM_S = 0.6


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def store(aws):
    bucket = f"lease-{uuid.uuid4().hex}"
    aws.client("s3").create_bucket(Bucket=bucket)
    return Objects(f"s3://{bucket}", region=REGION)


@pytest.fixture
def clock():
    return Clock()


def lease(store, clock, holder, term_s=TERM_S):
    return StoreLease(store, holder=holder, term_s=term_s, now_s=clock)


async def test_one_of_two_leads(store, clock):
    """The second stands by until the first has ended, and then leads at once."""
    one, other = lease(store, clock, "one"), lease(store, clock, "other")
    async with one.lead() as leading:
        assert leading
        async with other.lead() as also:
            assert not also
    async with other.lead() as leading:
        assert leading


async def test_many_that_begin_at_once_have_one_leader(store, clock):
    """The condition is AWS's to check, not ours."""
    tried = asyncio.Barrier(8)

    async def try_to_lead(holder):
        async with lease(store, clock, holder).lead() as leading:
            await tried.wait()  # nobody gives the lease back before all have asked for it
            return leading

    assert sum(await asyncio.gather(*(try_to_lead(f"c{n}") for n in range(8)))) == 1


async def test_a_leader_that_died_is_followed_after_a_term(store, clock):
    """Its lease stays as it was, which a contender has to watch for a whole term."""
    await store.create("leader", b"dead")
    other = lease(store, clock, "other")
    for now_s, expected in ((0.0, False), (TERM_S / 2, False), (TERM_S, True)):
        clock.now_s = now_s
        async with other.lead() as leading:
            assert leading is expected


async def test_a_leader_that_renews_is_not_followed(store, clock):
    """However long it leads."""
    one, other = lease(store, clock, "one", term_s=0.15), lease(store, clock, "other")
    async with one.lead() as leading:
        assert leading
        for now_s in range(4):
            clock.now_s = float(now_s)
            before = await store.version("leader")
            async with asyncio.timeout(60):
                while await store.version("leader") == before:
                    await asyncio.sleep(0.02)
            async with other.lead() as also:
                assert not also


async def test_a_leader_that_lost_its_lease_stops_leading(store, clock):
    """What it was about to do is not done: another leads."""

    async def lead():
        async with lease(store, clock, "one", term_s=3).lead():
            await store.put("leader", b"other")
            await asyncio.sleep(60)

    with pytest.raises(Unavailable, match="Another controller leads"):
        await lead()


async def test_a_leader_that_ends_while_it_renews_is_followed_at_once(store, clock, monkeypatch):
    """What it is writing is written first, and then given back."""
    one, other = lease(store, clock, "one", term_s=0.15), lease(store, clock, "other")
    replace, renewing, written = store.replace, asyncio.Event(), asyncio.Event()

    async def replace_slowly(key, data, *, version):
        renewed = await replace(key, data, version=version)
        if data.startswith(b"one ") and not written.is_set():
            renewing.set()
            await written.wait()  # the store has it, and the answer is on its way
        return renewed

    monkeypatch.setattr(store, "replace", replace_slowly)
    async with one.lead() as leading:
        assert leading
        await renewing.wait()
        asyncio.get_running_loop().call_later(0.1, written.set)
    async with other.lead() as leading:
        assert leading
