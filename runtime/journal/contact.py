"""Whether a server still answers: for how long every question to it has gone without an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ..foundation import clock
from ..foundation.errors import ServerGone


class Contact:
    """Of one process with one server. Its methods may be called from any thread.

    The silence counts from the first question without an answer. An answer to any question ends it, and so
    does it when nobody asks any more.
    """

    def __init__(self, url: str, patience_s: float) -> None:
        self.url = url
        self.patience_s = patience_s
        self.on_gone: Callable[[ServerGone], None] = lambda _: None
        self._lock = threading.Lock()
        self._since: float | None = None
        self._open = 0
        self._last = 0.0

    @contextmanager
    def question(self) -> Generator[None]:
        """The block asks the server something; `answered` says that it has answered."""
        now = clock.monotonic_s()
        with self._lock:
            if self._since is None or not self._is_asked(now):
                self._since = now
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                self._last = clock.monotonic_s()

    def answered(self) -> None:
        """The server has answered something."""
        with self._lock:
            self._since = None

    @property
    def silent_s(self) -> float:
        """For how long it has not answered; 0 when it has, or when nobody asks."""
        now = clock.monotonic_s()
        with self._lock:
            return 0.0 if self._since is None or not self._is_asked(now) else now - self._since

    @property
    def is_gone(self) -> bool:
        return self.silent_s >= self.patience_s

    def check(self) -> None:
        """Raise ServerGone, and tell of it, when the server is gone."""
        silent_s = self.silent_s
        if silent_s >= self.patience_s:
            gone = ServerGone(f"the server at {self.url} has not answered for {silent_s:.0f} s")
            self.on_gone(gone)
            raise gone

    def _is_asked(self, now: float) -> bool:
        # Between two questions of those who go on asking lies a third of a lease at most.
        return self._open > 0 or now - self._last < self.patience_s * 0.6 + 2.0
