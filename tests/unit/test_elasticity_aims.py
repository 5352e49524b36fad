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


def test_an_objective_is_tried_with_another_money(dial):
    assert dial.paid_with("20 at 99.9", 17.46) == "20 at 99.9 for 17.5"
    assert dial.paid_with("0 for 3", 1.5) == "0 for 1.5"


def test_what_is_soon_enough_but_too_dear_is_what_money_is_for(benchmark_module):
    """Not what is dearer and later, or cheaper already, nor what has a budget; the cheapest first, within tolerance."""
    choice = benchmark_module("elasticity_choice")
    costs = {"2": (5, 130), "5": (9, 110), "10": (10, 120), "20": (11, 105), "30": (10.1, 115), "60": (8, 90)}
    costs["5 for 12"] = (9, 108)
    row = {
        "known": {"keda": {"choose": {"p99": 10, "instance_s": 100}}},
        "ours": {aim: {"choose": {"p99": p99, "instance_s": cost}} for aim, (p99, cost) in costs.items()},
    }
    assert choice.too_dear(row, "keda") == ["5", "30", "10", "2"]


def test_a_rule_that_costs_less_is_met_with_its_own_money(benchmark_module, monkeypatch):
    """A fixed fleet of ten, against nobody may wait: that is tried for the money of ten, and for a little less."""
    cells = benchmark_module("elasticity_cells")
    monkeypatch.setattr(cells, "KNOWN", ("static 10",))
    setting = replace(
        cells.SETTINGS["cloud"],
        aims=("0", "60"),
        shown=("0", "0", "0"),
        loose="0",
        seeds={"choose": {"usual": (1,)}, "report": {"usual": (2,)}},
    )
    row = {"service": "3", "workload": "steady", "known": {}, "ours": {}}
    cells.Measuring(row, setting, Workload.__new__(Workload)).fill()
    tried = sorted(float(aim.removeprefix("0 for ")) for aim in row["ours"] if " for " in aim)
    assert tried[-1] == pytest.approx(10.0, rel=0.02)
    assert 0.97 * tried[-1] == pytest.approx(tried[-2], rel=0.01)


def test_a_rule_that_is_not_matched_is_met_by_finer_objectives(benchmark_module, monkeypatch):
    """`naive` serves one request for one boot; of these two objectives one keeps a worker for an hour too long."""
    cells, choice = benchmark_module("elasticity_cells"), benchmark_module("elasticity_choice")
    monkeypatch.setattr(cells, "KNOWN", ("naive+pending",))
    setting = replace(
        cells.SETTINGS["cloud"],
        aims=("20", "60"),
        shown=("20", "20", "20"),
        loose="20",
        seeds={"choose": {"usual": (1,)}, "report": {"usual": (2,)}},
    )
    row = {"service": "lognormal:3:2", "workload": "single", "known": {}, "ours": {}}
    monkeypatch.setattr(cells, "_LOSES", 0.0)  # always look for more
    cells.Measuring(row, setting, Workload.__new__(Workload)).fill()
    assert {"20", "60"} < set(row["ours"])
    tried = set(row["ours"])
    cells.Measuring(row, setting, Workload.__new__(Workload)).fill()
    assert set(row["ours"]) == tried  # a second run finds nothing to do
    assert set(choice.candidates(row, "naive+pending")) < {aim for aim, cell in row["ours"].items() if "report" in cell}
