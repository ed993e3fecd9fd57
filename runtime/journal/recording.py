"""A process's way to the database: one thread with an event loop, the open database and the journal on it."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from ..foundation.ending import before_leaving, not_before_leaving
from ..foundation.errors import DatabaseUnavailable, ServerGone
from ..foundation.loop_thread import LoopThread
from .journal import Journal, JournalLimits
from .transport import StoreTransport

if TYPE_CHECKING:
    from ..store.database.database import Database

P = ParamSpec("P")
T = TypeVar("T")
Verb = Callable[Concatenate["Database", P], Coroutine[Any, Any, T]]

LEASE_S = 15.0
CLOSE_WITHIN_S = 30.0


class Recording:
    """The database and the journal for synchronous code; belongs to the process that opened it, not forks."""

    polls_commands = False
    """Whether this process asks through it what is asked of its runs; False where an ear hears that."""

    def __init__(self, url: str, thread: LoopThread, db: Database, journal: Journal, lease_s: float) -> None:
        self.database_url = url  # or the server's address
        self.lease_s = lease_s
        self.db = db
        self._journal = journal
        self._thread = thread
        self._pid = os.getpid()
        self._closed = False
        self._close_lock = threading.Lock()
        before_leaving(self.leave)

    @classmethod
    def open(
        cls, database_url: str, lease_s: float = LEASE_S, limits: JournalLimits | None = None
    ) -> Recording:
        """Open the database, creating and migrating it on first use, and start its journal.

        Raises BadSetting, DatabaseUnavailable, SchemaTooNew.
        """
        from ..store.database.database import Database

        async def start() -> tuple[Database, Journal]:
            db = await Database.open(database_url)
            return db, Journal(StoreTransport(db, lease_s), lease_s, limits)

        thread = LoopThread("heliostat-recording")
        try:
            db, journal = thread.run(start())
        except BaseException:
            thread.close()
            raise
        recording = cls(database_url, thread, db, journal, lease_s)
        recording.polls_commands = True
        atexit.register(recording.close)
        return recording

    @property
    def journal(self) -> Journal:
        """The journal; `journal.open(...)` and what it gives may be used from any thread."""
        self._refuse_if_unusable()
        return self._journal

    @property
    def is_usable(self) -> bool:
        """Whether this process may use it: not after `close`, not in a fork."""
        return not self._closed and self._pid == os.getpid() and self._journal.failure is None

    def call(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store verb and wait for its value: `recording.call(flow_runs.read, run_id)`."""
        self._refuse_if_unusable()
        return self._thread.run(self._asked(verb, *args, **kwargs))

    def call_within(self, timeout_s: float, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`call` for those who cannot wait. Raises DatabaseUnavailable when there is no answer by then."""
        self._refuse_if_unusable()
        try:
            return self._thread.run(self._asked(verb, *args, **kwargs), timeout_s)
        except TimeoutError:
            raise DatabaseUnavailable(f"no answer within {timeout_s:g} s") from None

    def leave(self) -> str | None:
        """The process ends now, whatever is under way: keep what is unrecorded; gives a line for people."""
        if self._pid != os.getpid() or self._closed or not self._journal.buffered_events:
            return None
        gone = ServerGone("not everything was recorded in time")
        self._journal.leave(gone)
        return str(gone)

    def call_async(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """The same for asynchronous code: await it on any other event loop."""
        self._refuse_if_unusable()
        return asyncio.wrap_future(self._thread.submit(self._asked(verb, *args, **kwargs)))

    def close(self, timeout_s: float | None = CLOSE_WITHIN_S) -> None:
        """Make everything durable and let go of the database. Harmless a second time, and in a fork."""
        if self._pid != os.getpid():  # nothing here is a fork's to close; the lock may be held for ever
            return
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        not_before_leaving(self.leave)
        try:
            self._thread.run(self._journal.close(timeout_s))
            self._thread.run(self._let_go())
        finally:
            self._thread.close()

    # How verbs reach the database; the way over HTTP is another one.

    def _asked(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return verb(self.db, *args, **kwargs)

    async def _let_go(self) -> None:
        await self.db.close()

    def _refuse_if_unusable(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError(
                "a forked process cannot use its parent's database connection; call current_recording()"
            )
        if self._closed:
            raise RuntimeError("the recording is closed")


class AnyRecording(Protocol):
    """What the engine uses of a recording: one that is no `Recording` looks like this."""

    @property
    def lease_s(self) -> float: ...
    @property
    def journal(self) -> Any: ...
    @property
    def is_usable(self) -> bool: ...
    def call(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...
    def close(self, timeout_s: float | None = None) -> None: ...


_current: Recording | None = None
_installed: tuple[int, AnyRecording] | None = None  # with the process that it is for
_current_lock = threading.Lock()


def use_recording(recording: AnyRecording | None) -> None:
    """From now on `current_recording` of this process gives that one, whatever the settings say; None undoes
    it.

    For processes that reach the database through another one. A fork goes back to the settings.
    """
    global _installed
    _installed = None if recording is None else (os.getpid(), recording)


def current_recording() -> Recording:
    """The recording of this process, opened on first use: at the server that `HELIOSTAT_API_URL` names, else
    at the database that the settings name.

    A fork, and a change of the setting, get one of their own. Raises like `Recording.open`.
    """
    global _current
    from ..foundation.settings import current_settings

    installed = _installed
    if installed is not None and installed[0] == os.getpid():
        return cast("Recording", installed[1])

    settings = current_settings()
    url = settings.api_url or settings.database_url
    with _current_lock:
        known = _current
        if known is not None and known.is_usable and known.database_url == url:
            return known
        if known is not None:
            known.close()
        _current = None
        limits = JournalLimits(
            buffer_events=settings.journal_buffer_events, linger_s=settings.journal_flush_ms / 1000
        )
        if settings.api_url:
            from .http_recording import HttpRecording

            _current = HttpRecording.at(settings.api_url, limits)
        else:
            _current = Recording.open(url, settings.lease_s, limits)
        return _current


def close_current_recording() -> None:
    """Close what `current_recording` opened, if it did."""
    global _current
    with _current_lock:
        if _current is not None:
            _current.close()
        _current = None


def _forget_after_fork() -> None:
    global _current_lock
    _current_lock = threading.Lock()  # the parent's may have been held at that moment


os.register_at_fork(after_in_child=_forget_after_fork)
