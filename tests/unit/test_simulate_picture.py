"""The picture of simulated runs, read back from what is drawn; and what is said of a single run."""

import json

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from typer.testing import CliRunner

from facefleet.cli.exits import Failure
from facefleet.cli.simulate import commands
from facefleet.core.fleet import Bounds
from facefleet.core.scaling.terms import Objective
from facefleet.errors import InvalidInput
from facefleet.lab.simulate.durations import durations
from facefleet.lab.simulate.engine import Look, Run
from facefleet.lab.simulate.experiment import CLAIRVOYANT, Experiment
from facefleet.lab.simulate.fleet import World
from facefleet.lab.simulate.plot import picture
from facefleet.lab.simulate.workload import Shape, synthetic


def look(at_s, **more):
    nothing = dict.fromkeys(("arrived", "visible", "in_flight", "pending", "running", "leaving", "start", "drain"), 0)
    return Look(**{"at_s": float(at_s), "oldest_age_s": 0.0, "reason": "because", **nothing, **more})


def run(*looks, waits_s=(0.5, 1.5), policy="naive"):
    return Run(policy=policy, waits_s=np.array(waits_s), billed_s=60.0, starts=0, stops=0, looks=looks)


def simulated(name, workload="spiky", **world):
    experiment = Experiment(
        workload=lambda seed: synthetic(workload, Shape(rate_hz=5.0, duration_s=1800.0), seed),
        service=durations("exp:1"),
        world=World(**world),
        bounds=Bounds(minimum=0, maximum=19),
        objective=Objective(),
    )
    return experiment.run(name, 1)


def drawn(*runs, service_s=1.0):
    return picture(runs, mean_service_s=service_s, objective=Objective(), title="test").axes


def worker_s(axes):
    """Return the worker-seconds that each state's area covers, by the state's name."""
    areas = {}
    for area in axes.collections:
        x, y = area.get_paths()[0].vertices.T
        areas[area.get_label()] = 60 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    return areas


