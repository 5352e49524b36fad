"""The real command line, in a process of its own."""

import os
import subprocess
import sys

import pytest


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
            timeout=60,
            check=False,
            cwd=tmp_path,
            env=clean | {"COLUMNS": "100"} | (env or {}),
            **options,
        )

    return run
