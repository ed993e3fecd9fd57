"""Recording by a thread with an event loop, which runs the journal and asks the store."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar
from uuid import UUID

from ..foundation.ending import before_leaving, not_before_leaving
from ..foundation.errors import DatabaseUnavailable, ServerGone
from ..foundation.loop_thread import LoopThread
from ..records import Owner
from .journal import Journal
from .recording import Verb

if TYPE_CHECKING:
    from ..store.database.rows import Adopted

P = ParamSpec("P")
T = TypeVar("T")

CLOSE_WITHIN_S = 30.0


class Store(Protocol):
    """Carries out the verbs of a recording, on the recording's thread."""

    def ask(self, verb: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        """The value of a verb; raises what the verb raises."""
        ...

    def adopt(
        self, run_id: UUID, owner: Owner, lease_s: float, dead_epoch: int | None
    ) -> Coroutine[Any, Any, Adopted]:
        """See `flow_runs.adopt`."""
        ...

    def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> Coroutine[Any, Any, bool]:
        """See `leases.release`."""
        ...

    def hurry(self) -> None:
        """The recording will be closed soon: from now on wait only briefly for a store that is away."""
        ...

    async def close(self) -> None: ...


def open_recording(place: str, start: Coroutine[Any, Any, tuple[Store, Journal, float]]) -> ThreadRecording:
    """A recording on a thread of its own, closed at the exit of the process. `start` gives its store, its
    journal and how long leases last; raises what `start` raises.
    """
    thread = LoopThread("heliostat-recording")
    try:
        store, journal, lease_s = thread.run(start)
    except BaseException:
        thread.close()
        raise
    recording = ThreadRecording(place, thread, store, journal, lease_s, polls_commands=True)
    atexit.register(recording.close)
    return recording


class ThreadRecording:
    """A Recording for the process that opened it, not for its forks. `place` is its store's address."""

    hears_commands = True

    def __init__(
        self,
        place: str,
        thread: LoopThread,
        store: Store,
        journal: Journal,
        lease_s: float,
        *,
        polls_commands: bool,
    ) -> None:
        self.place = place
        self.lease_s = lease_s
        self.polls_commands = polls_commands
        self._store = store
        self._journal = journal
        self._thread = thread
        self._pid = os.getpid()
        self._closed = False
        self._close_lock = threading.Lock()
        before_leaving(self.leave)

    @property
    def journal(self) -> Journal:
        """The journal; `journal.open(...)` and the journal of a run may be used from any thread."""
        self._refuse_if_unusable()
        return self._journal

    @property
    def is_usable(self) -> bool:
        """See Recording."""
        return not self._closed and self._pid == os.getpid() and self._journal.failure is None

    def call(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See Recording."""
        self._refuse_if_unusable()
        return self._thread.run(self._store.ask(verb, args, kwargs))

    def call_within(self, timeout_s: float, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See Recording."""
        self._refuse_if_unusable()
        try:
            return self._thread.run(self._store.ask(verb, args, kwargs), timeout_s)
        except TimeoutError:
            raise DatabaseUnavailable(f"no answer within {timeout_s:g} s") from None

    def call_async(self, verb: Verb[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """`call` for asynchronous code: await it on an event loop other than the recording's."""
        self._refuse_if_unusable()
        return asyncio.wrap_future(self._thread.submit(self._store.ask(verb, args, kwargs)))

    def adopt(self, run_id: UUID, owner: Owner, dead_epoch: int | None) -> Adopted:
        """See Recording."""
        self._refuse_if_unusable()
        return self._thread.run(self._store.adopt(run_id, owner, self.lease_s, dead_epoch))

    def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> bool:
        """See Recording."""
        self._refuse_if_unusable()
        return self._thread.run(self._store.release(run_id, epoch, owner_id))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the recording's thread and wait for its value."""
        return self._thread.run(work)

    def leave(self) -> str | None:
        """Keep unrecorded events on this machine, as the process ends now; returns a line for people."""
        if self._pid != os.getpid() or self._closed or not self._journal.buffered_events:
            return None
        gone = ServerGone("not everything was recorded in time")
        self._journal.leave(gone)
        return str(gone)

    def close(self, timeout_s: float | None = CLOSE_WITHIN_S) -> None:
        """See Recording. Harmless when called twice, and in a fork."""
        if self._pid != os.getpid():  # a fork has nothing to close; its lock may be held for ever
            return
        self._store.hurry()
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        not_before_leaving(self.leave)
        try:
            self._thread.run(self._journal.close(timeout_s))
            self._thread.run(self._store.close())
        finally:
            self._thread.close()

    def _refuse_if_unusable(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError(
                "a forked process cannot use its parent's database connection; call current_recording()"
            )
        if self._closed:
            raise RuntimeError("the recording is closed")
