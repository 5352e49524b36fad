"""The embedded PostgreSQL server, one for the whole test run, emptied for each test that uses it."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest

from emulated_aws import EmulatedAws
from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.postgres import Database, apply_migrations
from facefleet.errors import Unavailable

# The same examples in every run: one that fails is found by whoever changed something, not by whoever comes next.
# HYPOTHESIS_PROFILE=new looks for new ones. How fast a machine is says nothing about what is tested.
_ANY_SPEED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("new", _ANY_SPEED)
hypothesis.settings.register_profile("same", _ANY_SPEED, derandomize=True, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """A folder for a server of the test's own; short, since it holds a socket, and not under pytest's closed one."""
    folder = Path(tempfile.mkdtemp(prefix="facefleet-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server that the whole run shares."""
    with tempfile.TemporaryDirectory(prefix="facefleet-") as folder:
        try:
            server = EmbeddedPostgres(Path(folder))
            url = server.start()
        except Unavailable as exc:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"No embedded PostgreSQL: {exc}")
        try:
            yield url
        finally:
            server.stop()


@pytest.fixture(scope="session")
def migrated_url(postgres_server: str) -> str:
    """The URL of the shared server's database, every migration applied."""
    apply_migrations(postgres_server)
    return postgres_server


@pytest.fixture
def postgres_url(migrated_url: str) -> str:
    """The URL of a migrated database with nothing in it."""
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        names = connection.execute(
            "SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'"
        )
        tables = ", ".join(name for (name,) in names)
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    return migrated_url


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database."""
    async with Database(postgres_url) as database:
        yield database


@pytest.fixture(scope="module")
def aws() -> Iterator[EmulatedAws]:
    """SQS, S3 and EC2 on this machine; the AWS variables point there while the module's tests run."""
    with EmulatedAws() as emulated:
        yield emulated
