"""A small supervisor: starts child processes, restarts those that die, and leaves none behind.

The caller passes the children as a list of `Child`. Each child watches a pipe whose other end only the
supervisor holds, so that children end even when the supervisor is killed.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...runtime.foundation import clock
from ...runtime.foundation.supervised import BEYOND_HELP

_log = logging.getLogger("heliostat.server")

_POLL_S = 0.1
_STOP_WITHIN_S = 8.0
_BACKOFF_FIRST_S, _BACKOFF_MOST_S = 0.2, 5.0
_LIVED_S = 10.0  # a child that lived this long is restarted at once


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep alive: `module` is run with `arguments`; it inherits `fds`."""

    name: str
    module: str  # within this package, such as "api.server.api_process"
    arguments: Sequence[str] = ()
    fds: Sequence[int] = ()


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    backoff_s: float = _BACKOFF_FIRST_S


@dataclass(slots=True)
class Children:
    """Runs children until it is told to stop, or until one of them cannot be helped by a restart."""

    children: Sequence[Child]
    python: str
    _running: list[_Running] = field(default_factory=list[_Running])
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """End `run`; callable from signal handlers and other threads."""
        self._stop.set()

    def run(self, each_round: Callable[[], None] = lambda: None) -> int:
        """Keep the children alive; returns the exit code once all have ended: 0 after `stop`.

        `each_round` is called many times a second.
        """
        alive, held = os.pipe()  # nothing is ever written: children wait until it is closed
        self._running = [_Running(child) for child in self.children]
        code = 0
        try:
            while not self._stop.is_set() and not code:
                for each in self._running:
                    code = code or self._look_after(each, alive)
                each_round()
                self._stop.wait(_POLL_S)
        finally:
            os.close(held)
            os.close(alive)
            self._end_all()
        return code

    def _look_after(self, each: _Running, alive: int) -> int:
        """Start the child when it is due; returns an exit code when a restart would not help."""
        now = clock.monotonic_s()
        if each.process is None:
            if now >= each.start_at:
                each.process, each.started = self._start(each.child, alive), now
            return 0
        code = each.process.poll()
        if code is None:
            return 0
        if code == BEYOND_HELP:
            return 1
        if now - each.started >= _LIVED_S:
            each.backoff_s = _BACKOFF_FIRST_S
        _log.warning(
            "%s ended (%s); starting it again in %.1f s", each.child.name, _end_of(code), each.backoff_s
        )
        each.process, each.start_at = None, now + each.backoff_s
        each.backoff_s = min(each.backoff_s * 2, _BACKOFF_MOST_S)
        return 0

    def _start(self, child: Child, alive: int) -> subprocess.Popen[bytes]:
        top = __name__.partition(".")[0]
        command = [self.python, "-m", f"{top}.{child.module}", "--alive-fd", str(alive), *child.arguments]
        # A session of its own: Ctrl-C then reaches only the supervisor, which ends the children in order.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=(alive, *child.fds), start_new_session=True
        )

    def _end_all(self) -> None:
        processes = [each.process for each in self._running if each.process is not None]
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        until = clock.monotonic_s() + _STOP_WITHIN_S
        for process in processes:
            try:
                process.wait(max(until - clock.monotonic_s(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end_of(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
