"""What the keeper tells of Ray, for `server status`, the banner and `ray status`: a file a server.

A file and no table: it is about processes of this machine, like the server's own record beside it, and can be
read while the database is away. Whoever asks for what runs is told by the database as everywhere.
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
    """One keeper as of `at` (epoch seconds). `problem`: why Ray or an actor is not there."""

    pid: int
    at: float
    is_up: bool = False
    is_local: bool = True  # its own Ray, which ends with it
    address: str | None = None
    dashboard: str | None = None
    problem: str | None = None
    actors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    supervisors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    nodes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    namespace: str | None = None  # of its actors
    others: list[str] = field(default_factory=list[str])  # namespaces of servers with other databases


def write(server: str, state: KeeperState) -> None:
    """Tell; `server` names the file: the server's port."""
    path = _folder() / f"{server}.ray"
    scratch = path.with_suffix(".ray-new")
    make_file(scratch)
    scratch.write_text(json.dumps(asdict(state)), encoding="utf-8")
    scratch.replace(path)


def read(server: str) -> KeeperState | None:
    """What the keeper of a server last told; None when it has told nothing."""
    try:
        return KeeperState(**json.loads((_folder() / f"{server}.ray").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(server: str) -> None:
    """The keeper ends."""
    (_folder() / f"{server}.ray").unlink(missing_ok=True)


def every() -> Iterator[tuple[str, KeeperState]]:
    """What the keepers of this home folder last told, by server."""
    for path in sorted(_folder().glob("*.ray")):
        state = read(path.stem)
        if state is not None:
            yield path.stem, state


def _folder() -> Path:
    return home_folder() / "servers"
