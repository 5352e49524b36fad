"""The tables of docs/elasticity.md, from one row made by hand."""

import pytest

from facefleet.lab.simulate.workload import Workload


def measured(p99, instance_s):
    """Return a cell that is the same on all seeds."""
    cell = {"p50": 0.0, "p99": p99, "longest": 2 * p99, "instance_s": instance_s, "late": 0.0}
    cell["each"] = [{"p99": p99, "instance_s": instance_s}] * 2
    return {"choose": cell, "report": cell}


@pytest.fixture
def elasticity(benchmark_module):
    """The module that makes the tables, and through it the one that makes its cells."""
    return benchmark_module("elasticity_tables")


@pytest.fixture
def row(elasticity):
    """Every other rule waits 10 s for 1,000 instance-seconds; naive 1 s, for which ours would pay 1,500."""
    setting = elasticity.SETTINGS["cloud"]
    ours = {
        "2": measured(1.0, 1500.0),
        "30": measured(9.0, 700.0),
        "35": measured(20.0, 600.0),
        "60": measured(50.0, 500.0),
    }
    bound = {"p99": 9.0, "instance_s": 700.0, "clairvoyant": 400.0, "work": 300.0, "chance": 640.0, "reference": 650.0}
    return {
        "service": setting.services[0],
        "workload": "bursts",
        "known": {policy: measured(10.0, 1000.0) for policy in elasticity.KNOWN} | {"naive": measured(1.0, 1000.0)},
        "ours": ours | {"0 for 8": measured(9.5, 650.0)},
        "bound": dict.fromkeys((*setting.shown, setting.loose), bound),
        "missed": {"naive": {"clairvoyant": 0.9, "chance": 0.95, "reference": 0.97}},
    }


def test_an_objective_that_is_clearly_better_and_waits_the_shortest_is_chosen(elasticity, row):
    """Both 30 s and the money of eight are better by 20 % in cost; 30 s waits less."""
    assert elasticity.match(row, "keda") == ("30", 0.9, 0.7)
    assert elasticity.nearest(row, "keda", without=" for ")[0] == "30"


def test_what_is_missed_is_counted_by_workload(elasticity, row):
    """Only naive is: nobody else waits as little for so little money."""
    assert elasticity.shortfalls({"cloud": [row]}) == "1 of 9 comparisons are missed: bursts 1."


def test_only_what_the_choosing_seeds_chose_is_set_against_a_rule(elasticity, row):
    """An objective that is the best on the reporting seeds alone does not count."""
    row["ours"]["2"] = {"choose": measured(99.0, 1e6)["choose"], "report": measured(0.1, 1.0)["report"]}
    assert "2" not in elasticity.candidates(row, "keda")
    assert elasticity.nearest(row, "keda")[0] != "2"


def test_what_is_best_for_the_requests_of_all_seeds_together_is_set_against_a_rule_too(elasticity, row):
    """On one seed keda hardly waits; 60 s loses there, but not where all requests are counted at once, as reported."""
    row["known"]["keda"]["choose"] = measured(9.5, 1000.0)["choose"] | {
        "each": [{"p99": 1.0, "instance_s": 1000.0}, {"p99": 10.0, "instance_s": 1000.0}]
    }
    row["ours"]["60"]["choose"] = measured(5.0, 800.0)["choose"] | {
        "each": [{"p99": 20.0, "instance_s": 800.0}, {"p99": 4.0, "instance_s": 800.0}]
    }
    assert set(elasticity.candidates(row, "keda")) == {"2", "30", "0 for 8", "60"}


def test_a_rule_that_no_candidate_is_no_worse_than_is_missed(elasticity, row):
    """Naive, with one of its waits at half as much again."""
    assert elasticity.missed(row) == ["naive"]


def test_a_rule_is_reached_by_an_objective_that_was_reported_for_another(elasticity, row):
    """Naive is reached by 5 s, which the choosing seeds speak against; what was not reported does not count."""
    assert elasticity.unreached(row) == ["naive"]
    row["ours"]["5"] = {"choose": measured(99.0, 1e6)["choose"], "report": measured(1.0, 1000.0)["report"]}
    assert elasticity.missed(row) == ["naive"]
    assert elasticity.unreached(row) == []
    del row["ours"]["5"]["report"]
    assert elasticity.unreached(row) == ["naive"]


def test_the_tables_name_what_is_missed_and_what_is_possible(elasticity, row):
    """With the clairvoyant's share of what naive pays, the least by chance and the reference."""
    text = elasticity.tables({"cloud": [row]})
    assert "| 8 of 9 | 8 | naive (2 s: 1.00, 1.50; 0.90, at least 0.95, reference 0.97) |" in text
    assert "1.75 at 30 s (at least 1.60, reference 1.62)" in text
    assert "| cloud | 9 | 8 (89%) | 8 (89%) | 8 (89%) | 8 (89%) |" in elasticity.summary({"cloud": [row]})


def test_luck_on_one_seed_is_not_set_off_against_a_loss_on_another(elasticity, row):
    """A tenth and one and a half times another's wait come to a loss; 30 s is always a little better."""
    lucky = measured(5.0, 500.0)
    lucky["choose"]["each"] = [{"p99": 1.0, "instance_s": 500.0}, {"p99": 15.0, "instance_s": 500.0}]
    row["ours"]["2"] = lucky
    assert elasticity.match(row, "keda")[0] == "30"


def test_the_default_is_set_against_each_rule_with_nothing_chosen(elasticity, row):
    """Ours at 2 s waits 1 s for 1,500: no worse than a rule that is as slow and costs twice that, and than no other."""
    row["known"]["hpa"] = measured(1.0, 3000.0)
    assert "| 8 (89%) | 1 (11%) | 0 (0%) |" in elasticity.summary({"cloud": [row]})


def test_how_often_the_objective_is_kept_stands_by_workload(elasticity, row):
    """In percent of the requests, for the three objectives with a column."""
    for aim, late in (("2", 12.34), ("30", 0.5), ("35", 0.0)):
        row["ours"][aim]["report"] |= {"late": late}
    rows = [row | {"workload": name} for name in elasticity.WORKLOADS]
    text = elasticity.lateness({"cloud": rows})
    assert "2 / 30 / 35 s |" in text
    assert "| bursts | 12.3 / 0.5 / 0.0 |" in text


@pytest.mark.parametrize(
    ("again", "kept"), [(lambda of: of, True), (lambda of: of | {"report": {"seeds": [1]}}, False)]
)
def test_figures_of_other_seeds_or_hours_are_not_mixed_with_new_ones(benchmark_module, monkeypatch, again, kept):
    """A row that was kept is gone on with only if it was measured alike."""
    benchmark, cells = benchmark_module("elasticity"), benchmark_module("elasticity_cells")
    monkeypatch.setattr(cells.Measuring, "fill", lambda self: None)
    monkeypatch.setattr(benchmark, "missed", lambda row: [])
    monkeypatch.setattr(benchmark, "explain", lambda row, *rest: row)
    empty, trace = {"service": "exp:1", "workload": "bursts"}, Workload.__new__(Workload)
    row = benchmark.measured("ec2", empty, trace)
    assert row["conditions"]["report"] == {"seeds": [1701, 1702, 1703, 1704], "counted_s": 10800.0}
    before = row | {"conditions": again(row["conditions"]), "known": {"keda": {}}}
    after = benchmark.measured("ec2", before, trace)
    assert bool(after["known"]) is kept
    assert after["conditions"] == row["conditions"]
