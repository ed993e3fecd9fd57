"""The servers that run on this machine, found by the files that they keep locked under the home folder.

The lock, not the pid, says whether a server lives: the system releases it however the process ends.
`api/server/record.py` writes the files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .settings import home_folder

try:
    import fcntl
except ImportError:  # Windows has no such locks: no server is found, and its address must be set
    fcntl = None


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """One running server."""

    pid: int
    host: str
    port: int
    url: str  # of the API
    ready: bool
    log: str | None  # where a background server writes

    def is_alive(self) -> bool:
        """Whether the server still locks its file."""
        return is_locked(record_path(self.port))


def servers() -> Iterator[ServerRecord]:
    """The servers that run under this home folder, by port."""
    paths = sorted(servers_folder().glob("*.json"), key=lambda path: path.stem.zfill(5))
    for path in paths:
        record = _read(path)
        if record is not None and record.is_alive():
            yield record


def server_at(port: int) -> ServerRecord | None:
    """The running server of that port, or None."""
    return next((record for record in servers() if record.port == port), None)


def servers_folder() -> Path:
    """Where servers keep their records and logs."""
    return home_folder() / "servers"


def record_path(port: int) -> Path:
    """The file of the server of that port."""
    return servers_folder() / f"{port}.json"


def _read(path: Path) -> ServerRecord | None:
    try:
        return ServerRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # the file is being removed or written
        return None


def is_locked(path: Path) -> bool:
    """Whether a living process holds the file."""
    if fcntl is None:
        return False
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)
