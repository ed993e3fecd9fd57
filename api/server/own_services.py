"""The services without a server: a process of their own, found by a locked file under the home folder."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...runtime.foundation import clock
from ...runtime.foundation.errors import NotFound, Unavailable
from ...runtime.foundation.local_servers import is_locked, servers_folder
from ...runtime.foundation.private_files import make_file, make_folder

_WITHIN_S = 30.0
_LOOKS_S = 1.0


def run() -> None:
    """Run all services until SIGTERM or Ctrl-C. Raises Unavailable when they run here already."""
    from .services_process import serve_services

    with _held():
        serve_services()


def run_in_background(say: Callable[[str], None]) -> None:
    """Start a process that outlives this command, and wait until it holds the file."""
    running = _pid()
    if running is not None:
        raise _already(running)
    log = make_folder(servers_folder()) / "services.log"
    make_file(log)
    command = [sys.executable, "-m", __name__.partition(".")[0], "server", "services", "start"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    until = clock.monotonic_s() + _WITHIN_S
    while clock.monotonic_s() < until and process.poll() is None:
        if _pid() == process.pid:
            say(f"The services run (process {process.pid}). Stop them: heliostat server services stop")
            return
        clock.sleep(0.05)
    with suppress(ProcessLookupError):
        process.terminate()
    raise Unavailable("the services did not start", hint=f"see {log}")


def stop() -> int:
    """End the services that run here without a server, and wait until they have; gives their process."""
    pid = _pid()
    if pid is None:
        raise NotFound(
            "no services run here without a server",
            hint="those of a server end with it: heliostat server stop",
        )
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = clock.monotonic_s() + _WITHIN_S
    while is_locked(_path()):
        if clock.monotonic_s() > until:
            raise Unavailable(f"the services (process {pid}) have not ended", hint=f"kill -9 {pid}")
        clock.sleep(0.05)
    return pid


@contextmanager
def _held() -> Generator[None]:
    make_folder(_path().parent)
    fd = os.open(_path(), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(fd):
            raise _already(_pid() or 0)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    """Lock the file. Who looks whether it is locked holds it for a moment, so this is tried for a while."""
    until = clock.monotonic_s() + _LOOKS_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if clock.monotonic_s() > until:
                return False
            clock.sleep(0.02)


def _already(pid: int) -> Unavailable:
    return Unavailable(
        f"the services run here already (process {pid})", hint="stop them: heliostat server services stop"
    )


def _pid() -> int | None:
    """The process that holds the file."""
    with suppress(OSError, ValueError):
        if is_locked(_path()):
            return int(_path().read_text(encoding="utf-8"))
    return None


def _path() -> Path:
    return servers_folder() / "services.lock"
