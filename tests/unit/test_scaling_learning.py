"""What our own rule learns, part by part: rates, idle times, boots, and how many workers that asks for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facefleet.core.fleet import Bounds, Observation
from facefleet.core.scaling import policy
from facefleet.core.scaling.forecast import Arrivals, Season, Trend
from facefleet.core.scaling.idle import Idleness, Pace, latest
from facefleet.core.scaling.learned import Learned
from facefleet.core.scaling.levels import Levels
from facefleet.core.scaling.persistence import Persistence
from facefleet.core.scaling.staffing import Crew, Missing, erlang_slots, slots_ahead
from facefleet.core.scaling.terms import Objective
from facefleet.core.scaling.view import crew


@pytest.mark.parametrize(
    ("offered", "wait", "share"), [(12, 0.4, 0.01), (0.055, 0.4, 0.01), (3, 40, 0.01), (50, 0, 0.2)]
)
def test_erlang_slots_are_the_fewest_by_the_textbook_sum(offered, wait, share):
    """P(wait > w) from the sum over states, not from the recursion."""

    def late(slots):
        if slots <= offered:
            return 1.0
        terms = [offered**k / math.factorial(k) for k in range(slots)]
        last = offered**slots / math.factorial(slots) * slots / (slots - offered)
        return last / (sum(terms) + last) * math.exp(-(slots - offered) * wait)

    slots = math.ceil(erlang_slots(offered, wait, share))
    assert late(slots) <= share < late(slots - 1)


@pytest.mark.parametrize("rate_hz", [10.0, 18.5, 18.9, 19.1, 40.0])
def test_no_more_slots_are_asked_for_than_there_may_be(rate_hz):
    """A load just below the maximum needs more than that to be begun in time."""
    asked = slots_ahead(
        in_service=3.0,
        rate_hz=rate_hz,
        service_s=1.0,
        variability=1.0,
        blind_s=60.0,
        slo_s=0.5,
        late_share=0.01,
        most=19,
    )
    assert asked == 19.0 if rate_hz > 15 else asked < 19.0


def test_a_step_in_the_rate_is_believed_soon_and_a_steady_rate_is_averaged_long():
    """Ten a second for an hour, then thirty: within three looks the forecast has moved."""
    rng = np.random.default_rng(5)
    arrivals, total = Arrivals(), 0
    for second in range(3600):
        total += int(rng.poisson(10))
        arrivals = arrivals.add(float(second), total)
    assert arrivals.trend(1.0).rate_hz(0.0) == pytest.approx(10, rel=0.05)
    for second in range(3600, 3604):
        total += int(rng.poisson(30))
        arrivals = arrivals.add(float(second), total)
    assert arrivals.trend(1.0).rate_hz(0.0) > 20
    assert len(arrivals.times_s) < 500


def test_silence_after_a_step_of_load_is_not_averaged_with_it():
    """3.5 a second for a minute and a half, then nothing: within five looks the rate is zero, and stays there."""
    rng = np.random.default_rng(0)
    arrivals, total, rates = Arrivals(), 0, []
    for second in range(120):
        total += int(rng.poisson(3.5)) if second < 90 else 0
        arrivals = arrivals.add(float(second), total)
        rates.append(arrivals.trend(1.0).rate_hz(2.4))
    assert rates[89] > 2
    assert set(rates[94:]) == {0.0}


def look(persistence, now_s, total, hz, *, settled_hz=0.0, span_s=1.0, total_before=None):
    """Show a rate that has lasted for `span_s` of the ten seconds that an order reaches, on top of a settled one."""
    share = min(1.0, span_s / 10)
    before = total if total_before is None else total_before
    mean_hz = hz * share + settled_hz * (1 - share)
    return persistence.add(now_s, before, total, Trend(level_hz=hz, span_s=span_s), 10.0, mean_hz=mean_hz)


def steady(persistence, now_s, total, hz):
    """Show a rate at three looks until now, after a while without one."""
    for at_s in (now_s - 12, now_s - 4, now_s):
        persistence = look(persistence, at_s, total, hz, span_s=60.0)
    return persistence


def bursts(count, came, *, settled_hz=0.0, rate_hz=10.0, before=None):
    """Show rates of one look's age, each on top of a settled one, and what came in the ten seconds after."""
    persistence, now_s, total = before or Persistence(), 0.0, 0
    for _ in range(count):
        persistence = steady(persistence, now_s, total, settled_hz)
        persistence = look(persistence, now_s + 1, total, rate_hz, settled_hz=settled_hz)
        persistence = look(persistence, now_s + 11, total + came, settled_hz, span_s=60.0, total_before=total)
        now_s, total = now_s + 600, total + came
    return persistence


