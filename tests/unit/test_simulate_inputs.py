"""What `facefleet simulate` reads, and what it says of what it cannot."""

import json
import re
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from facefleet.cli.exits import ExitStatus, Failure
from facefleet.cli.simulate import commands
from facefleet.core.fleet import Bounds
from facefleet.errors import InvalidInput
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.experiment import Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.recording import from_csv, from_history
from facefleet.lab.simulate.workload import Shape, synthetic


def written(folder, text, name="trace.csv"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def simulate(*arguments):
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def remarks(result):
    """Return what is said on stderr, but for the line that says what is simulated."""
    *said, assumed = result.stderr.splitlines()
    assert re.fullmatch(
        r"\S+: [\d,]+ requests in [\d,]+ s, work \S+, boot \S+, \d+ to \d+ workers, a look every .*", assumed
    )
    return said


# Traces


@pytest.mark.parametrize(
    "text",
    [
        "TIMESTAMP,Tokens\n2023-11-16 18:17:03.9799600,4\n2023-11-16 18:17:05.9799600,5\n",
        "100.5\n102.5\n",
        "at\n2023-11-16T18:17:05Z\n2023-11-16T18:17:03Z\n",
        '"2023-11-16 18:17:03",1\n\n"2023-11-16 18:17:05",2\n',
        "\ufeff2023-11-16 18:17:03\n2023-11-16 18:17:05\n",
    ],
)
def test_a_trace_is_read_from_its_first_column(tmp_path, text):
    """Dates or seconds, with a heading or without, in any order; counted from the first."""
    assert from_csv(written(tmp_path, text)).arrivals_s == pytest.approx([0.0, 2.0])


def test_a_bad_timestamp_is_named_with_its_line(tmp_path):
    """The third line, and what it begins with."""
    with pytest.raises(InvalidInput, match=r"Line 3 .*'later'"):
        from_csv(written(tmp_path, "TIMESTAMP\n2023-11-16 18:17:03\nlater,4\n"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("name;at\nann;1\n", r"seconds \(12.5\) or a date and time"),
        ("1767600000000\n1767600000010\n", "no milliseconds"),
        ('{"at_s": 1, "seen": {}}\n{"at_s": 2, "seen": {}}\n', "--from-history"),
    ],
)
def test_who_gives_something_else_is_told_what_to_give(tmp_path, text, advice):
    with pytest.raises(InvalidInput, match=advice):
        from_csv(written(tmp_path, text))


def test_work_and_boot_are_those_of_the_history_unless_they_are_given(tmp_path):
    """A photo took 50 ms there and a boot three seconds; what else is assumed is said."""
    seen = {"enqueued_total": 0, "finished_total": 0, "busy_ms_total": 0.0, "boot_s": 2.0}
    later = {"enqueued_total": 40, "finished_total": 40, "busy_ms_total": 2000.0, "boot_s": 3.0}
    lines = [
        {"at_s": 10.0, "seen": seen},
        {"at_s": 20.0, "seen": later},
        {"at_s": 30.0, "seen": {"enqueued_total": 40}},
    ]
    history = written(tmp_path, "\n".join(map(json.dumps, lines)), "history.jsonl")
    options = ("--from-history", history, "--policy", "naive", "--seeds", 1)
    assert simulate(*options).stderr == (
        "history: 40 requests in 20 s, work exp:0.05, boot 3, 0 to 19 workers, a look every 1 s.\n"
    )
    assert "work 2, boot 5," in simulate(*options, "--service", 2, "--boot", 5).stderr
    plain = written(tmp_path, '{"arrived_s": 1}\n{"arrived_s": 2}\n', "plain.jsonl")
    assert "work exp:1, boot 1," in simulate("--from-history", plain, "--policy", "naive", "--seeds", 1).stderr


def test_an_arrival_at_no_time_is_named_with_its_line(tmp_path):
    """Two good ones do not make up for it, and at the beginning it is no heading."""
    with pytest.raises(InvalidInput, match=r"Line 2 .*'nan'"):
        from_csv(written(tmp_path, "1\nnan\n3\n"))
    with pytest.raises(InvalidInput, match=r"Line 1 .*'inf'"):
        from_csv(written(tmp_path, "inf\n1\n3\n"))


def test_dates_and_seconds_are_not_mixed(tmp_path):
    """They would be half a century apart."""
    with pytest.raises(InvalidInput, match=r"Line 3 .*plain seconds"):
        from_csv(written(tmp_path, "at\n2024-01-01T00:00:00\n5\n"))


@pytest.mark.parametrize("text", ["", "TIMESTAMP\n", "nan\n"])
def test_a_trace_without_arrivals_is_refused(tmp_path, text):
    """An empty simulation would look like a perfect one."""
    with pytest.raises(InvalidInput):
        from_csv(written(tmp_path, text))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    """A photo, say."""
    file = tmp_path / "photo.csv"
    file.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InvalidInput, match="not text"):
        from_csv(file)


