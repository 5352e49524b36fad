"""Tables on terminals of all widths: a figure is shown whole or not at all."""

import os
import sys

import pytest

from facefleet.cli import tables
from facefleet.telemetry import Forgiving

COLUMNS = ("policy", "instance-s", "starts")
ROWS = [("facefleet", "4,940 ±703", "131 ±13"), ("naive", "12,345 ±678", "90 ±9")]
MEANS = [("facefleet", "4,940", "131"), ("naive", "12,345", "90")]


@pytest.fixture
def shown_on(monkeypatch, capsys):
    """What a terminal of this width shows."""
    monkeypatch.setenv("NO_COLOR", "1")

    def shown(width, *args, **kwargs):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        tables.print_table(*args, **kwargs)
        return capsys.readouterr()

    return shown


def cells(rows):
    return [cell for row in rows for cell in row]


@pytest.mark.parametrize("width", range(12, 60))
def test_no_cell_is_cut_off_however_narrow_the_terminal(shown_on, width):
    shown = shown_on(width, COLUMNS, ROWS)
    flat = shown.out if width >= 26 else shown.out.replace("\n", "").replace(" ", "")
    for cell in cells(ROWS):
        assert cell in flat or cell.replace(" ", "") in flat
    assert not shown.err


def test_where_the_whole_does_not_fit_the_shorter_rows_are_shown_and_that_is_said(shown_on):
    wide = shown_on(60, COLUMNS, ROWS, narrow=MEANS)
    assert "4,940 ±703" in wide.out
    assert not wide.err
    tight = shown_on(32, COLUMNS, ROWS, narrow=MEANS)
    assert "4,940" in tight.out
    assert "±" not in tight.out
    assert "policy" in tight.out.splitlines()[1]
    assert "terminal is narrow" in tight.err


def test_shorter_rows_are_as_harmless(shown_on):
    shown = shown_on(32, COLUMNS, ROWS, narrow=[("a\x1b[2Jb", "1", "2")])
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in shown.out


def test_a_long_column_is_folded(shown_on):
    shown = shown_on(50, ("when", "reason"), [("12:44:22", "word " * 30)], long=("reason",))
    assert shown.out.count("word") == 30
    assert shown.out.count("12:44:22") == 1


def test_a_log_that_nobody_reads_any_more_stops_nothing():
    """As in `facefleet up 2>&1 | tee up.log` after Ctrl-C."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as gone:
        with pytest.raises(BrokenPipeError):
            gone.write("lost\n")
        lossy = Forgiving(gone)
        print("ready", file=lossy, flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # or its buffer complains at the end
