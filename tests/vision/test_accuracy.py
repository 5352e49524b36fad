"""The engine tells people apart as well as it is said to, measured by the program's own command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LFW = Path("../shared/faces/lfw_dev")
pytestmark = [
    pytest.mark.skipif(not LFW.is_dir(), reason=f"needs the photos of {LFW}"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def listed(tmp_path_factory) -> Path:
    """LFW's pairs as the command reads them."""
    script = [sys.executable, "benchmarks/lfw_pairs.py", str(LFW / "pairsDevTest.txt")]
    file = tmp_path_factory.mktemp("lfw") / "pairs.csv"
    file.write_text(subprocess.run(script, capture_output=True, text=True, check=True).stdout)
    return file


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = "from facefleet.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, "evaluate", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def excerpt(listed: Path, count: int) -> Path:
    """The first `count` pairs of each kind."""
    header, *rows = listed.read_text().splitlines()
    file = listed.with_name(f"{count}.csv")
    file.write_text("\n".join([header, *rows[:count], *rows[-count:]]) + "\n")
    return file


def test_lfw_is_told_apart(listed, tmp_path):
    """A face in each photo, the promised accuracy, and the shipped similarity scale measured again."""
    run = evaluate(listed, "--photos", LFW, "--json", "--calibrate", tmp_path / "scale.json")
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["rejected"] == {}
    assert round(report["accuracy"], 4) >= 0.988
    scale = json.loads((tmp_path / "scale.json").read_text())
    shipped = json.loads(Path(f"src/facefleet/vision/models/{report['model_id']}.json").read_text())
    assert scale["impostor_pairs"] == shipped["impostor_pairs"] == 1_197_943
    for measured, kept in zip(scale["points"], shipped["points"], strict=True):
        assert measured["similarity"] == kept["similarity"]
        assert measured["score"] == pytest.approx(kept["score"], abs=2e-3)


def test_the_report_is_a_table_and_the_curve_a_picture(listed, tmp_path):
    """What a person reads names the rates with their intervals, and says what so few pairs cannot show."""
    run = evaluate(excerpt(listed, 15), "--photos", LFW, "--det", tmp_path / "det.png")
    assert run.returncode == 0, run.stderr
    assert "0 without a face" in run.stdout
    assert "Accuracy over ten folds" in run.stdout
    assert "Listed pairs: 15 genuine, 15 impostor" in run.stdout
    assert "listed pairs\tFNMR at FMR 1e-2\t-\ttoo few pairs to measure" in run.stdout
    assert (tmp_path / "det.png").read_bytes().startswith(b"\x89PNG")


def test_too_few_people_make_no_scale(listed, tmp_path):
    """The command ends in one sentence, not in a traceback."""
    run = evaluate(excerpt(listed, 15), "--photos", LFW, "--calibrate", tmp_path / "scale.json")
    assert run.returncode == 2
    assert run.stderr.startswith("facefleet: A calibration needs 10,000 pairs")
    assert not (tmp_path / "scale.json").exists()


def test_a_photo_without_a_face_is_named(listed, tmp_path):
    """It does not spoil the rest, but the exit status tells."""
    header, *rows = excerpt(listed, 15).read_text().splitlines()
    (tmp_path / "Nobody").mkdir()
    (tmp_path / "Nobody" / "1.jpg").write_bytes(b"not a photo")
    for person in {photo.split("/")[0] for row in rows for photo in row.split(",")[1:]}:
        (tmp_path / person).symlink_to((LFW / person).resolve())
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join([header, *rows, f"0,Nobody/1.jpg,{rows[0].split(',')[1]}"]) + "\n")
    run = evaluate(file, "--photos", tmp_path)
    assert run.returncode == 1
    assert "1 without a face" in run.stdout
    assert "Nobody/1.jpg: This is not a photo that can be read" in run.stdout
    assert "Left out with them: 1 pair" in run.stdout


def test_a_missing_list_is_named():
    """The sentence says which file, and what it should be."""
    run = evaluate("gone.csv", "--photos", LFW)
    assert run.returncode == 2
    assert run.stderr == "facefleet: There is no file gone.csv; give a CSV with the columns same,a,b.\n"
