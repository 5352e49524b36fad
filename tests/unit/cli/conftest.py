"""The real command line, in a process of its own."""

import os
import subprocess
import sys

import pytest
from squares import StandIn


@pytest.fixture
def facefleet(tmp_path):
    """Run `facefleet ARGUMENTS` in an empty folder, without the settings of whoever runs the tests."""

    def run(*arguments, env=None, **options):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FACEFLEET_")}
        command = [sys.executable, "-m", "facefleet", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
            encoding="utf-8",
            cwd=tmp_path,
            env=clean | {"COLUMNS": "100"} | (env or {}),
            **options,
        )

    return run


@pytest.fixture
def stand_in(tmp_path_factory):
    with StandIn(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def service(facefleet, stand_in):
    """Run `facefleet ARGUMENTS` against a service of the test's own."""

    def run(*arguments, **options):
        return facefleet(*arguments, "--url", stand_in.url, **options)

    return run
