"""What a wheel holds."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_wheel_holds_every_file_that_the_program_reads():
    """Not the modules alone: an icon that is left out is a 404 on every page, a table a service that does not start."""
    package = ROOT / "src" / "facefleet"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = {
        file
        for pattern in settings["tool"]["setuptools"]["package-data"]["facefleet"]
        for file in package.glob(pattern)
    }
    files = {file for file in package.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert files - packed == set()
