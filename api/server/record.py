"""Which servers run here: a locked file for each, under the home folder.

The lock, not the pid, says whether a server lives: the system gives it back whatever way the process ends.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ...runtime.settings import home_folder


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
        """Whether it holds its file."""
        return _is_locked(_path(self.port))


class OwnRecord:
    """The record of this process: kept until `close`, or the end of the process."""

    def __init__(self, port: int) -> None:
        self._path = _path(port)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, record: ServerRecord) -> None:
        text = json.dumps(asdict(record)).encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text, 0)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


def servers() -> Iterator[ServerRecord]:
    """The servers that run under this home folder, by port."""
    paths = sorted(_folder().glob("*.json"), key=lambda path: path.stem.zfill(5))
    for path in paths:
        record = _read(path)
        if record is not None and record.is_alive():
            yield record


def server_at(port: int) -> ServerRecord | None:
    """The server of that port, where it runs."""
    return next((record for record in servers() if record.port == port), None)


def log_path(port: int) -> Path:
    """Where a background server of that port writes."""
    return _folder() / f"{port}.log"


def _folder() -> Path:
    return home_folder() / "servers"


def _path(port: int) -> Path:
    return _folder() / f"{port}.json"


def _read(path: Path) -> ServerRecord | None:
    try:
        return ServerRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):  # it goes, or is being written
        return None


def _is_locked(path: Path) -> bool:
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
