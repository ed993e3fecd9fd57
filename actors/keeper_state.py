"""The keeper's report on Ray, for `server status`, the banner and `ray status`: one file per server.

It is a file, not a table, because it is about processes of this machine, as the server's record beside it,
and can be read while the database is away. Which runs are under way is in the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..runtime.foundation.private_files import make_file
from ..runtime.foundation.settings import home_folder


@dataclass(frozen=True, slots=True)
class KeeperState:
    """The state of one keeper at `at` (epoch seconds). `problem` says why Ray or an actor is missing."""

    pid: int
    at: float
    is_up: bool = False
    is_local: bool = True  # the keeper has started Ray, which ends with it
    address: str | None = None
    dashboard: str | None = None
    problem: str | None = None
    actors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    supervisors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    nodes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    namespace: str | None = None  # of the server's actors
    others: list[str] = field(default_factory=list[str])  # namespaces of servers with other databases


def write(server: str, state: KeeperState) -> None:
    """Write a keeper's report; `server` is the server's port, which names the file."""
    path = _folder() / f"{server}.ray"
    scratch = path.with_suffix(".ray-new")
    make_file(scratch)
    scratch.write_text(json.dumps(asdict(state)), encoding="utf-8")
    scratch.replace(path)


def read(server: str) -> KeeperState | None:
    """The last report of a server's keeper; None when there is none."""
    try:
        return KeeperState(**json.loads((_folder() / f"{server}.ray").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(server: str) -> None:
    """Remove the report of a keeper that ends."""
    (_folder() / f"{server}.ray").unlink(missing_ok=True)


def every() -> Iterator[tuple[str, KeeperState]]:
    """The last report of each keeper in this home folder, with its server."""
    for path in sorted(_folder().glob("*.ray")):
        state = read(path.stem)
        if state is not None:
            yield path.stem, state


def _folder() -> Path:
    return home_folder() / "servers"