def words(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


# Workers


def test_workers_are_drawn_as_they_are_after_each_decision():
    """Two of two that run are told to go, and three are ordered; each look's numbers hold for its ten seconds."""
    _, workers, _ = drawn(run(look(0, running=2, start=3), look(10, pending=3, running=2, drain=2), look(20)))
    assert worker_s(workers) == pytest.approx({"running": 20, "pending": 60, "leaving": 20})


def test_workers_that_boot_and_leave_between_two_looks_are_drawn():
    """A boot of one tick for every start and a stop of one tick for every drain, in a run of many looks."""
    result = simulated("naive")
    _, workers, _ = drawn(result)
    areas = worker_s(workers)
    assert result.starts > 100
    assert areas["pending"] == pytest.approx(result.starts)
    assert areas["leaving"] == pytest.approx(result.stops, rel=0.05)  # a drain may have a request to end
    assert words(workers) == ["running", "pending", "leaving"]


def test_the_worker_time_of_a_picture_is_that_of_the_bill():
    """Nothing is stopped before the end here, so all that is charged for runs or boots; to the tick."""
    result = simulated("static 4", boot=durations("30-60"))
    areas = worker_s(drawn(result)[1])
    assert areas["running"] + areas["pending"] == pytest.approx(result.billed_s, abs=8)


def test_the_legend_leaves_out_what_never_occurs():
    """In any column: the first one here has no pending workers, the second one has."""
    idle, booting = run(look(0, running=2), look(1)), run(look(0, start=1), look(1))
    assert words(drawn(idle)[1]) == ["running"]
    assert words(drawn(idle, booting)[1]) == ["running", "pending"]
    assert drawn(run(look(0), look(1)))[1].get_legend() is None


# Demand and age


def test_a_steady_load_is_a_level_line_from_end_to_end():
    """Two requests a second of three seconds keep six workers busy, at the first minute as at the last."""
    demand, _, _ = drawn(run(*(look(second, arrived=2 * second) for second in range(1801))), service_s=3.0)
    assert demand.lines[0].get_ydata() == pytest.approx(np.full(450, 6.0))


def test_a_short_peak_of_age_in_a_long_run_is_drawn():
    """Not stepped over, though there are more looks than points."""
    ages = np.zeros(5000)
    ages[1237] = 9.0
    _, _, age = drawn(run(*(look(second, oldest_age_s=each) for second, each in enumerate(ages))))
    assert max(age.lines[0].get_ydata()) == 9.0


# Which runs, and where


def test_a_run_in_which_no_request_counted_is_drawn_without_a_percentile():
    """As with a warm-up that is as long as the workload."""
    demand, _, _ = drawn(run(look(0), look(1), waits_s=()))
    assert demand.get_title() == "naive\n60 instance-s"
    assert drawn(run(look(0), look(1)))[0].get_title() == "naive\np99 1.49 s, 60 instance-s"


def test_a_run_without_looks_has_no_column():
    """The clairvoyant has no controller that could look."""
    axes = drawn(simulated(CLAIRVOYANT), simulated("static 4"))
    assert len(axes) == 3
    assert axes[0].get_title().startswith("static 4\n")


@pytest.mark.parametrize("runs", [(run(policy=CLAIRVOYANT), run(look(0), policy="kpa")), ()])
def test_runs_of_which_none_can_be_drawn_are_refused(runs):
    """In a sentence that names them."""
    with pytest.raises(InvalidInput, match="clairvoyant, kpa saw none" if runs else "nobody saw none"):
        drawn(*runs)


def test_the_command_says_that_there_is_nothing_to_draw(tmp_path):
    """And writes no file."""
    file = tmp_path / "fleet.png"
    failure = CliRunner().invoke(commands, ["single", "--policy", "clairvoyant", "--plot", str(file)]).exception
    assert isinstance(failure, Failure)
    assert "nothing to draw" in failure.sentence
    assert not file.exists()


def test_many_policies_go_on_below_and_share_their_scales():
    """No picture is so wide that it must be shrunk until nothing can be read."""
    runs = [run(look(0, running=count), look(60, arrived=count), policy=f"static {count}") for count in range(1, 10)]
    figure = picture(runs, mean_service_s=1.0, objective=Objective(), title="test")
    assert len(figure.axes) == 27
    assert figure.get_figwidth() < 2 * figure.get_figheight()
    assert {axes.get_ylim() for axes in figure.axes[1::3]} == {figure.axes[1].get_ylim()}
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 1.0)}


def test_no_words_of_a_picture_lie_over_others_or_over_a_curve():
    """Titles, labels and legends each have their own place."""
    names = ("facefleet", "naive+pending", "backlog", "rayserve", "hpa", "static 4")
    figure = picture(
        [simulated(name) for name in names], mean_service_s=1.0, objective=Objective(), title="spiky: work 1 s"
    )
    FigureCanvasAgg(figure).draw()
    labels = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    placed = [*(text for text in labels if text.get_text()), *legends, *figure.texts, *figure.axes]
    boxes = [one.get_window_extent() for one in placed]
    assert all(figure.bbox.contains(*corner) for box in boxes for corner in (box.min, box.max))
    over = [(one, two) for number, one in enumerate(boxes) for two in boxes[:number] if one.padded(-1).overlaps(two)]
    assert over == []


# What is said of one run


def test_one_seed_says_nothing_about_how_sure_its_mean_is():
    """JSON's null: 0 would read as certain. The table shows the mean alone."""
    command = ["trickle", "--policy", "naive", "--seeds", "1", "--duration", "10m"]
    outcome = json.loads(CliRunner().invoke(commands, [*command, "--json"]).stdout)[0]
    assert outcome["p99_s"]["plus_minus"] is None
    assert "±" not in CliRunner().invoke(commands, command).output
