"""The record of the server that this process is: a locked file under the home folder.

Commands and clients find a server on this machine by these files (`runtime/foundation/local_servers.py`).
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path

from ...runtime.foundation.local_servers import ServerRecord, record_path, server_at, servers, servers_folder
from ...runtime.foundation.private_files import make_folder

__all__ = ["OwnRecord", "ServerRecord", "log_path", "server_at", "servers"]


class OwnRecord:
    """The record of this process: kept until `close`, or the end of the process."""

    def __init__(self, port: int) -> None:
        self._path = record_path(port)
        make_folder(self._path.parent)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, record: ServerRecord) -> None:
        text = json.dumps(asdict(record)).encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text, 0)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


def log_path(port: int) -> Path:
    """The log file of a background server on that port."""
    return servers_folder() / f"{port}.log"
