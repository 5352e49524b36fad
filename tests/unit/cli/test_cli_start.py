"""What the command line loads and says before it does anything."""

import subprocess
import sys

import pytest

HEAVY = ["numpy", "onnxruntime", "onnx", "cv2", "PIL", "psycopg", "fastapi", "uvicorn", "obstore", "skimage"]


def python(code, *args):
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["identify", "--help"], ["identify", "no.jpg"], ["status"]])
def test_client_commands_load_nothing_of_the_service(arguments):
    """Asking for help or sending a photo starts fast: no engine, no database, no web framework is imported."""
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('LOADED', [m for m in {HEAVY} if m in sys.modules]))\n"
        "from facefleet.cli import main\n"
        "sys.argv = ['facefleet', *sys.argv[1:]]\n"
        "main()\n"
    )
    ran = python(code, *arguments, *([] if "--help" in arguments else ["--url", "http://127.0.0.1:9"]))
    assert "LOADED []" in ran.stdout, ran.stdout + ran.stderr


def test_help_waits_for_nothing_that_only_other_commands_need():
    """Asking what there is takes as long as Python and typer do: no settings are read, no scaling rule is imported."""
    ran = python("import sys, facefleet.cli; print([m for m in ('pydantic', 'httpx', 'numpy') if m in sys.modules])")
    assert ran.stdout == "[]\n", ran.stdout + ran.stderr


def test_help_names_every_command_and_shows_examples(facefleet):
    """The first thing a user reads says what there is and what to type."""
    ran = facefleet("--help")
    assert ran.returncode == 0
    for command in ("up", "web", "worker", "controller", "enrol", "identify", "verify", "detect", "status"):
        assert f"\n  {command} " in ran.stdout
    assert "facefleet enrol default PEOPLE/" in ran.stdout


@pytest.mark.parametrize("command", ["enrol", "identify", "verify", "detect", "collections", "persons", "status"])
def test_the_help_of_each_command_shows_worked_examples(facefleet, command):
    """Help answers with lines to copy."""
    assert f"    facefleet {command}" in facefleet(command, "--help").stdout


def test_the_module_runs_like_the_command(facefleet):
    """`python -m facefleet` is the same program."""
    assert facefleet("--version").stdout.startswith("facefleet 0")


def test_without_a_service_one_sentence_says_how_to_start_it(facefleet, tmp_path):
    """Connection refused is no traceback but advice, and a status of its own."""
    (tmp_path / "a.jpg").write_bytes(b"photo")
    ran = facefleet("identify", tmp_path / "a.jpg", "--url", "http://127.0.0.1:9")
    assert ran.returncode == 3
    assert ran.stdout == ""
    assert ran.stderr.strip().count("\n") == 0
    assert "facefleet up" in ran.stderr


@pytest.mark.parametrize("url", ["ftp://there", "127.0.0.1:8000", "http://", "http://[::1"])
def test_an_address_that_is_none_is_a_usage_error(facefleet, url):
    """A mistyped --url is told apart from a service that is down."""
    ran = facefleet("status", "--url", url)
    assert ran.returncode == 2
    assert "address" in ran.stderr


def test_the_address_comes_from_the_environment(facefleet):
    """FACEFLEET_URL is used where --url is not given."""
    ran = facefleet("status", env={"FACEFLEET_URL": "http://127.0.0.1:9/"})
    assert "http://127.0.0.1:9;" in ran.stderr


def test_a_wrong_setting_is_named(facefleet):
    """An environment variable that makes no sense ends in a sentence with its name."""
    ran = facefleet("status", env={"FACEFLEET_PORT": "many"})
    assert ran.returncode == 2
    assert "port" in ran.stderr
    assert "Traceback" not in ran.stderr