def test_a_history_of_decisions_spreads_what_was_enqueued_over_the_time_between(tmp_path):
    """Four requests in two seconds, then none, then a counter that began anew."""
    lines = [(10, 100), (12, 104), (14, 104), (16, 0), (18, 1)]
    text = "\n".join(json.dumps({"at_s": at, "seen": {"enqueued_total": total}}) for at, total in lines)
    assert from_history(written(tmp_path, text)).arrivals_s == pytest.approx([0.0, 0.5, 1.0, 1.5, 6.0])


def test_a_history_of_arrivals_is_taken_as_it_is(tmp_path):
    """One line a request."""
    text = '{"arrived_s": 5}\n{"arrived_s": 5.25}\n'
    assert from_history(written(tmp_path, text)).arrivals_s == pytest.approx([0.0, 0.25])


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"at_s": 1}',
        "[1]",
        '{"arrived_s": "soon"}',
        f'{{"arrived_s": 1{"0" * 400}}}',
        '{"at_s": 1, "seen": {"enqueued_total": -3}}',
        '{"at_s": 1, "seen": {"enqueued_total": Infinity}}',
        "[" * 100_000,
    ],
)
def test_a_line_of_history_that_is_neither_is_named(tmp_path, line):
    """With its number."""
    with pytest.raises(InvalidInput, match="Line 2 "):
        from_history(written(tmp_path, f'{{"arrived_s": 5}}\n{line}\n'))


def test_a_total_that_lags_for_one_look_makes_no_request(tmp_path):
    """Forty, thirty-nine and forty again, then one more."""
    lines = ((0, 40), (10, 39), (20, 40), (30, 41))
    text = "".join(f'{{"at_s": {at_s}, "seen": {{"enqueued_total": {total}}}}}\n' for at_s, total in lines)
    assert from_history(written(tmp_path, text)).arrivals_s.size == 1


def test_a_total_that_begins_anew_loses_no_request(tmp_path):
    """Two, and after the restart three more."""
    lines = ((0, 5), (10, 7), (20, 3))
    text = "".join(f'{{"at_s": {at_s}, "seen": {{"enqueued_total": {total}}}}}\n' for at_s, total in lines)
    assert from_history(written(tmp_path, text)).arrivals_s.size == 5


def test_a_total_that_no_memory_holds_is_refused(tmp_path):
    """The line is named, and what to do."""
    text = "".join(
        f'{{"at_s": {at_s}, "seen": {{"enqueued_total": {total}}}}}\n' for at_s, total in ((0, 5), (1, 1e300))
    )
    with pytest.raises(InvalidInput, match=r"Line 2 .*1e\+300 requests.* cut the history"):
        from_history(written(tmp_path, text))


def test_a_synthetic_workload_lasts_a_year_at_most():
    """It is made second by second, so that more would not fit the memory."""
    with pytest.raises(InvalidInput, match=r"trickle for 1,000 days .*--duration"):
        synthetic("trickle", Shape(rate_hz=1.0, duration_s=86_400e3), 1)


# Durations


@pytest.mark.parametrize(
    ("text", "mean_s"),
    [
        ("5", 5.0),
        ("30-60", 45.0),
        ("exp:2", 2.0),
        ("lognormal:3:0.5", 3.0),
        ("0", 0.0),
        ("exp:500ms", 0.5),
        ("1s-2s", 1.5),
        ("1e-3", 0.001),
        ("1e-3-3e-3", 0.002),
    ],
)
def test_durations_have_the_mean_that_they_name(text, mean_s):
    """Each form, drawn often."""
    drawn = durations(text).draw(np.random.default_rng(1), 100_000)
    assert durations(text).mean_s == pytest.approx(mean_s)
    assert drawn.mean() == pytest.approx(mean_s, rel=0.02)
    assert (drawn >= 0).all()


