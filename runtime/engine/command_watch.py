"""Hearing what is asked of the runs that this process executes: cancel, pause, suspend.

One thread a process asks the store now and then. Where somebody else listens (a supervisor on a cluster),
nothing is asked here.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from uuid import UUID

from .. import clock
from ..errors import HeliostatError
from ..journal.recording import Recording
from ..store import commands
from ..store.commands import Command

_log = logging.getLogger("heliostat.flow_runs")

POLL_S = 1.0
AGAIN_S = 5.0  # what was told and is still asked for after that time is told once more

Obey = Callable[[Command], bool]
"""Does what a command says; False when that was not possible yet."""


class CommandWatch:
    """The runs of this process and what was told to each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[UUID, tuple[Recording, Obey]] = {}
        self._told: dict[UUID, tuple[str, float]] = {}
        self._thread: threading.Thread | None = None
        self._changed = threading.Event()

    def hold(self, run_id: UUID, recording: Recording, obey: Obey) -> None:
        """From now on call `obey`, in the watch's thread, with what is asked of the run."""
        with self._lock:
            self._held[run_id] = (recording, obey)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="heliostat-commands", daemon=True)
                self._thread.start()
            self._changed.set()

    def let_go(self, run_id: UUID) -> None:
        """The run ends: nothing is told any more once this returns."""
        with self._lock:
            self._held.pop(run_id, None)
            self._told.pop(run_id, None)

    def _listen(self) -> None:
        while True:
            self._changed.wait()
            clock.sleep(POLL_S)
            with self._lock:
                held = dict(self._held)
                if not held:
                    self._changed.clear()
                    continue
            for recording in {id(each): each for each, _ in held.values()}.values():
                ids = [run_id for run_id, (of, _) in held.items() if of is recording]
                try:
                    for command in recording.call(commands.pending, ids):
                        self._tell(command)
                except (HeliostatError, RuntimeError) as error:
                    _log.debug("cannot hear what is asked of runs: %s", error)

    def _tell(self, command: Command) -> None:
        with self._lock:
            held = self._held.get(command.run_id)
            kind, at = self._told.get(command.run_id, ("", 0.0))
            now = clock.monotonic_s()
            if held is None or (kind == command.kind and now - at < AGAIN_S):
                return
            if held[1](command):
                self._told[command.run_id] = (command.kind, now)


_watch = CommandWatch()


def watch() -> CommandWatch:
    """That of this process."""
    return _watch


def _anew_after_fork() -> None:
    global _watch
    _watch = CommandWatch()


os.register_at_fork(after_in_child=_anew_after_fork)
