"""What all nodes of an SQS queue have sent and heard of is known for good, though each node's object expires."""

from dataclasses import replace

import pytest

from facefleet.adapters.objects import Objects
from facefleet.adapters.sqs_totals import SharedTotals, Totals
from facefleet.errors import Unavailable

HOUR_S = 3600.0


class Site:
    """A store whose objects of jobs go a day after they were left, and its time."""

    def __init__(self, folder):
        self.store = Objects(folder.as_uri())
        self.now_s = 1_700_000_000.0
        self._left_s = {}
        put = self.store.put

        async def left(key, data, **options):
            self._left_s[key] = self.now_s
            await put(key, data, **options)

        self.store.put = left

    def node(self, name):
        return SharedTotals(self.store, node=name, now_s=lambda: self.now_s)

    async def pass_time(self, hours, *nodes):
        """Every ten minutes each of these looks, as it does when it is asked; each has its own totals."""
        for _ in range(int(hours * 6)):
            self.now_s += HOUR_S / 6
            expired = [key for key, at_s in self._left_s.items() if self.now_s - at_s > 24 * HOUR_S]
            await self.store.delete([key for key in expired if key.startswith("jobs/")])
            for node, enqueued in nodes:
                await node.add(self.totals(enqueued))

    async def known_later(self):
        """How many requests a node that starts now knows of."""
        return (await self.node("later").add(Totals(at_s=self.now_s))).enqueued

    def totals(self, enqueued):
        return Totals(enqueued=enqueued, finished=enqueued, busy_ms=2.0 * enqueued, at_s=self.now_s)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


async def test_what_a_node_left_that_is_gone_is_known_after_its_object_has_expired(site):
    """Whoever starts a week later counts from where it was; the one that lives meanwhile wrote it down."""
    gone, lives = site.node("gone"), site.node("lives")
    await gone.add(site.totals(600))
    await site.pass_time(8 * 24, (lives, 300))
    sums = await site.node("later").add(Totals(at_s=site.now_s))
    assert (sums.enqueued, sums.finished, sums.busy_ms) == (900, 900, 1800.0)
    assert sums.oldest_s is None


async def test_what_a_node_that_ends_left_is_known_though_nobody_was_there_for_weeks(site):
    """It writes it down itself; the last answers came after it had left its totals the last time."""
    node = site.node("one")
    await node.add(site.totals(600))
    await node.end(site.totals(601))
    await site.pass_time(20 * 24)
    assert await site.known_later() == 601


async def test_a_part_of_the_sum_is_not_taken_for_all_of_it(site, monkeypatch):
    """The store was away for a moment when a controller began; what comes later would be a rush of thousands."""
    gone, lives, later = site.node("gone"), site.node("lives"), site.node("later")
    await gone.add(site.totals(600))
    await site.pass_time(8, (lives, 300))
    read, away = site.store.get, True

    async def get(key):
        if away and key == "totals/ended":
            raise Unavailable("The store is away.")
        return await read(key)

    monkeypatch.setattr(site.store, "get", get)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await later.add(Totals(at_s=site.now_s))
    away = False
    assert (await later.add(Totals(at_s=site.now_s))).enqueued == 900
    away = True
    site.now_s += 2 * HOUR_S
    assert (await later.add(Totals(at_s=site.now_s))).enqueued == 900


async def test_what_a_node_that_is_idle_for_a_week_left_is_there_for_who_starts(site):
    """It leaves it again, though nothing changed."""
    idle = site.node("idle")
    await site.pass_time(8 * 24, (idle, 600))
    assert await site.known_later() == 600


async def test_a_node_that_slept_and_goes_on_is_not_counted_twice(site):
    """It was taken for gone, and written down."""
    sleeper, lives = site.node("sleeper"), site.node("lives")
    await sleeper.add(site.totals(600))
    await site.pass_time(12, (lives, 300))
    await site.pass_time(12, (lives, 300), (sleeper, 650))
    assert await site.known_later() == 950
    await site.pass_time(8 * 24, (lives, 300))
    assert await site.known_later() == 950


async def test_how_long_requests_have_waited_is_known_though_nothing_changes(site):
    """No worker is there yet: a controller elsewhere that takes them for new puts off its order."""
    sends, counts = site.node("sends"), site.node("counts")
    sent_s = site.now_s
    for _ in range(10):
        await sends.add(replace(site.totals(3), finished=0, oldest_s=sent_s))
        assert (await counts.add(Totals(at_s=site.now_s))).oldest_s == sent_s
        site.now_s += 5


async def test_what_one_wrote_down_and_another_overwrote_is_written_again(site):
    """Two wrote at the same moment."""
    gone, lives = site.node("gone"), site.node("lives")
    await gone.add(site.totals(600))
    await site.pass_time(8, (lives, 300))
    await site.store.put("totals/ended", b"{}")
    await site.pass_time(8 * 24, (lives, 300))
    assert await site.known_later() == 900
