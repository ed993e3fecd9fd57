"""Whether new calls of a run may begin; they may not while the run is paused."""

from __future__ import annotations

import threading

_AWAKE_EVERY_S = 0.2


class PauseGate:
    """Of one run in this process; open at first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = threading.Event()
        self._opened.set()
        self._is_over = False

    @property
    def is_closed(self) -> bool:
        """Whether calls are held back."""
        return not self._opened.is_set()

    def close(self) -> bool:
        """Hold back calls from now on; False when they are already, or the run is over."""
        with self._lock:
            if self._is_over or not self._opened.is_set():
                return False
            self._opened.clear()
            return True

    def open(self) -> None:
        """Let calls begin."""
        self._opened.set()

    def end(self) -> None:
        """The run is over: nobody waits here any more."""
        with self._lock:
            self._is_over = True
            self._opened.set()

    def wait(self) -> None:
        """Return when calls may begin. The thread can be interrupted meanwhile."""
        while not self._opened.wait(_AWAKE_EVERY_S):
            pass

    def wait_for(self, timeout_s: float) -> bool:
        """Wait for so long at most; whether calls may begin."""
        return self._opened.wait(timeout_s)
