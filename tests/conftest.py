"""The embedded PostgreSQL server, one for the whole test run, with a database for each test that wants one."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.postgres import Database, migrate
from facefleet.errors import Unavailable


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
def migrated_template(postgres_server: str) -> str:
    """A database with every migration applied, to be copied."""
    name = "migrated"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    migrate(_database_url(postgres_server, name))
    return name


@pytest.fixture
def postgres_url(postgres_server: str, migrated_template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
        yield _database_url(postgres_server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database."""
    async with Database(postgres_url) as database:
        yield database


def _database_url(server_url: str, name: str) -> str:
    return server_url.replace("@/facefleet?", f"@/{name}?")
