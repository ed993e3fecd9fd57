"""Whether a server still answers, and for how long it has been silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ..foundation import clock
from ..foundation.errors import ServerGone


class Contact:
    """The contact of one process with one server. Its methods may be called from any thread.

    The silence counts from the first question without an answer. It ends with an answer to any question, and
    when nothing asks any more.
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
        """A block that asks the server something; `answered` notes the answer."""
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
        """Note that the server has answered a question."""
        with self._lock:
            self._since = None

    @property
    def silent_s(self) -> float:
        """Seconds for which the server has not answered; 0 when it has, or when nothing asks."""
        now = clock.monotonic_s()
        with self._lock:
            return 0.0 if self._since is None or not self._is_asked(now) else now - self._since

    @property
    def is_gone(self) -> bool:
        return self.silent_s >= self.patience_s

    def check(self) -> None:
        """Raise ServerGone, and log it, when the server is gone."""
        silent_s = self.silent_s
        if silent_s >= self.patience_s:
            gone = ServerGone(f"the server at {self.url} has not answered for {silent_s:.0f} s")
            self.on_gone(gone)
            raise gone

    def _is_asked(self, now: float) -> bool:
        # A process that goes on asking asks at least every third of a lease.
        return self._open > 0 or now - self._last < self.patience_s * 0.6 + 2.0
