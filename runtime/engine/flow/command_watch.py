"""Hears commands for the runs that this process executes: cancel, pause, suspend.

One thread per process polls the store. A supervisor on a cluster does not poll: its `CommandListener` hears
the commands and hands them to this watch.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import Protocol
from uuid import UUID

from ...foundation import clock
from ...foundation.errors import HeliostatError
from ...foundation.long_lived import keep_thread, tell
from ...journal.recording import Recording
from ...store import commands
from ...store.commands import Command

_log = logging.getLogger("heliostat.flow_runs")

POLL_S = 1.0
AGAIN_S = 5.0  # a command that is still in force after that time is handed on once more

Obey = Callable[[Command], bool]
"""Carries out a command; False when that is not possible yet."""


class CommandListener(Protocol):
    """Hears commands for runs whose process does not poll for them."""

    def hold(self, run_id: UUID) -> None: ...
    def let_go(self, run_id: UUID) -> None: ...


class CommandWatch:
    """The runs of this process and the commands that each was given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[UUID, tuple[Recording, Obey]] = {}
        self._told: dict[UUID, tuple[str, float]] = {}
        self._thread: threading.Thread | None = None
        self._changed = threading.Event()
        self.listener: CommandListener | None = None  # it is told which runs are held, and calls `tell`

    def hold(self, run_id: UUID, recording: Recording, obey: Obey) -> None:
        """From now on call `obey`, in another thread, with each command for the run."""
        with self._lock:
            self._held[run_id] = (recording, obey)
            if not recording.polls_commands:
                if self.listener is not None:
                    self.listener.hold(run_id)
                return
            if self._thread is None:
                self._thread = keep_thread("heliostat-commands", self._listen, _log)
            self._changed.set()

    def let_go(self, run_id: UUID) -> None:
        """Stop handing commands to a run that ends; none is handed on after this returns."""
        with self._lock:
            held = self._held.pop(run_id, None)
            self._told.pop(run_id, None)
            if held is not None and self.listener is not None and not held[0].polls_commands:
                self.listener.let_go(run_id)

    @property
    def runs(self) -> list[UUID]:
        """The runs that are held."""
        with self._lock:
            return list(self._held)

    def _listen(self) -> None:
        while True:
            self._changed.wait()
            clock.sleep(POLL_S)
            with self._lock:
                held = {run_id: each for run_id, each in self._held.items() if each[0].polls_commands}
                if not held:
                    self._changed.clear()
                    continue
            for recording in {id(each): each for each, _ in held.values()}.values():
                ids = [run_id for run_id, (of, _) in held.items() if of is recording]
                try:
                    for command in recording.call(commands.pending, ids):
                        tell(f"what is asked of flow run {command.run_id}", partial(self.tell, command), _log)
                except (HeliostatError, RuntimeError, CancelledError) as error:
                    _log.debug("cannot hear what is asked of runs: %s", error)

    def tell(self, command: Command) -> bool:
        """Hand a command to its run, unless that has just happened; False if the run cannot obey yet."""
        with self._lock:
            held = self._held.get(command.run_id)
            if held is None:
                return False
            kind, at = self._told.get(command.run_id, ("", 0.0))
            now = clock.monotonic_s()
            # A pause is handed on each time: the run may have gone on and been paused again meanwhile.
            if kind == command.kind != "pause" and now - at < AGAIN_S:
                return True
            if not held[1](command):
                return False
            self._told[command.run_id] = (command.kind, now)
            return True


_watch = CommandWatch()


def watch() -> CommandWatch:
    """The watch of this process."""
    return _watch


def _anew_after_fork() -> None:
    global _watch
    _watch = CommandWatch()


os.register_at_fork(after_in_child=_anew_after_fork)
