"""What the embedded server promises."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import psycopg
import pytest

from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.postgres_account import server_account
from facefleet.errors import Unavailable


def server_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def run_elsewhere(folder: Path, then: str) -> subprocess.Popen[str]:
    """Start the server in another process, say so, and go on."""
    program = f"""
import sys, time
from pathlib import Path
from facefleet.adapters.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path({str(folder)!r}))
print(server.start(), flush=True)
{then}
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_data_is_found_again(postgres_folder):
    """A second start is the same database."""
    with EmbeddedPostgres(postgres_folder) as server, psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    with EmbeddedPostgres(postgres_folder) as server, psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(42,)]


def test_vectors_are_there_without_a_superuser(postgres_folder):
    """The program's role can do what the program needs and is no superuser."""
    with EmbeddedPostgres(postgres_folder) as server, psycopg.connect(server.url()) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        assert connection.execute("SELECT '[1,2]'::vector <#> '[3,4]'").fetchone() == (-11,)
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)


def test_nobody_gets_in_without_the_password(postgres_folder):
    """Neither a local user who reaches the socket, nor the superuser's name, opens the database."""
    with EmbeddedPostgres(postgres_folder) as server:
        keyless = server.url().replace(f"{postgres_folder}/pgpass", "/nonexistent")
        assert keyless != server.url()
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(keyless)
        for password in ("", "postgres", "facefleet"):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(keyless, password=password)
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            psycopg.connect(server.url(), user="postgres")


def test_no_other_user_reaches_socket_or_password(postgres_folder):
    """The folder is closed to everybody else, the password file too, and nothing listens on the network."""
    with EmbeddedPostgres(postgres_folder) as server:
        assert stat.S_IMODE(postgres_folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((postgres_folder / "pgpass").stat().st_mode) == 0o600
        assert "pgpass" in server.url()
        assert (postgres_folder / "pgpass").read_text().rsplit(":", 1)[1].strip() not in server.url()
        listening = psutil.Process(server_pid(postgres_folder)).net_connections(kind="inet")
        assert listening == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user; run the tests as root")
def test_a_closed_folder_is_opened_for_the_server_alone(postgres_folder):
    """Root's home stays closed to everybody but the server's account, and a folder that others use is refused."""
    home, shared = postgres_folder / "home", postgres_folder / "shared"
    home.mkdir(mode=0o700)
    with EmbeddedPostgres(home / "data") as server:
        assert answers(server.url())
    assert stat.S_IMODE(home.stat().st_mode) == 0o710
    shared.mkdir()
    shared.chmod(0o750)
    with pytest.raises(Unavailable, match="FACEFLEET_DATABASE_URL"):
        EmbeddedPostgres(shared / "data").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes where another account may put links; run it as root")
@pytest.mark.parametrize("name", ["starting", "owner", "data/facefleet.conf"])
def test_root_follows_no_link_that_the_servers_account_planted(postgres_folder, tmp_path, name):
    """Who takes over the database's account must not make root empty, overwrite or give away a file of root's."""
    folder, victim = postgres_folder / "postgres", tmp_path / "victim"
    with EmbeddedPostgres(folder):
        pass
    victim.write_text("root's own")
    victim.chmod(0o600)
    (folder / name).unlink()
    (folder / name).symlink_to(victim)
    os.chown(folder / name, folder.stat().st_uid, folder.stat().st_gid, follow_symlinks=False)
    if name == "data/facefleet.conf":
        with EmbeddedPostgres(folder) as server:
            assert answers(server.url())
    else:
        with pytest.raises(Unavailable, match="link"):
            EmbeddedPostgres(folder).start()
    assert victim.read_text() == "root's own"
    assert (victim.stat().st_uid, stat.S_IMODE(victim.stat().st_mode)) == (0, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes where another account may put links; run it as root")
def test_root_writes_nothing_into_a_folder_that_the_servers_account_links_to(postgres_folder, tmp_path):
    """Else its configuration would appear, the account's own, in a folder whose files root obeys."""
    with EmbeddedPostgres(postgres_folder):
        pass
    (postgres_folder / "data").rename(postgres_folder / "moved")
    (tmp_path / "PG_VERSION").write_text("18\n")
    (postgres_folder / "data").symlink_to(tmp_path)
    with pytest.raises((Unavailable, OSError)):
        EmbeddedPostgres(postgres_folder).start()
    assert not (tmp_path / "facefleet.conf").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives the folder to another account; run it as root")
def test_root_gives_away_no_folder_that_a_link_names(postgres_folder):
    """A link in the folder's place is refused, and what it names stays root's."""
    (postgres_folder / "roots").mkdir(mode=0o755)
    (postgres_folder / "postgres").symlink_to(postgres_folder / "roots")
    with pytest.raises(Unavailable, match="cannot be written"):
        EmbeddedPostgres(postgres_folder / "postgres").start()
    assert (postgres_folder / "roots").stat().st_uid == 0


def test_the_folder_above_is_made_closed_to_others(postgres_folder):
    """It is `--data`, which holds keys and photos as well; the server's account may pass, nobody may list it."""
    with EmbeddedPostgres(postgres_folder / "data" / "postgres") as server:
        assert answers(server.url())
    assert stat.S_IMODE((postgres_folder / "data").stat().st_mode) == (0o710 if os.geteuid() == 0 else 0o700)


@pytest.mark.parametrize("folder", ["/proc/facefleet", "{file}/below"])
def test_a_folder_that_cannot_be_made_is_named_in_a_sentence(tmp_path, folder):
    """Below a file, and where nobody can write, not even root."""
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"cannot be written: .*--data"):
        EmbeddedPostgres(Path(folder.format(file=tmp_path / "file"))).start()


def test_a_long_path_is_no_obstacle(postgres_folder):
    """A socket's name may have some hundred bytes, a folder more, and odd characters; the socket's folder goes too."""
    folder = postgres_folder / ("it's 100 % long " * 8)
    with EmbeddedPostgres(folder) as server:
        assert answers(server.url())
        short = server._socket_folder()
        assert short != folder
    assert not short.exists()


def test_several_programs_may_start_it_at_once(postgres_folder):
    """All get the same server; only the one that owns it stops it."""
    servers = [EmbeddedPostgres(postgres_folder) for _ in range(4)]
    urls: list[str] = []
    starting = [threading.Thread(target=lambda s=server: urls.append(s.start())) for server in servers]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()
    assert len(urls) == 4
    assert len(set(urls)) == 1
    (owner,) = [server for server in servers if server._owner is not None]
    for server in servers:
        if server is not owner:
            server.stop()
    assert owner.healthy()
    owner.stop()
    assert not owner.healthy()


def test_it_is_started_again_after_it_died(postgres_folder):
    """Whoever notices that the server is gone calls start again, and finds what was committed."""
    with EmbeddedPostgres(postgres_folder) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        first = psutil.Process(server_pid(postgres_folder))
        first.kill()
        first.wait(60)
        assert not server.healthy()
        with psycopg.connect(server.start()) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(42,)]
        assert server.healthy()


