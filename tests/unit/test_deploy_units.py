"""The systemd units, their installer, and what an EC2 instance learns at boot.

The installer runs here into a folder. That nothing of it needs more than its units allow was seen in one run of the
whole service with memory that cannot be made executable; systemd itself does not run where tests run.
"""

import os
import shlex
import shutil
import stat
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


@pytest.fixture
def boot(tmp_path):
    """Start what runs at boot, on an instance of that id."""
    (tmp_path / "instance-id").write_text("i-0123456789abcdef0\n")

    def start(aws, **settings):
        settings |= {"INSTANCE_ID_FILE": str(tmp_path / "instance-id"), "RUNTIME_DIRECTORY": str(tmp_path)}
        command = [sys.executable, DEPLOY / "aws" / "boot"]
        return subprocess.Popen(command, env=os.environ | aws.environment | settings, stderr=subprocess.PIPE, text=True)

    return start


def test_an_instance_learns_who_it_is_and_how_to_enter_the_database(boot, tmp_path):
    """From cloud-init and the secret; systemd's quoting brings every character through."""
    url = 'postgresql://facefleet:a$b"c\\d@host/facefleet?sslmode=require'
    with EmulatedAws() as aws:
        secret = aws.client("secretsmanager").create_secret(Name="url", SecretString=url)["ARN"]
        with boot(aws, DATABASE_SECRET=secret) as booting:
            assert booting.wait() == 0
    learnt = dict(line.split("=", 1) for line in shlex.split((tmp_path / "environment").read_text()))
    assert learnt == {"WORKER_ID": "i-0123456789abcdef0", "FACEFLEET_DATABASE_URL": url}


def test_an_instance_learns_the_way_into_the_database_of_another(boot, tmp_path):
    """A secret may be the file of a machine that opened its embedded database; the rooms read it, others do not."""
    way_in = "Whoever has this file …\npostgresql://facefleet:secret@10.0.1.5:5433/facefleet?sslmode=verify-full\n"
    with EmulatedAws() as aws:
        secret = aws.client("secretsmanager").create_secret(Name="pem", SecretString=way_in)["ARN"]
        with boot(aws, DATABASE_SECRET=secret) as booting:
            assert booting.wait() == 0
    learnt = dict(line.split("=", 1) for line in shlex.split((tmp_path / "environment").read_text()))
    file = tmp_path / "database.pem"
    assert learnt["FACEFLEET_DATABASE_URL"] == file.as_uri()
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (way_in, 0o640)


def test_the_web_instance_takes_over_the_address(boot, tmp_path):
    """Clients find the one that replaces a failed one where that was."""
    with EmulatedAws() as aws:
        ec2 = aws.client("ec2")
        image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        first, second = (
            one["InstanceId"] for one in ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2)["Instances"]
        )
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        ec2.associate_address(InstanceId=first, AllocationId=address)
        (tmp_path / "instance-id").write_text(second)
        with boot(aws, ADDRESS=address) as booting:
            assert booting.wait() == 0, booting.stderr.read()
        assert ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]["InstanceId"] == second


def test_an_instance_that_may_not_read_the_secret_says_so_and_goes_on_trying(boot, tmp_path):
    """Rooms that depend on it neither start without the database nor stay down for good."""
    with EmulatedAws() as aws, boot(aws, DATABASE_SECRET="late") as booting:
        assert "ResourceNotFoundException" in booting.stderr.readline()
        aws.client("secretsmanager").create_secret(Name="late", SecretString="postgresql://host/facefleet")
        assert booting.wait() == 0
    assert "postgresql://host/facefleet" in (tmp_path / "environment").read_text()