def seen_anew(persistence, *, settled_hz=0.0, rate_hz=10.0):
    """Return it with a settled rate, and then one of a look's age."""
    settled = steady(persistence, 1e6, 0, settled_hz)
    return look(settled, 1e6 + 1, 0, rate_hz, settled_hz=settled_hz)


def test_of_a_young_rate_as_much_is_believed_as_came_of_those_before():
    """Ten a second promise a hundred in ten seconds; what comes is twenty each time, at once or not."""
    assert seen_anew(bursts(3, 20)).outlook(math.inf).coming(10.0) == pytest.approx(100)
    doubted = seen_anew(bursts(4, 20))
    assert doubted.outlook(math.inf).coming(10.0) == pytest.approx(20)
    assert doubted.outlook(math.inf).coming(1.0) == pytest.approx(10)
    assert doubted.lasting_hz(5.0) == pytest.approx(2)
    assert seen_anew(bursts(4, 5000)).outlook(math.inf).coming(10.0) == pytest.approx(100)
    assert seen_anew(bursts(32, 100, before=bursts(40, 20))).outlook(math.inf).coming(10.0) == pytest.approx(100)


def test_what_is_new_is_reckoned_with_for_as_long_as_no_later_order_helps():
    """Ten a second since a second ago, so one on average over a boot and a look, and nine that are new.

    These count for the four seconds in which no later order helps, or where it always does for a quarter of ten.
    """
    young = seen_anew(Persistence())
    assert young.outlook(4.0).coming(10.0) == pytest.approx(10 + 9 * 4)
    assert young.outlook(4.0).coming(3.0) == pytest.approx(30)
    assert young.outlook(-20.0).coming(10.0) == pytest.approx(10 + 9 * 2.5)
    assert seen_anew(Persistence(), rate_hz=50.0).outlook(-20.0).coming(10.0) == pytest.approx(5 * (10 + 9 * 2.5))


def test_of_what_is_new_no_more_is_reckoned_with_than_is_believed():
    """A fifth of it, after bursts: two seconds of ten."""
    doubted = seen_anew(bursts(4, 20))
    assert doubted.outlook(4.0).coming(10.0) == pytest.approx(20)


def test_the_longer_a_rate_has_lasted_the_less_of_it_is_new():
    """Until it has lasted for as long as an order reaches, and is reckoned with to the end."""
    begun = seen_anew(Persistence())
    coming = [
        look(begun, 1e6 + age_s, 0, 10.0, span_s=age_s).outlook(-20.0).coming(60.0) for age_s in (1.0, 5.0, 9.9, 10.0)
    ]
    assert coming == pytest.approx([60 + 9 * 2.5, 300 + 5 * 2.5, 594 + 0.1 * 2.5, 600])
    risen = seen_anew(Persistence(), settled_hz=4.0)
    assert risen.outlook(-20.0).coming(10.0) == pytest.approx(4 * 10 + 0.6 * 10 + 5.4 * 2.5)