def test_measured_durations_are_drawn_from_those_in_the_file(tmp_path):
    """One number a line."""
    file = written(tmp_path, "1.5\n2.5\n", "boots.txt")
    assert set(durations(f"measured:{file}").draw(np.random.default_rng(1), 100)) == {1.5, 2.5}


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "60-30", "-5", "exp:0", "exp:", "lognormal:1:-1", "gamma:2", "inf", "exp:inf", "lognormal:1:inf"),
        *("nan", "exp:1e300", "1-1e300", "lognormal:1:1e200", "99999d"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_forms(text):
    """The sentence shows how to write one."""
    with pytest.raises(InvalidInput, match="exp:MEAN"):
        durations(text)


@pytest.mark.parametrize(("text", "named"), [("1\nslow\n", "Line 2 "), ("-1\n", "Line 1 "), ("", "holds no durations")])
def test_what_is_wrong_with_measured_durations_is_named(tmp_path, text, named):
    """The file, and the line."""
    with pytest.raises(InvalidInput, match=named):
        durations(f"measured:{written(tmp_path, text, 'boots.txt')}")


# The command


def test_the_table_has_a_line_for_each_policy():
    """In the order in which they were named."""
    result = simulate("single", "--policy", "naive,facefleet,clairvoyant,static 2", "--seeds", 2)
    assert result.exit_code == ExitStatus.DONE, result.output
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        "policy",
        "naive",
        "facefleet",
        "clairvoyant",
        "static 2",
    ]


def test_json_holds_the_same_figures_with_their_intervals():
    """For programs."""
    result = simulate("trickle", "--policy", "naive", "--json", "--duration", "10m", "--price", 0.36)
    outcome = json.loads(result.stdout)[0]
    assert outcome["policy"] == "naive"
    assert outcome["cost"]["mean"] == pytest.approx(outcome["instance_s"]["mean"] / 1e4)
    assert outcome["p99_s"]["plus_minus"] > 0


@pytest.mark.parametrize(("price", "digits"), [(0.0042, 4), (42.0, 2)])
def test_a_small_cost_is_shown_to_four_decimals(price, digits):
    """It would read 0.00."""
    result = simulate(
        "steady", "--policy", "static 2", "--duration", "10m", "--rate", 1, "--seeds", 1, "--price", price
    )
    header, row = (line.split("\t") for line in result.stdout.splitlines())
    shown = dict(zip(header, row, strict=True))["cost"]
    assert float(shown) > 0
    assert len(shown.partition(".")[2]) == digits


def test_options_that_shape_no_recorded_workload_are_said_to_be_ignored(tmp_path):
    """On stderr, so that the JSON remains one document; nothing is said where none is given."""
    trace = written(tmp_path, "1\n2\n")
    result = simulate(trace, "--rate", 5, "--duration", "1h", "--policy", "naive", "--seeds", 1, "--json")
    assert remarks(result) == ["Ignored: --rate, --duration, for trace is a recorded workload."]
    assert json.loads(result.stdout)[0]["policy"] == "naive"
    assert not remarks(simulate(trace, "--policy", "naive", "--seeds", 1))


@pytest.mark.parametrize(
    ("workload", "ignored"),
    [("single", "--rate, --day"), ("trickle", "--rate, --day"), ("bursts", "--rate, --day"), ("steady", "--day")],
)
def test_options_that_leave_no_mark_on_a_synthetic_workload_are_said_to_be_ignored(workload, ignored):
    """The rest counts, and is not mentioned."""
    options = ("--rate", 1, "--day", "10m", "--duration", "30m", "--policy", "static 1", "--seeds", 1)
    assert remarks(simulate(workload, *options)) == [f"Ignored: {ignored}, for {workload} does not depend on that."]
    assert not remarks(simulate("diurnal", *options))


@pytest.mark.parametrize("option", ["--capacity", "--max", "--warm", "--seeds"])
def test_absurd_counts_are_refused_by_name(option):
    """They would take for ever, and nothing is learned from them."""
    result = simulate("single", option, 10**20)
    assert result.exit_code
    assert option in result.stderr
    assert "less than or equal to" in result.stderr


def test_progress_is_shown_by_policy_and_seed_on_a_terminal_only(monkeypatch):
    """The results on stdout are the same."""
    arguments = ("single", "--policy", "naive", "--seeds", 2)
    quiet = simulate(*arguments)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = simulate(*arguments)
    assert "naive, seed 2" in shown.stderr
    assert not remarks(quiet)
    assert shown.stdout == quiet.stdout


def test_a_wrong_policy_is_refused_before_the_right_ones_are_run():
    """What they took would be lost."""
    begun = []
    experiment = Experiment(
        workload=lambda seed: synthetic("single", Shape(rate_hz=1.0), seed),
        service=durations("1"),
        world=World(),
        bounds=Bounds(minimum=0, maximum=1),
    )
    with pytest.raises(InvalidInput):
        experiment.compare(["naive", "nave"], [1], passed=lambda *run: begun.append(run))
    assert not begun