def test_what_a_killed_run_left_behind_is_adopted_and_stopped(postgres_folder):
    """A SIGKILL leaves the server running; the next run takes it over and leaves nothing behind."""
    with run_elsewhere(postgres_folder, "time.sleep(600)") as killed:
        url = killed.stdout.readline().strip()
        killed.kill()
    left = psutil.Process(server_pid(postgres_folder))
    with EmbeddedPostgres(postgres_folder) as server:
        assert server.url() == url
        assert server_pid(postgres_folder) == left.pid
    left.wait(60)


def test_ctrl_c_leaves_nothing_behind(postgres_folder):
    """The terminal's SIGINT does not reach the server; the program ends in order and stops it."""
    # Many short naps: a signal that comes between Python's last look for one and a long nap waits till that has ended.
    naps = "for _ in range(2400): time.sleep(0.05)"
    with run_elsewhere(postgres_folder, f"with server:\n  print('in', flush=True)\n  {naps}") as stopped:
        assert [stopped.stdout.readline() for _ in range(2)][1] == "in\n"
        server = psutil.Process(server_pid(postgres_folder))
        assert os.getpgid(server.pid) != os.getpgid(stopped.pid)
        stopped.send_signal(signal.SIGINT)
    assert stopped.returncode == -signal.SIGINT
    server.wait(60)


def test_ctrl_c_during_the_start_leaves_nothing_behind(postgres_folder, monkeypatch):
    """Somebody who changes their mind while the server comes up is left with no server."""

    def interrupted(_: EmbeddedPostgres) -> bool:
        raise KeyboardInterrupt

    server = EmbeddedPostgres(postgres_folder)
    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedPostgres, "healthy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            server.start()
    assert not server.healthy()
    assert not (postgres_folder / "data" / "postmaster.pid").exists()


def test_a_reused_process_number_is_not_taken_for_the_server(postgres_folder):
    """After a crash of the machine the pid file may name a process of somebody else."""
    with EmbeddedPostgres(postgres_folder):
        pass
    stale = f"{os.getpid()}\n{postgres_folder}/data\n0\n5432\n{postgres_folder}\n\n0\nready\n"
    (postgres_folder / "data" / "postmaster.pid").write_text(stale)
    with pytest.raises(Unavailable):
        EmbeddedPostgres(postgres_folder).url()
    with EmbeddedPostgres(postgres_folder) as server:
        assert answers(server.url())


def test_a_lock_that_names_a_process_of_the_same_user_is_no_obstacle(postgres_folder):
    """After a power cut, or in a copy of the folder, the socket's lock may name whoever has that number by now."""
    with EmbeddedPostgres(postgres_folder) as server:
        lock = server.socket().with_name(".s.PGSQL.5432.lock")
    uid = server_account().uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=uid) as somebody:
        lock.write_text(f"{somebody.pid}\n{postgres_folder}/data\n0\n5432\n{postgres_folder}\n")
        try:
            with EmbeddedPostgres(postgres_folder) as server:
                assert answers(server.url())
        finally:
            somebody.kill()


def test_a_server_that_cannot_be_looked_at_is_not_taken_for_dead(postgres_folder, monkeypatch):
    """With too many open files nothing can be read; a second server would do harm, and stopping the first one too."""
    with EmbeddedPostgres(postgres_folder) as server:
        pid = server_pid(postgres_folder)
        with monkeypatch.context() as patch:
            patch.setattr(psutil, "Process", too_many_files)
            for each in (server.url, server.start):
                with pytest.raises(Unavailable, match="cannot be told: Too many open files"):
                    each()
        assert server_pid(postgres_folder) == pid
        assert answers(server.url())


def too_many_files(_pid: int) -> psutil.Process:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_what_the_server_said_before_it_died_is_kept(postgres_folder):
    """The next start, or several that fail, would else leave nothing to read of the crash."""
    with EmbeddedPostgres(postgres_folder) as server:
        for _ in range(2):
            died = psutil.Process(server_pid(postgres_folder))
            died.kill()
            died.wait(60)
            server.start()
    assert (postgres_folder / "log").read_text().count("database system was not properly shut down") == 2


def test_a_half_made_database_is_made_anew(postgres_folder):
    """A first start that was interrupted is no obstacle to the next."""
    (postgres_folder / "data.new").mkdir(parents=True)
    (postgres_folder / "data.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(postgres_folder) as server:
        assert answers(server.url())
