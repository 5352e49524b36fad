"""The real program, started and stopped as a user would."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import httpx
import psutil
from PIL import Image

READY = re.compile(r"(?:ready|web tier) at (http://\S+)")
START_S = 120.0


def jpeg(pixels, **options) -> bytes:
    """Return pixels as a file that a user might send."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=92, **options)
    return out.getvalue()


class Program:
    """`facefleet up` (or `web`) with a data folder of its own on a free port; used as a context manager."""

    def __init__(self, data: Path, *options: str, room: str = "up", **settings: object) -> None:
        self.data = data
        self._command = [sys.executable, "-m", "facefleet", room, "--port", "0", "--data", str(data), *options]
        self._environment = os.environ | {f"FACEFLEET_{name.upper()}": str(value) for name, value in settings.items()}
        self._log: list[str] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(START_S) or not self.url:
            self._process.kill()
            raise AssertionError(f"not ready:\n{self.log}")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line)
            if found := READY.search(line):
                self.url = found[1]
                self._ready.set()
        self._ready.set()

    @property
    def log(self) -> str:
        return "".join(self._log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, number: signal.Signals = signal.SIGINT, *, within_s: float = 90.0) -> int:
        """Send a signal, wait for the end, return the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(within_s)
            # Workers that outlive a killed program keep its output open for a while.
            self._reader.join(5 if number == signal.SIGKILL else 60)
        return self._process.returncode

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes, booting ones included."""
        return [child for child in psutil.Process(self.pid).children() if "worker" in _words(child)]

    def processes(self) -> list[psutil.Process]:
        """Return every process that has this program's data folder or its own pid to do with it."""
        return [one for one in psutil.process_iter() if self._concerns(one)]

    def _concerns(self, process: psutil.Process) -> bool:
        words = _words(process)
        return any(str(self.data) in word for word in words) or str(self.pid) in words[-1:]

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=90, **options)

    def wait_until(self, true, what: str, *, within_s: float = 120.0) -> None:
        """Look until a condition holds."""
        end = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < end, f"still not {what}\n{self.log[-4000:]}"
            time.sleep(0.05)


def _words(process: psutil.Process) -> list[str]:
    """Return the command line, nothing for a process that is gone or a zombie."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