def test_the_table_is_printed_though_the_picture_fails(tmp_path):
    """What took its time is not lost."""
    dangling = tmp_path / "fleet.png"
    dangling.symlink_to(tmp_path / "missing" / "fleet.png")
    result = simulate("single", "--policy", "naive", "--seeds", 1, "--plot", dangling)
    assert "cannot be drawn" in result.exception.sentence
    assert result.stdout.splitlines()[1].startswith("naive\t")


def test_a_folder_is_no_picture(tmp_path):
    """Though its name ends in .png; it is said before anything is simulated."""
    folder = tmp_path / "fleet.png"
    folder.mkdir()
    result = simulate("single", "--policy", "naive", "--plot", folder)
    assert "it is a folder" in result.exception.sentence
    assert not result.stdout


def test_the_clairvoyant_is_left_out_of_a_picture(tmp_path):
    """Its companions are drawn, and stderr says who is missing."""
    file = tmp_path / "fleet.png"
    result = simulate("single", "--policy", "naive,clairvoyant", "--seeds", 1, "--plot", file)
    assert result.exit_code == ExitStatus.DONE, result.output
    assert "left out of the picture" in result.stderr
    assert file.exists()


def test_a_picture_is_drawn_of_the_runs(tmp_path):
    """A PNG of some size."""
    file = tmp_path / "fleet.png"
    result = simulate("spiky", "--policy", "naive,facefleet", "--seeds", 1, "--duration", "10m", "--plot", file)
    assert result.exit_code == ExitStatus.DONE, result.output
    assert file.read_bytes().startswith(b"\x89PNG")
    assert file.stat().st_size > 20_000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("steady", "--policy", "nave"), "no policy 'nave'; choose among facefleet, naive"),
        (("steady", "--policy", "nave"), "static N, clairvoyant."),
        (("single", "--policy", "clairvoyant", "--plot", "fleet.png"), "clairvoyant looks at no queue"),
        (("seady",), "no workload 'seady'; choose among steady"),
        (("missing.csv",), "Cannot read missing.csv"),
        (("--from-history", "missing.jsonl"), "Cannot read missing.jsonl"),
        ((), "Name one workload"),
        (("steady", "--from-history", "missing.jsonl"), "Name one workload"),
        (("steady", "--slo", "soon"), "write one like 250ms, 2s"),
        (("steady", "--budget", "3", "--price", "0.1"), "--budget: '3' is no amount"),
        (("steady", "--budget", "3/h"), "needs the --price"),
        (("steady", "--service", "often"), "write SECONDS"),
        (("steady", "--tick", "0s"), "--tick must be longer"),
        (("steady", "--min", "5", "--max", "3"), "--min 5 is more than --max 3"),
        (("single", "--policy", ""), "Name at least one policy"),
        (("steady", "--service", "0"), "--service must be longer"),
        (("steady", "--rate", "inf"), "inf requests are expected"),
        (("steady", "--rate", "1e300"), "requests are expected"),
        (("steady", "--rate", "0"), "No request of steady is counted"),
        (("steady", "--duration", "1m", "--warmup", "1h"), "--warmup leaves out 3600"),
        (("diurnal", "--day", "0"), "--day must be longer"),
        (("steady", "--duration", "0"), "--duration must be longer"),
        (("steady", "--stop", "-1"), "--stop: '-1' is no span of time"),
        (("steady", "--boot", "slow"), "--boot: 'slow' is no duration"),
        (("steady", "--price", "inf"), "--price must be a finite number"),
        (("steady", "--price", "1e308"), "1,000,000,000 at most"),
        (("steady", "--slo", "99999d"), "--slo: '99999d' is too long"),
        (("single", "--granularity", f"0.{'0' * 320}1"), "a microsecond at least"),
        (("single", "--budget", f"{'9' * 400}/h", "--price", "1"), "--budget: 9999"),
        (("trickle", "--duration", "9999d", "--tick", "9999d"), "trickle for 9,999 days is too long"),
        (("trickle", "--duration", "90d"), "7,776,000 looks of 1 s"),
        (("steady", "--plot", "missing/fleet.png"), "no folder missing"),
        (("steady", "--plot", "fleet"), "must end in one of .png"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_sentence(arguments, sentence):
    """With the exit status of a wrong command line."""
    failure = simulate(*arguments).exception
    assert isinstance(failure, Failure)
    assert failure.status == ExitStatus.USAGE
    assert sentence in failure.sentence
    assert "\n" not in failure.sentence


def history_of(tmp_path, *lines):
    text = "\n".join(json.dumps({"at_s": at, "seen": {"enqueued_total": total}}) for at, total in lines)
    return from_history(written(tmp_path, text))


def test_a_history_lasts_from_its_first_reading_to_its_last(tmp_path):
    """A quiet morning and a quiet evening cost what a fleet costs."""
    workload = history_of(tmp_path, (0, 5), (3600, 5), (3601, 6), (86_400, 6))
    assert workload.arrivals_s == pytest.approx([3600.0])
    assert workload.duration_s == 86_400


@pytest.mark.parametrize(
    ("totals", "requests"),
    [
        ((0, 1000, 600, 700, 800, 900, 1000), 2000),  # a restart, though not from nothing
        ((0, 40, 39, 39, 40, 41), 41),  # counts that lag for two looks
        ((0, 40, 39), 40),
        ((0, 1000, 300, 800), 1800),
        ((0, 1000, 997, 997, 998, 998, 1001), 1001),  # a node was killed, with what it had not told yet
    ],
)
def test_a_total_that_falls_lags_if_it_is_made_up_for_soon(*, tmp_path, totals, requests):
    """Otherwise it has begun anew."""
    assert history_of(tmp_path, *enumerate(totals)).arrivals_s.size == requests


def test_a_clock_that_was_set_back_makes_no_hour_twice(tmp_path):
    """Half an hour at the end of an hour; then time goes on."""
    lines = [(60 * n, n) for n in range(60)] + [(60 * (n + 30), 60 + n) for n in range(60)]
    workload = history_of(tmp_path, *lines)
    assert workload.arrivals_s.size == 119
    assert workload.duration_s == pytest.approx(59 * 60 + 59 * 60, abs=61)
    assert np.count_nonzero(np.diff(workload.arrivals_s) < 50) == 1


def test_what_a_clock_recorded_that_was_ahead_makes_no_year_of_silence(tmp_path):
    """The requests that came meanwhile are there."""
    workload = history_of(tmp_path, (0, 0), (60, 6), (31_536_000, 12), (120, 12), (180, 18))
    assert workload.arrivals_s.size == 18
    assert workload.duration_s == 180


def test_a_history_whose_last_clock_was_far_behind_is_refused(tmp_path):
    """Nothing else would be left of it."""
    with pytest.raises(InvalidInput, match="ends with a time before all others"):
        history_of(tmp_path, (1_000, 0), (1_060, 6), (3, 7))


def test_dates_without_a_zone_are_the_same_everywhere(tmp_path, monkeypatch):
    """New York set its clocks back that night."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        workload = from_csv(written(tmp_path, "2023-11-05 00:59:59\n2023-11-05 02:00:00\n"))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert workload.arrivals_s == pytest.approx([0.0, 3601.0])


def test_a_heading_may_follow_an_empty_line(tmp_path):
    """And only one."""
    assert from_csv(written(tmp_path, "\nat\n1\n2\n")).arrivals_s == pytest.approx([0.0, 1.0])
    with pytest.raises(InvalidInput, match=r"Line 2 .* 'of'"):
        from_csv(written(tmp_path, "at\nof\n1\n"))


def test_a_fixed_fleet_beyond_the_bounds_is_said_to_be_another():
    """The usual list has one as large as the maximum."""
    result = simulate("single", "--max", 4, "--min", 1, "--policy", "static 19,static 0,static 2", "--seeds", 1)
    assert remarks(result) == [
        "static 19 is a fleet of 4: see --min and --max.",
        "static 0 is a fleet of 1: see --min and --max.",
    ]
    result = simulate("single", "--max", 4, "--seeds", 1)
    assert "static 4" in result.stdout
    assert not remarks(result)


def test_those_who_keep_no_budget_are_named():
    """Or it would look as if they had."""
    options = ("--budget", "0.1/h", "--price", "0.1", "--seeds", 1)
    assert not remarks(simulate("single", *options, "--policy", "facefleet"))
    kept = remarks(simulate("single", *options, "--policy", "facefleet,naive"))
    assert kept == ["The --budget is kept by facefleet alone."]


def test_a_file_with_dollars_in_its_name_can_be_drawn(tmp_path):
    """Two of them begin and end mathematics in a picture's words."""
    trace = tmp_path / "bad$\\frac$.csv"
    trace.write_text("0\n30\n")
    file = tmp_path / "fleet.png"
    result = simulate(trace, "--policy", "naive", "--seeds", 1, "--plot", file)
    assert result.exit_code == 0
    assert file.stat().st_size > 0
