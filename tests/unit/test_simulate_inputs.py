"""What `facefleet simulate` reads, and what it says of what it cannot."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from facefleet.cli.exits import ExitStatus, Failure
from facefleet.cli.simulate import commands
from facefleet.errors import InvalidInput
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.workload import from_csv, from_history


def written(folder, text, name="trace.csv"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def simulate(*arguments):
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


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


def test_an_arrival_at_no_time_is_named_with_its_line(tmp_path):
    """Two good ones do not make up for it."""
    with pytest.raises(InvalidInput, match=r"Line 2 .*'nan'"):
        from_csv(written(tmp_path, "1\nnan\n3\n"))


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


@pytest.mark.parametrize("line", ["{", '{"at_s": 1}', "[1]", '{"arrived_s": "soon"}'])
def test_a_line_of_history_that_is_neither_is_named(tmp_path, line):
    """With its number."""
    with pytest.raises(InvalidInput, match="Line 2 "):
        from_history(written(tmp_path, f'{{"arrived_s": 5}}\n{line}\n'))


def test_a_total_that_begins_anew_loses_no_request(tmp_path):
    """Two, and after the restart three more."""
    lines = ((0, 5), (10, 7), (20, 3))
    text = "".join(f'{{"at_s": {at_s}, "seen": {{"enqueued_total": {total}}}}}\n' for at_s, total in lines)
    assert from_history(written(tmp_path, text)).arrivals_s.size == 5


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
    ["", "soon", "60-30", "-5", "exp:0", "exp:", "lognormal:1:-1", "gamma:2", "inf", "exp:inf", "lognormal:1:inf"],
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
    assert [line.split("\t")[0] for line in result.output.splitlines()] == [
        "policy",
        "naive",
        "facefleet",
        "clairvoyant",
        "static 2",
    ]


def test_json_holds_the_same_figures_with_their_intervals():
    """For programs."""
    result = simulate("trickle", "--policy", "naive", "--json", "--duration", "10m", "--price", 0.36)
    outcome = json.loads(result.output)[0]
    assert outcome["policy"] == "naive"
    assert outcome["cost"]["mean"] == pytest.approx(outcome["instance_s"]["mean"] / 1e4)
    assert outcome["p99_s"]["plus_minus"] > 0


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
        (("seady",), "no workload 'seady'; choose among steady"),
        (("missing.csv",), "Cannot read missing.csv"),
        (("--from-history", "missing.jsonl"), "Cannot read missing.jsonl"),
        ((), "Name one workload"),
        (("steady", "--from-history", "missing.jsonl"), "Name one workload"),
        (("steady", "--slo", "soon"), "write one like 2s"),
        (("steady", "--budget", "3", "--price", "0.1"), "write one like 3/h"),
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