def test_what_a_rate_that_has_lasted_rises_by_is_new_beyond_the_mean():
    """From nine a second to eleven within twenty seconds, ten and a half in the last ten."""
    rising = Trend(level_hz=10.0, rise_hz_per_s=0.1, span_s=20.0)
    lasting = Persistence().add(1e6, 0, 0, rising, 10.0, mean_hz=10.5)
    assert lasting.outlook(-20.0).coming(60.0) == pytest.approx(10.5 * 60 + 0.5 * 2.5)
    risen = steady(bursts(8, 80, settled_hz=8.0, rate_hz=14.0), 1e6, 0, 10.0)
    doubted = risen.add(1e6 + 1, 0, 0, rising, 10.0, mean_hz=10.5)
    assert doubted.outlook(-20.0).coming(60.0) == pytest.approx(600)


def test_a_mean_says_neither_less_nor_more_than_what_has_settled_or_is_left():
    """By chance a little less came of late; and after a fall more came before."""
    lasting = Persistence().add(1e6, 0, 0, Trend(level_hz=10.0, span_s=60.0), 10.0, mean_hz=8.0)
    assert lasting.outlook(-20.0).coming(60.0) == pytest.approx(600)
    fallen = lasting.add(1e6 + 1, 0, 0, Trend(level_hz=6.0, span_s=1.0), 10.0, mean_hz=9.6)
    assert fallen.outlook(-20.0).coming(60.0) == pytest.approx(360)


def test_the_mean_is_that_of_a_slow_boot_and_a_look():
    """Thirty requests count in it for as long."""
    quiet = Observation(
        now_s=0.0, visible=0, in_flight=0, enqueued_total=0, finished_total=0, busy_ms_total=0.0, boot_s=40.0
    )
    learned, counted_s = Learned(), []
    for number in range(60):
        total = 30 if number >= 20 else 0
        seen = replace(quiet, now_s=5.0 * number, enqueued_total=total, finished_total=total)
        learned = learned.add(seen, slots=9, slo_s=2.0, regret_s=1.0, minimum_s=60.0)
        if learned.persistence.mean_hz * learned.persistence.horizon_s == pytest.approx(30):
            counted_s.append(seen.now_s)
    assert counted_s[0] == 100.0
    assert 0 <= 95.0 + learned.persistence.horizon_s - counted_s[-1] < 5.0


def test_a_rate_that_has_lasted_is_not_doubted():
    """Bursts that were over at once say nothing of a load that goes on for ten seconds, at this rate or above."""
    lasting = seen_anew(bursts(8, 20))
    for second, hz in enumerate((12.0, *(10.0,) * 8)):
        assert lasting.lasting_hz(5.0) < 5
        lasting = look(lasting, 1e6 + 2 + second, 0, hz)
    assert lasting.outlook(math.inf).coming(10.0) == pytest.approx(100)
    assert lasting.lasting_hz(5.0) == pytest.approx(10)


def test_requests_that_are_consistent_with_the_silence_before_are_a_guess_all_the_same():
    """Of nine at once the window is that of eighty seconds, and what came of bursts so far is nothing."""
    silent = steady(bursts(8, 0), 1e6, 0, 0.0)
    assert look(silent, 1e6 + 5, 9, 0.075, span_s=80.0).outlook(math.inf).coming(10.0) == 0


@pytest.mark.parametrize("late_s", [11.0, 30.0, 70.0])
def test_after_a_late_look_a_burst_from_nothing_is_no_rise_of_a_load(late_s):
    """Spread over the time that nobody looked it seems to be one, for ten seconds."""
    late = look(steady(Persistence(), 0.0, 0, 0.0), late_s, 40, 40 / late_s, span_s=late_s, total_before=0)
    after = look(late, late_s + 1, 80, 40.0, total_before=40)
    assert (after.settled_hz, after.rises.hoped) == (0.0, 0.0)
    assert after.onsets.hoped > 0


def test_a_rise_of_a_settled_load_is_not_doubted_for_bursts_from_nothing():
    """Nor the other way round; and what had settled is never doubted."""
    after_bursts = seen_anew(bursts(8, 20), settled_hz=8.0, rate_hz=14.0)
    assert after_bursts.outlook(math.inf).coming(10.0) == pytest.approx(140)
    after_rises = bursts(8, 80, settled_hz=8.0, rate_hz=14.0)
    assert seen_anew(after_rises).outlook(math.inf).coming(10.0) == pytest.approx(100)
    assert seen_anew(after_rises, settled_hz=8.0, rate_hz=14.0).outlook(math.inf).coming(10.0) == pytest.approx(80)


