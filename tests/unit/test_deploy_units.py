"""The systemd units, their installer, and what an EC2 instance learns at boot.

The installer runs here into a folder. That nothing of it needs more than its units allow was seen in one run of the
whole service with memory that cannot be made executable; systemd itself does not run where tests run.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emulated_aws import EmulatedAws

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEM_UNITS = Path("/lib/systemd/system")
ROOMS = ("facefleet", "facefleet-web", "facefleet-controller", "facefleet-worker")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd"
)


def install(*arguments):
    return subprocess.run([DEPLOY / "systemd" / "install", *arguments], capture_output=True, text=True, check=False)


def files(root):
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def root(tmp_path):
    """A folder into which everything was laid out."""
    laid = install("--aws", "--root", tmp_path / "root")
    assert laid.returncode == 0, laid.stderr
    return tmp_path / "root"


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(root):
    """Every directive is known, every program is where the unit says, the order has no circle."""
    shutil.copytree(SYSTEM_UNITS, root / "lib/systemd/system", symlinks=True)
    (root / "opt/facefleet/bin").mkdir()
    for program in ("facefleet", "python"):
        shutil.copy(shutil.which("true"), root / "opt/facefleet/bin" / program)
    units = [path.name for path in (root / "etc/systemd/system").glob("*.service")]
    assert len(units) == 5
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={root}", *units], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_shut_in(room):
    """systemd's own score of what a unit leaves open, 0 to 10, is at most 2."""
    unit = DEPLOY / "systemd" / f"{room}.service"
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout.splitlines()[-1]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_starts_at_boot_and_is_started_again(room):
    """After a crash, too; but not with settings that are wrong."""
    unit = (DEPLOY / "systemd" / f"{room}.service").read_text()
    restart = "on-failure" if room == "facefleet-worker" else "always"
    assert f"\nRestart={restart}\n" in unit
    assert "\nRestartPreventExitStatus=2\n" in unit
    assert "\nWantedBy=multi-user.target\n" in unit


@pytest.mark.parametrize("room", ROOMS)
def test_a_unit_starts_a_command_that_exists(room):
    """What stands behind ExecStart is a command line of this program."""
    unit = (DEPLOY / "systemd" / f"{room}.service").read_text()
    (start,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    program, *arguments = shlex.split(start.removeprefix("ExecStart="))
    assert program == "/opt/facefleet/bin/facefleet"
    shown = subprocess.run([sys.executable, "-m", "facefleet", *arguments, "--help"], capture_output=True, check=False)
    assert shown.returncode == 0


def test_installing_again_changes_nothing(root):
    """Settings that the operator wrote stay."""
    settings = root / "etc/facefleet/facefleet.toml"
    settings.write_text("port = 9000\n")
    before = files(root)
    assert install("--aws", "--root", root).returncode == 0
    assert files(root) == before


def test_uninstalling_leaves_faces_and_settings_unless_told_otherwise(root):
    """Faces are not lost by removing a program; --purge removes all."""
    face = root / "var/lib/facefleet/store/face"
    face.parent.mkdir(parents=True)
    face.write_bytes(b"face")
    removed = install("--uninstall", "--root", root)
    assert "Faces stay in" in removed.stdout
    assert files(root).keys() == {"etc/facefleet/facefleet.toml", "var/lib/facefleet/store/face"}
    assert install("--uninstall", "--purge", "--root", root).returncode == 0
    assert files(root) == {}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["nginx"], "what is nginx?"), (["--root"], "--root needs a folder"), (["--purge"], "--purge goes with")],
)
def test_the_installer_refuses_what_it_does_not_know(arguments, sentence):
    """And does nothing."""
    refused = install(*arguments)
    assert refused.returncode == 1
    assert sentence in refused.stderr


def test_an_instance_learns_who_it_is_and_how_to_enter_the_database(tmp_path):
    """From the secret and cloud-init; the password is in a file in memory that nobody else reads."""
    (tmp_path / "instance-id").write_text("i-0123456789abcdef0\n")
    url = 'postgresql://facefleet:a$b"c@host/facefleet?sslmode=require'
    with EmulatedAws() as aws:
        secret = aws.client("secretsmanager").create_secret(Name="url", SecretString=url)["ARN"]
        subprocess.run(
            [sys.executable, DEPLOY / "aws" / "boot"],
            env=os.environ
            | aws.environment
            | {
                "DATABASE_SECRET": secret,
                "INSTANCE_ID_FILE": str(tmp_path / "instance-id"),
                "RUNTIME_DIRECTORY": str(tmp_path),
            },
            check=True,
        )
    learnt = dict(line.split("=", 1) for line in shlex.split((tmp_path / "environment").read_text()))
    assert learnt == {"WORKER_ID": "i-0123456789abcdef0", "FACEFLEET_DATABASE_URL": url}


def test_an_instance_that_may_not_read_the_secret_says_so(tmp_path):
    """In a line of the journal; systemd tries again."""
    (tmp_path / "instance-id").write_text("i-0123456789abcdef0\n")
    with EmulatedAws() as aws:
        refused = subprocess.run(
            [sys.executable, DEPLOY / "aws" / "boot"],
            env=os.environ
            | aws.environment
            | {
                "DATABASE_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:none",
                "INSTANCE_ID_FILE": str(tmp_path / "instance-id"),
                "RUNTIME_DIRECTORY": str(tmp_path),
            },
            check=False,
            capture_output=True,
            text=True,
        )
    assert refused.returncode == 1
    assert refused.stderr.startswith("boot: ")
    assert not (tmp_path / "environment").exists()
