"""The Ray clusters that processes of this home folder start: their token, and which of them live.

A holder of the token may run code on these clusters as the user who started them. The token is in a file that
only this user can read; the environment of processes on Ray names the file and does not hold the token.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .local_servers import is_locked
from .private_files import make_folder, make_once
from .settings import home_folder

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_record: tuple[int, int, Path] | None = None  # pid and locked file of the process that has started a Ray


def token_file() -> Path:
    """The file with the token, made when first asked for; of several makers at once one wins."""
    path = _folder() / "token"
    if not path.exists():
        make_once(path, secrets.token_hex(32).encode())
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return path


def token() -> str:
    """The token that a process must send to a Ray cluster of this home folder."""
    return token_file().read_text(encoding="utf-8").strip()


def note(address: str) -> None:
    """Record that this process has started the Ray at `address`, until `forget` or the end of the process."""
    global _record
    forget()
    folder = make_folder(_folder() / "running")
    handle, path = tempfile.mkstemp(prefix="ray-", dir=folder)
    # The lock, not a pid, says whether the process lives.
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(handle, address.encode())
    _record = (os.getpid(), handle, Path(path))


def forget() -> None:
    """Remove the record of the Ray that this process has started, if it has started one."""
    global _record
    if _record is not None:
        pid, handle, path = _record
        _record = None
        if pid == os.getpid():  # a forked child inherits the record but has started no Ray
            path.unlink(missing_ok=True)
        os.close(handle)


def addresses() -> list[str]:
    """The addresses of living Ray clusters of this home folder, the newest first."""
    found: list[tuple[float, str]] = []
    for path in _records():
        with suppress(OSError):
            found.append((path.stat().st_mtime, path.read_text(encoding="utf-8")))
    return [address for _, address in sorted(found, reverse=True) if address]


def is_own(address: str) -> bool:
    """Whether a process of this home folder has started the Ray at `address`."""
    host, _, port = address.rpartition(":")
    own = [each.rpartition(":") for each in addresses()]
    return any(
        port == its_port and (host == its_host or host in _LOCAL_NAMES) for its_host, _, its_port in own
    )


def _records() -> Iterator[Path]:
    """The records of living processes; those of dead ones are removed."""
    for path in (_folder() / "running").glob("ray-*"):
        if is_locked(path):
            yield path
        else:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    return home_folder() / "ray"