def test_a_greater_promise_says_more_but_one_does_not_outweigh_all():
    """One of 46,000 of which nothing came, among 31 of a hundred that came true."""
    one = bursts(31, 100, before=bursts(1, 0, rate_hz=4600.0))
    assert 0.4 < seen_anew(one).outlook(math.inf).coming(10.0) / 100 < 0.8


def test_what_chance_explains_is_no_promise():
    """A hundred and ten where a hundred had settled."""
    assert bursts(8, 0, settled_hz=10.0, rate_hz=11.0).rises.shares == ()


@pytest.mark.parametrize("jump_s", [-1e6, 1e6])
def test_promises_that_a_jump_of_the_clock_interrupts_tell_nothing(jump_s):
    """Neither are they counted, nor kept for ever."""
    persistence = Persistence()
    for number in range(8):
        at_s = number % 2 * jump_s + number
        persistence = look(persistence, at_s, number + 1, 10.0, total_before=number)
    assert persistence.onsets.shares == ()


def test_a_history_that_skips_silent_looks_decides_promises_all_the_same():
    """The next look is an hour later: nothing came since the one before, so what came in time is known."""
    persistence = look(look(Persistence(), -1.0, 0, 0.0), 0.0, 5, 10.0, total_before=0)
    persistence = look(persistence, 5.0, 30, 5.0, span_s=5.0, total_before=5)
    assert look(persistence, 3600.0, 30, 0.0).onsets.shares == ((0.25, 10.0),)
    assert look(persistence, 3600.0, 31, 0.0, total_before=30).onsets.shares == ()


def test_a_season_that_has_proved_itself_is_not_doubted_for_bursts_that_did_not_last():
    """The rate of a young window counts a fifth, that of the hour of the day in full."""
    season = Season(period_s=960.0, rates_hz=(6.0,) * 96, error_hz=0.1, error_of_last_hz=1.0)
    learned = Learned(persistence=seen_anew(bursts(4, 20)), seasons=(season,), now_s=5.0)
    assert learned.outlook(math.inf).coming(10.0) == pytest.approx(60)
    assert learned.lasting_hz(5.0) == pytest.approx(6)
    assert replace(learned, seasons=()).outlook(math.inf).coming(10.0) == pytest.approx(20)


def test_the_rule_allows_for_boots_that_differ():
    """It reckons with the slowest boot measured."""
    learned, seen = Learned(), Observation(now_s=0.0, visible=0, in_flight=0, boot_s=40.0)
    assert crew(seen, learned, 40.0, 99.0).late_boot_s == pytest.approx(10.0)
    seen = replace(seen, boot_spread=(0.5, 1.5))
    assert crew(seen, learned, 40.0, 99.0).late_boot_s == pytest.approx(20.0)


def test_boots_that_differ_need_more_workers_than_even_ones_but_no_more_than_requests():
    """A hundred requests of a second, due 20 s after the mean boot; the slowest comes 15 s late."""

    def slots(late_boot_s, requests=100.0, spread=0.0, sigmas=0.0):
        alone = Crew(free=0, busy=0, ready_s=(), service_s=1.0, late_boot_s=late_boot_s, sigmas=sigmas)
        missing = Missing(mean=requests, spread=spread, most=requests + spread)
        return alone.more_slots(missing, within_s=65.0, ready_s=45.0)

    assert slots(0.0) == pytest.approx(100 / 21)
    assert slots(0.0) < slots(7.0) < slots(15.0) < 10
    assert slots(0.0) < slots(0.0, spread=10.0) == pytest.approx(110 / 21)
    assert slots(15.0) < slots(15.0, spread=10.0) < slots(15.0, spread=10.0, sigmas=2.0)
    assert slots(15.0, requests=6.0) == pytest.approx(1.0)
    boots_s = np.random.default_rng(3).uniform(30.0, 60.0, (20_000, int(np.ceil(slots(15.0)))))
    begun = (1 + np.maximum(0.0, 65.0 - boots_s)).sum(axis=1)
    assert np.mean(begun >= 100) > 0.95
    more = int(np.ceil(slots(15.0, sigmas=2.33)))
    boots_s = np.random.default_rng(4).uniform(30.0, 60.0, (20_000, more))
    begun = more + np.random.default_rng(5).poisson(np.maximum(0.0, 65.0 - boots_s)).sum(axis=1)
    assert np.mean(begun >= 100) > 0.97


