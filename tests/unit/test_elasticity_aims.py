"""The objectives that benchmarks/elasticity.py tries."""

from dataclasses import replace

import pytest

from facefleet.lab.simulate.workload import Workload


@pytest.fixture
def dial(benchmark_module):
    return benchmark_module("elasticity_aims")


@pytest.mark.parametrize("aim", ["0", "0.02", "57 at 90", "20 at 99.99", "0 for 1.65", "2 at 97 for 3"])
def test_an_objective_is_written_as_it_is_read(dial, aim):
    assert dial.named(dial.objective(aim)) == aim


@pytest.mark.parametrize(
    ("aim", "tried", "halfway"),
    [
        ("20", ["5", "20", "80"], ["10", "40", "20 at 92.93", "20 at 99.9"]),
        ("20", ["20", "45 at 99"], ["30", "20 at 92.93", "20 at 99.9"]),
        ("20", ["20", "20 at 96", "45 at 50"], ["20 at 98", "20 at 99.9"]),
        ("0 for 2", ["0 for 1.5", "0 for 2", "0 for 4", "0", "20 for 3"], ["0 for 1.73", "0 for 2.83"]),
        ("1", ["0", "1"], ["0.5", "1 at 92.93", "1 at 99.9"]),
    ],
)
def test_halfway_to_the_nearest_that_differs_in_one_number(dial, aim, tried, halfway):
    """Seconds and the shares that may be late by their geometric means; the ends of the percentages count as tried."""
    assert dial.between(aim, tried) == halfway


def test_what_was_tried_is_not_tried_again(dial):
    """Nor what cannot be told from it in three digits."""
    assert dial.between("20", ["20", "20.01", "20 at 99.9"]) == ["20 at 92.93", "20 at 99.68"]


def test_a_rule_that_is_not_matched_is_met_by_finer_objectives(benchmark_module, monkeypatch):
    """`naive` serves one request for one boot; of these two objectives one keeps a worker for an hour too long."""
    cells, choice = benchmark_module("elasticity_cells"), benchmark_module("elasticity_choice")
    monkeypatch.setattr(cells, "KNOWN", ("naive+pending",))
    setting = replace(
        cells.SETTINGS["cloud"],
        aims=("20", "60"),
        shown=("20", "20", "20"),
        loose="20",
        many={"choose": (1,), "report": (2,)},
    )
    row = {"service": "lognormal:3:2", "workload": "single", "known": {}, "ours": {}}
    monkeypatch.setattr(cells, "_LOSES", 0.0)  # always look for more
    cells.Measuring(row, setting, Workload.__new__(Workload)).fill()
    assert {"20", "60"} < set(row["ours"])
    tried = set(row["ours"])
    cells.Measuring(row, setting, Workload.__new__(Workload)).fill()
    assert set(row["ours"]) == tried  # a second run finds nothing to do
    assert set(choice.candidates(row, "naive+pending")) < {aim for aim, cell in row["ours"].items() if "report" in cell}
