"""Weights found in installed packages, checked, converted and cached."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facefleet.errors import Unavailable
from facefleet.vision.models.cache import CONVERTER_VERSION, load_models
from facefleet.vision.models.dlib_format import read_network
from facefleet.vision.models.weights import FIVE_POINTS, WeightFile, WeightsError

LOAD = (
    "import sys, pathlib; from facefleet.vision.models.cache import load_models; load_models(pathlib.Path(sys.argv[1]))"
)


def test_a_damaged_weight_file_is_refused_with_the_command_that_repairs_it():
    """A corrupt installation must not become wrong answers."""
    file = WeightFile(package="json", requirement="mtcnn==1.0.0", path="decoder.py", sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"decoder.py is damaged.*pip install --force-reinstall.*mtcnn==1.0.0"):
        file.read()


@pytest.mark.parametrize(("package", "path"), [("no_such_package", "x"), ("json", "no_such_file")])
def test_missing_weights_are_named(package, path):
    """The message says which package or file is missing and what to run."""
    file = WeightFile(package=package, requirement=f"{package}==1", path=path, sha256="0" * 64)
    with pytest.raises(WeightsError, match=rf"{package}.*pip install"):
        file.read()


def test_a_damaged_installation_ends_the_program_in_one_sentence(tmp_path):
    """With the command that repairs it and the status for what cannot be had, not in a traceback."""
    (tmp_path / "mtcnn").mkdir()
    (tmp_path / "mtcnn" / "__init__.py").touch()
    (tmp_path / "a.jpg").touch()
    (tmp_path / "pairs.csv").write_text("same,a,b\n1,a.jpg,a.jpg\n0,a.jpg,a.jpg\n")
    command = [sys.executable, "-m", "facefleet", "evaluate", "pairs.csv", "--photos", "."]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "FACEFLEET_CACHE": str(tmp_path / "cache")}
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stderr.count("\n") == 1
    assert "pip install --force-reinstall --no-deps mtcnn==1.0.0" in ran.stderr


def test_another_network_is_not_mistaken_for_the_resnet():
    """The reader follows a list of layers and stops where the file differs."""
    with pytest.raises(WeightsError):
        read_network(FIVE_POINTS.read(), ["fc", "con"])


def test_processes_that_start_together_share_one_conversion(tmp_path):
    """Workers starting at once neither fail nor leave anything but the models behind."""
    commands = [subprocess.Popen([sys.executable, "-c", LOAD, str(tmp_path)]) for _ in range(3)]
    assert [command.wait(timeout=150) for command in commands] == [0, 0, 0]
    name = f"models-v{CONVERTER_VERSION}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.lock"]


def test_a_filled_cache_is_only_read(model_cache):
    """Later starts convert nothing."""
    before = {path: path.stat().st_mtime_ns for path in model_cache.rglob("*")}
    time.sleep(0.01)
    load_models(model_cache)
    assert {path: path.stat().st_mtime_ns for path in model_cache.rglob("*")} == before


def test_a_damaged_cache_is_made_again(tmp_path, models):
    """A disk that filled up while the cache was copied costs a conversion, not a crash."""
    load_models(tmp_path)
    file = tmp_path / f"models-v{CONVERTER_VERSION}" / "refine"
    file.write_bytes(file.read_bytes()[:1000])
    assert load_models(tmp_path).refine == models.refine


@pytest.mark.parametrize("folder", ["/proc/facefleet", "{file}/below"])
def test_a_cache_that_cannot_be_written_is_named_in_a_sentence(tmp_path, folder):
    """With the setting that names another."""
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"cannot be written: .*FACEFLEET_CACHE"):
        load_models(Path(folder.format(file=tmp_path / "file")))


def test_the_engine_runs_without_the_packages_that_carried_its_weights(model_cache):
    """Neither dlib nor TensorFlow nor torch is imported, nor the packages that would import them."""
    code = (
        "import sys, pathlib; from facefleet.vision.engine import Engine; "
        "Engine(pathlib.Path(sys.argv[1]), max_pixels=10**6); "
        "print({'dlib', 'tensorflow', 'torch', 'mtcnn', 'face_recognition_models'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(model_cache)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