def test_it_is_too_soon_until_the_shortest_idle_time_to_reckon_with_is_a_boot_away():
    """Idle times of ten minutes; nothing is too soon while there is work, or before there is a pattern."""
    idle = Idleness(gaps=((600.0, 2.0),) * 10, since_s=0.0, last_s=0.0)
    assert idle.too_soon(10.0, 45.0)
    assert idle.too_soon(520.0, 45.0)
    assert not idle.too_soon(560.0, 45.0)
    assert not replace(idle, since_s=None).too_soon(10.0, 45.0)
    assert not replace(idle, gaps=idle.gaps[:3]).too_soon(10.0, 45.0)


def test_how_long_a_burst_takes_to_be_done_does_not_blur_when_the_next_comes():
    """Bursts every ten minutes, done after five minutes at first and after one in the end."""
    pace = Pace(tick_s=5.0, boot_s=45.0, reach_s=50.0, leave_s=60.0, patience_s=10.0, apart_s=0.0)
    idle, total = Idleness(), 0
    for number, done_s in enumerate((300, 200, 100, 60, 60, 60)):
        for into_s in range(0, 600, 5):
            before, total = total, 40 * (number + 1)
            idle = idle.add(600.0 * number + into_s, before, total, busy=into_s < done_s, rate_hz=0.0, pace=pace)
    assert [gap_s for gap_s, _ in idle.gaps] == [600.0] * 5


def play_requests(counts, idle=None, *, rate_hz):
    """Return idle times after so many requests at each look, a second apart and done before the next."""
    pace = Pace(tick_s=1.0, boot_s=2.0, reach_s=3.0, leave_s=30.0, patience_s=3.0, apart_s=0.0)
    idle, total = idle or Idleness(), 1
    for number, count in enumerate(counts):
        before, total = total, total + count
        idle = idle.add(float(number), before, total, busy=False, rate_hz=rate_hz, pace=pace)
    return idle


@pytest.mark.parametrize(
    ("silence_s", "count", "rate_hz", "idle_times"),
    [
        (2, 1, 1.0, 0),  # one in seven looks is followed by such a one
        (1, 9, 1.0, 0),  # less than a boot
        (2, 5, 1.0, 1),  # so many do not come at once by chance
        (20, 1, 1.0, 1),  # nor does nobody for so long
        (20, 1, 0.3, 0),
        (29, 1, 0.1, 0),
        (30, 1, 0.1, 1),  # a worker may leave in the meantime
        (20, 1, 0.05, 1),  # one or two in that time are no load
    ],
)
def test_an_idle_time_is_a_silence_that_the_load_does_not_explain(silence_s, count, rate_hz, idle_times):
    """Looks a second apart, boots of two seconds, half a minute for a start."""
    idle = play_requests([1, *[0] * (silence_s - 1), count], rate_hz=rate_hz)
    assert len(idle.gaps) == idle_times


def test_what_was_taken_for_an_idle_time_by_chance_is_forgotten_and_nights_are_not():
    """Four silences by chance for each; those in which workers may leave stay."""
    night, by_chance = (30_000.0, 3.0), (2.0, 2.0)
    idle = Idleness(gaps=(by_chance, night, by_chance, night))
    gaps = [play_requests([1] + [0, 0, 1] * count, idle, rate_hz=1.0).gaps for count in (3, 4, 8, 40)]
    assert gaps == [idle.gaps, (night, by_chance, night), (night, night), (night, night)]


