"""What every `Keys` and every `Receipts` promises."""

import pytest

from facefleet.adapters.memory import MemoryKeys, MemoryReceipts
from facefleet.adapters.postgres_keys import PostgresKeys, PostgresReceipts
from facefleet.core.keys import AccessKey, Grant, Scope
from facefleet.errors import AlreadyExists, NotFound

KEEP_S = 60.0


@pytest.fixture(params=["memory", "postgres"])
def keys(request):
    return MemoryKeys() if request.param == "memory" else PostgresKeys(request.getfixturevalue("database"))


@pytest.fixture(params=["memory", "postgres"])
def receipts_and_time(request):
    """Receipts, and what lets their time pass."""
    if request.param == "memory":
        now_s = [1000.0]

        async def elapse():
            now_s[0] += KEEP_S

        return MemoryReceipts(keep_s=KEEP_S, clock=lambda: now_s[0]), elapse
    database = request.getfixturevalue("database")

    async def elapse():
        await database.run("UPDATE receipts SET expires_at = expires_at - %s * interval '1 s'", [KEEP_S])

    return PostgresReceipts(database, keep_s=KEEP_S), elapse


@pytest.fixture
def receipts(receipts_and_time):
    return receipts_and_time[0]


@pytest.fixture
def elapse_receipts(receipts_and_time):
    return receipts_and_time[1]


def key(name, *, scope=Scope.READ, collections=None, created_s=1.0):
    grant = Grant(scope=scope, collections=None if collections is None else frozenset(collections))
    return AccessKey(access_key_id=name, grant=grant, created_s=created_s, sealed_secret=b"\x00sealed\xff")


@pytest.mark.parametrize("collections", [None, ["staff"], ["b", "a"]])
@pytest.mark.parametrize("scope", list(Scope))
async def test_a_key_comes_back_as_it_was_kept(keys, scope, collections):
    """Scope, collections, time and sealed secret, byte for byte."""
    kept = key("K", scope=scope, collections=collections, created_s=1234.5)
    await keys.add(kept)
    assert await keys.key("K") == kept


async def test_keys_are_listed_oldest_first(keys):
    """Whatever order they were added in."""
    for name, created_s in (("b", 2.0), ("c", 1.0), ("a", 2.0)):
        await keys.add(key(name, created_s=created_s))
    assert [one.access_key_id for one in await keys.keys()] == ["c", "a", "b"]


async def test_an_id_is_taken_once(keys):
    """AlreadyExists, and the first stays."""
    await keys.add(key("K", scope=Scope.READ))
    with pytest.raises(AlreadyExists):
        await keys.add(key("K", scope=Scope.ADMIN))
    assert (await keys.key("K")).grant.scope is Scope.READ


async def test_a_revoked_key_is_gone(keys):
    """NotFound from then on, also for revoking it again."""
    await keys.add(key("K"))
    await keys.revoke("K")
    for forgotten in (keys.key("K"), keys.revoke("K")):
        with pytest.raises(NotFound):
            await forgotten
    assert list(await keys.keys()) == []


async def test_a_receipt_is_found_until_its_time(receipts, elapse_receipts):
    """The digest and the answer, byte for byte; then nothing."""
    assert await receipts.find("t") is None
    await receipts.keep("t", "digest", b'{"a": "\xc3\xbc"}')
    assert await receipts.find("t") == ("digest", b'{"a": "\xc3\xbc"}')
    await elapse_receipts()
    assert await receipts.find("t") is None


async def test_the_first_answer_stays(receipts, elapse_receipts):
    """Two nodes that answer the same token at once: the first is what is answered again, until its time."""
    await receipts.keep("t", "one", b"1")
    await receipts.keep("t", "two", b"2")
    assert await receipts.find("t") == ("one", b"1")
    await elapse_receipts()
    await receipts.keep("t", "three", b"3")
    assert await receipts.find("t") == ("three", b"3")


def test_a_key_does_not_show_its_secret():
    """Not even the sealed one: a repr may be logged."""
    assert "sealed" not in repr(key("K"))
