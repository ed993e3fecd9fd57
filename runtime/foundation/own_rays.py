"""The Rays that processes of this home folder start: the token that they ask for, and which of them live.

Whoever has the token may run code on them as the user who started them. It lies in a file that only this user
reads; the environment of processes on Ray names the file and does not hold the token.
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
    """The file with the token; the first to ask makes it, and of several at once one wins."""
    path = _folder() / "token"
    if not path.exists():
        make_once(path, secrets.token_hex(32).encode())
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return path


def token() -> str:
    """What a process must tell a Ray of this home folder."""
    return token_file().read_text(encoding="utf-8").strip()


def note(address: str) -> None:
    """This process has started the Ray at `address`; known until `forget`, or the end of the process."""
    global _record
    forget()
    folder = make_folder(_folder() / "running")
    handle, path = tempfile.mkstemp(prefix="ray-", dir=folder)
    # The lock, not a pid, says whether the process lives.
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(handle, address.encode())
    _record = (os.getpid(), handle, Path(path))


def forget() -> None:
    """The Ray that this process has started ends. Harmless when it has started none."""
    global _record
    if _record is not None:
        pid, handle, path = _record
        _record = None
        if pid == os.getpid():  # a forked child has started none
            path.unlink(missing_ok=True)
        os.close(handle)


def addresses() -> list[str]:
    """Where Rays of this home folder listen, the newest first."""
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
    """Those of processes that live; what others have left is removed."""
    for path in (_folder() / "running").glob("ray-*"):
        if is_locked(path):
            yield path
        else:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    return home_folder() / "ray"
