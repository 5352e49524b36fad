"""The system account that the embedded server runs as: PostgreSQL refuses to run as root.

As root an account of its own is made, which owns the database's folder and nothing else. The folders above the database
and above the binaries must let it through. Where one is closed to all but root (such as /root), its group becomes the
account's with the right to search, and nothing else is opened: nobody else can enter or list it then either.
"""

import os
import pwd
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from facefleet.errors import Unavailable

NAME = "facefleet-pg"
_INSTEAD = "Run facefleet as another user, or set FACEFLEET_DATABASE_URL to a PostgreSQL server with pgvector."
_ATTEMPTS = 20  # two programs may add a user at once; useradd locks the file and the second fails

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Whom files are given to and programs run as."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give a file or folder to the account; a link is not followed, for the account itself may have made it."""
        if path.lstat().st_uid != self.uid:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_search(self, folder: Path) -> bool:
        """Return whether mode bits let the account through a folder."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH))

    def let_through(self, path: Path) -> None:
        """Make every folder above a path searchable for the account.

        Raises:
            Unavailable: a folder has permissions that somebody else relies on.
        """
        for folder in path.parents:
            if self.can_search(folder):
                continue
            if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                raise Unavailable(f"The account {NAME} of the database cannot pass through {folder}. {_INSTEAD}")
            os.chown(folder, -1, self.gid)
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXGRP)
            _log.warning("folder opened for the database's account alone", folder=str(folder), account=NAME)


def server_account() -> Account:
    """Return this process's own account, or for root the server's, made if there is none.

    Raises:
        Unavailable: no account can be made here.
    """
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid())
    entry = _find() or _make()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _find() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        return None


def _make() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if useradd is None:
        raise Unavailable(f"PostgreSQL does not run as root, and there is no useradd to make {NAME}. {_INSTEAD}")
    command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    for _ in range(_ATTEMPTS):
        made = subprocess.run(  # noqa: S603  (no input of a user in it)
            [*command, "--shell", "/usr/sbin/nologin", NAME], check=False, capture_output=True, text=True
        )
        entry = _find()
        if entry is not None:
            return entry
        time.sleep(0.1)
    raise Unavailable(f"PostgreSQL does not run as root, and {NAME} was not made: {made.stderr.strip()}. {_INSTEAD}")