def test_nobody_is_kept_for_longer_than_an_hour_for_idle_times_of_days():
    """However dear it is to come too late."""
    levels = Levels()
    for at_s in (0.0, 1800.0, 90_000.0, 91_800.0, 180_000.0):
        for level in (1, 0):
            levels = levels.add(at_s + 1 - level, level, 1e9)
    assert 0 < levels.cheapest_s <= 3600


@pytest.mark.parametrize("at", [0.001, 50.0, 99.99, 99.9999])
def test_a_window_of_any_percentage_holds_an_idle_time_like_the_others(at):
    """Ten idle times of a minute: nobody waits for less than that, or for an hour."""
    assert 60.0 < latest(((60.0, 2.0),) * 10, at) < 70.0


def test_the_longest_idle_time_to_reckon_with_is_that_of_chance_where_chance_decides():
    """Exponential idle times, as their quantiles: the next is longer than 4.6 times the mean once in a hundred."""
    quantiles = -np.log1p(-(np.arange(24) + 0.5) / 24)
    mean = quantiles.mean()
    assert 4.3 * mean < latest(tuple((float(gap), 1.0) for gap in quantiles), 99.0) < 6.5 * mean


def test_before_there_is_a_pattern_work_may_come_back_for_up_to_an_hour():
    """The surer it shall be, the longer; with a pattern, that says when."""
    idle = Idleness(gaps=((60.0, 1.0),) * 3, since_s=0.0, last_s=0.0)
    assert idle.unknown(30.0, 45.0, 50.0)
    assert not idle.unknown(1000.0, 45.0, 50.0)
    assert idle.unknown(1000.0, 45.0, 99.0)
    assert not idle.unknown(3601.0, 45.0, 100.0)
    assert not replace(idle, gaps=idle.gaps * 2).unknown(30.0, 45.0, 50.0)


def test_a_season_is_trusted_once_it_foretells_better_than_yesterday_s_weather():
    """A square day: low, high, low; on the third day the rise is known before it comes."""
    season, total = Season(period_s=9600.0), 0
    for second in range(0, 3 * 9600, 10):
        total += 100 if (second // 2400) % 2 else 10
        season = season.add(float(second), total)
        if second < 9600:
            assert season.rate_hz(second + 2400.0) == 0.0
    assert season.rate_hz(3 * 9600 + 2450.0) == pytest.approx(10.0, rel=0.1)


@given(levels=st.lists(st.integers(0, 4), min_size=1, max_size=60), boot_s=st.sampled_from([2.0, 10.0, 45.0]))
def test_the_keeping_time_learned_is_the_cheapest_of_all(levels, boot_s):
    """Against every other keeping time, over the idle times it has seen."""
    known = Levels()
    for step, level in enumerate(levels):
        known = known.add(5.0 * step, level, boot_s)

    def cost(kept_s):
        return sum(idle if idle <= kept_s else kept_s + boot_s for idle in known.samples)

    assert all(cost(known.cheapest_s) <= cost(other) + 1e-9 for other in (0.0, *known.samples))


@pytest.mark.parametrize(("slo_s", "idle_s", "kept_s"), [(300.0, 20.0, 0.0), (2.0, 20.0, 20.0), (2.0, 40.0, 0.0)])
def test_idle_workers_are_kept_for_lateness_and_not_for_their_boot(slo_s, idle_s, kept_s):
    """Boots of 45 s: who can wait for one needs nobody kept; else as long as that is cheaper than coming too late."""
    rule = policy("facefleet", objective=Objective(slo_s=slo_s))
    memory, at_s = rule.begin(), 0.0
    for number in range(20):
        seen = Observation(now_s=at_s, visible=0, in_flight=2, boot_s=45.0, enqueued_total=2 + number)
        for look in range(1 + int(idle_s / 5)):
            now = replace(seen, now_s=at_s, in_flight=1 if look else 2)
            _, memory = rule.decide(now, Bounds(minimum=0, maximum=19), memory)
            at_s += 5.0
    assert memory.learned.levels.cheapest_s == kept_s
