"""The journal of a process: takes the events of many runs and makes them durable, in order, many at a time.

    append (any thread) -> buffer -> group commit (one at a time) -> transport -> acks -> barriers

While one commit is under way the next one gathers, so commits grow with the load. A commit without an answer
is sent again until it is answered; the receiving side skips events that it has.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from ..foundation import clock
from ..foundation.errors import DatabaseUnavailable, JournalGap, LeaseLost, ServerGone, Unavailable
from ..foundation.long_lived import Failures, Tasks, tell
from ..records import Ack, Record, RunAppend, TaskRunBatch
from . import unrecorded
from .contact import Contact
from .run_journal import RunJournal
from .transport import Transport

__all__ = ["Journal", "JournalLimits", "RunJournal", "WithoutWaiting"]

_log = logging.getLogger("heliostat.journal")


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much a journal buffers and commits at once, and how long it waits."""

    buffer_events: int = 50_000  # appends block above this, counting what is being committed
    buffer_bytes: int = 128 * 1024 * 1024
    commit_events: int = 4_096  # the most events in one transaction
    commit_bytes: int = 16 * 1024 * 1024
    linger_s: float = 0.005  # how long an event waits for others when no barrier waits for it
    linger_most_s: float = 0.15  # the longest such wait when commits of the database take long
    linger_commits: float = 20.0  # up to `linger_most_s`, wait this many times the last commit's time
    backoff_first_s: float = 0.05
    backoff_most_s: float = 2.0
    warn_every_s: float = 5.0
    patience_s: float | None = None  # how long to try while the database is away; None: without end
    incurable_patience_s: float = 30.0  # the patience with errors like a full disk


class _MayNotWait(threading.local):
    depth = 0


_may_not_wait = _MayNotWait()


class WithoutWaiting:
    """Within the block this thread's appends are taken even when the buffer is full.

    This is for code that holds a lock: making room may need that lock too, so waiting would be a deadlock.
    Code that appends much calls `wait_for_room` after the block.
    """

    def __enter__(self) -> None:
        _may_not_wait.depth += 1

    def __exit__(self, *_: object) -> None:
        _may_not_wait.depth -= 1


class Journal:
    """Made and used on one event loop; `RunJournal.append` may come from any thread."""

    def __init__(
        self,
        transport: Transport,
        lease_s: float,
        limits: JournalLimits | None = None,
        contact: Contact | None = None,
    ) -> None:
        self._transport = transport
        self._lease_s = lease_s
        self._limits = limits or JournalLimits()
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._room = threading.Condition()  # its lock guards everything below
        self._runs: dict[UUID, RunJournal] = {}
        self._events = 0  # in the buffer, with those under way
        self._bytes = 0
        self._hurry = False  # a barrier waits for events in the buffer
        self._woken = False
        self._closing = False
        self._failure: BaseException | None = None
        # Only the loop's thread touches these.
        self._wake = asyncio.Event()
        self._commit_took_s = 0.0
        self._tasks = Tasks(_log)
        self._committer = self._tasks.start("journal commits", self._commit_until_closed())
        self._renewer = self._tasks.keep("renewal of leases", self._renew)
        self._renewed: dict[UUID, float] = {}  # monotonic time of the last proof that the run's lease is held
        self._under_way: list[RunAppend] = []  # sent and not answered yet; guarded by the lock
        self._watching = (
            None
            if contact is None
            else self._tasks.keep("watch of the server", partial(self._watch, contact))
        )

    def open(
        self,
        run_id: UUID,
        epoch: int,
        owner: UUID,
        last_seq: int,
        on_fenced: Callable[[UUID], None] | None = None,
    ) -> RunJournal:
        """Begin to write for a run whose lease was taken. Callable from any thread.

        `on_fenced` is called on the journal's thread when another owner is found to hold the run.
        """
        run = RunJournal(self, run_id, epoch, owner, last_seq, on_fenced)
        with self._room:
            self._runs[run_id] = run
        return run

    async def close(self, timeout_s: float | None = None) -> None:
        """Make everything durable and stop; gives up after `timeout_s`. Events that are left then are lost,
        and their barriers fail.
        """
        with self._room:
            self._closing = True
            self._rouse(hurry=True)
        done, _ = await asyncio.wait({self._committer}, timeout=timeout_s)
        for task in (self._committer, self._renewer, *([self._watching] if self._watching else ())):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        closed = DatabaseUnavailable("the journal was closed before everything in it was recorded")
        if not done:
            self._give_up(closed)
            return
        with self._room:  # nothing leaves the buffer any more, so nothing may wait for room
            self._failure = closed
            late = [run_id for run_id, run in self._runs.items() if not run.is_drained]
            self._room.notify_all()
        for run_id in late:
            self._fail_run(run_id, closed)

    def leave(self, failure: ServerGone) -> None:
        """Keep unrecorded events on this machine, as the server is gone, and fail all appends and barriers.

        Callable from any thread. Nothing is recorded after this returns.
        """
        with self._room:
            if self._failure is not None:
                return
            self._failure = failure
            records: dict[UUID, list[Record]] = {}
            for append in self._under_way:
                records.setdefault(append.run_id, []).extend(append.records)
            for run in self._runs.values():
                records.setdefault(run.run_id, []).extend(run.unsent())
            runs = list(self._runs)
        try:
            place = unrecorded.keep(records)
        except OSError as error:
            _log.error("what is unrecorded cannot be kept: %s", error)
            place = None
        kept = "nothing is unrecorded" if place is None else f"what is unrecorded is kept in {place}"
        failure.args = (f"{failure.args[0]}; {kept}",)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop)
        for run_id in runs:
            left = self._fail_run(run_id, failure)
            if left is not None:
                left.tell_fenced()

    def _stop(self) -> None:
        for task in (self._committer, self._renewer, self._watching):
            if task is not None:
                task.cancel()

    @property
    def failure(self) -> BaseException | None:
        """Why the journal no longer records; None while all is well."""
        return self._failure

    @property
    def buffered_events(self) -> int:
        """Events that are not durable yet."""
        return self._events

    # Called by RunJournal, from any thread.

    def accept(self, run: RunJournal, record: Record, events: int, weight: int) -> None:
        """Put a record into the buffer; waits for room in it."""
        if isinstance(run.failure, ServerGone) and isinstance(record, TaskRunBatch):
            self._keep_late(run.run_id, record)
        with self._room:
            run.refuse_if_over()
            self._wait_for_room(run)
            if self._failure is not None:
                raise self._failure
            run.take_in(record, events, weight)
            self._events += events
            self._bytes += weight
            if not self._woken or self._events >= self._limits.commit_events:
                self._rouse(hurry=self._events >= self._limits.commit_events)

    def wait_for_room(self, run: RunJournal) -> None:
        """See RunJournal.wait_for_room."""
        if self._is_full():
            with self._room:
                self._wait_for_room(run)

    def _wait_for_room(self, run: RunJournal) -> None:
        if not self._is_full() or threading.get_ident() == self._thread_id or _may_not_wait.depth:
            return
        self._rouse(hurry=True)
        self._room.wait_for(
            lambda: not self._is_full() or run.failure is not None or self._failure is not None
        )
        run.refuse_if_over()

    def _keep_late(self, run_id: UUID, record: Record) -> None:
        """Keep a call on this machine that ended after the server was gone."""
        with suppress(OSError):
            unrecorded.keep({run_id: [record]})

    def barrier(self, run: RunJournal) -> Future[None]:
        """See RunJournal.barrier."""
        with self._room:
            done = run.add_barrier()
            if not done.done():
                self._rouse(hurry=True)
        return done

    def retire(self, run: RunJournal) -> Future[None]:
        """See RunJournal.close."""
        with self._room:
            done = run.add_barrier()
            run.mark_closed()
            if done.done():
                self._forget(run)
            else:
                self._rouse(hurry=True)
        return done

    def _is_full(self) -> bool:
        return self._events >= self._limits.buffer_events or self._bytes >= self._limits.buffer_bytes

    def _rouse(self, hurry: bool) -> None:
        """Wake the committer, at most once per round, and once more when something waits."""
        if self._woken and (self._hurry or not hurry):
            return
        self._woken = True
        self._hurry = self._hurry or hurry
        with suppress(RuntimeError):  # the loop is closed, so there is no committer to wake
            self._loop.call_soon_threadsafe(self._wake.set)

    def _forget(self, run: RunJournal) -> None:
        if self._runs.get(run.run_id) is run:
            del self._runs[run.run_id]

    # Commits: on the loop's thread.

    async def _commit_until_closed(self) -> None:
        failures = Failures("journal commits", _log)
        while True:
            try:
                if await self._commit_once():
                    return
            except Exception as error:  # appends and barriers wait for this loop, so it must go on
                await asyncio.sleep(failures.note(error))
            else:
                failures.over()

    async def _commit_once(self) -> bool:
        """Commit what is in the buffer; True when the journal is closed and nothing is left."""
        await self._gather()
        taken = self._take_out()
        if not taken and self._closing:
            return True
        if taken:
            began, failure = clock.monotonic_s(), None
            try:
                await self._commit([append for append, _, _ in taken])
            except Exception as error:
                failure = error
            with self._room:
                self._under_way = []
            self._commit_took_s = clock.monotonic_s() - began
            self._free(sum(events for _, events, _ in taken), sum(weight for _, _, weight in taken))
            if failure is not None:
                raise failure
        return False

    async def _gather(self) -> None:
        """Wait until there is something to commit, and a moment longer unless a barrier waits for it."""
        if not self._events:
            with self._room:
                if not self._events and not self._closing:
                    self._woken = self._hurry = False
                    self._wake.clear()
            await self._wake.wait()
        with self._room:
            self._wake.clear()
            self._woken = True
            hurry, self._hurry = self._hurry, False
        if not hurry:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._linger_s())

    def _linger_s(self) -> float:
        # A steady trickle of events must not keep the database committing: after a slow commit wait for more.
        limits = self._limits
        return max(limits.linger_s, min(self._commit_took_s * limits.linger_commits, limits.linger_most_s))

    def _take_out(self) -> list[tuple[RunAppend, int, int]]:
        """The appends of the next transaction, from as many runs as fit."""
        taken: list[tuple[RunAppend, int, int]] = []
        events_left, bytes_left = self._limits.commit_events, self._limits.commit_bytes
        with self._room:
            for run in list(self._runs.values()):
                if events_left <= 0 or bytes_left <= 0:
                    # A run that was served goes to the end of the queue, so that others come first.
                    for append, _, _ in taken:
                        self._runs[append.run_id] = self._runs.pop(append.run_id)
                    break
                append = run.take_out(events_left, bytes_left)
                if append is not None:
                    taken.append(append)
                    self._under_way.append(append[0])
                    events_left -= append[1]
                    bytes_left -= append[2]
        return taken

    async def _commit(self, appends: list[RunAppend]) -> None:
        try:
            acks = await self._send_until_answered(appends)
        except DatabaseUnavailable as error:
            self._give_up(error)
            return
        except Exception as error:
            if len(appends) > 1:  # one run's bad append must not fail the others
                for append in appends:
                    await self._commit([append])
                return
            _log.error("run %s: its events cannot be recorded", appends[0].run_id, exc_info=error)
            self._fail_run(appends[0].run_id, error)
            return
        try:
            self._settle(appends, acks)
        except Exception as error:  # the answer does not fit the appends
            _log.error("the answer of the database cannot be understood", exc_info=error)
            for append in appends:
                self._fail_run(append.run_id, error)

    async def _send_until_answered(self, appends: list[RunAppend]) -> list[Ack]:
        began = clock.monotonic_s()
        warned = began
        backoff_s = self._limits.backoff_first_s
        while True:
            try:
                acks = await self._transport.commit(appends)
            except (Unavailable, OSError) as error:
                now = clock.monotonic_s()
                if self._is_out_of_patience(error, now - began):
                    raise _given_up(error, now - began) from error
                if now - warned >= self._limits.warn_every_s:
                    warned = now
                    _log.warning("still trying to record events after %.0f s: %s", now - began, error)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, self._limits.backoff_most_s)
            else:
                if warned != began:
                    _log.warning("the database answers again")
                return acks

    def _is_out_of_patience(self, error: Exception, tried_s: float) -> bool:
        heals = not isinstance(error, DatabaseUnavailable) or error.heals
        patience_s = self._limits.patience_s
        if not heals:
            incurable_s = self._limits.incurable_patience_s
            patience_s = incurable_s if patience_s is None else min(patience_s, incurable_s)
        return patience_s is not None and tried_s >= patience_s

    def _settle(self, appends: list[RunAppend], acks: list[Ack]) -> None:
        now = clock.monotonic_s()
        reached: list[Future[None]] = []
        for append, ack in zip(appends, acks, strict=True):
            if ack.fenced:
                self._fence(append.run_id)
                continue
            if ack.seq < append.last_seq:
                self._fail_run(
                    append.run_id, JournalGap(f"run {append.run_id} is recorded up to {ack.seq} only")
                )
                continue
            with self._room:
                run = self._runs.get(append.run_id)
                if run is None:
                    continue
                self._renewed[run.run_id] = now
                reached += run.durable_up_to(ack.seq)
                if run.is_closed and run.is_drained:
                    self._forget(run)
        for done in reached:
            _resolve(done, None)

    def _free(self, events: int, weight: int) -> None:
        with self._room:
            self._events -= events
            self._bytes -= weight
            self._room.notify_all()

    # Ends of a run's journal before its time.

    def _fence(self, run_id: UUID) -> None:
        run = self._fail_run(
            run_id,
            LeaseLost(
                f"another process executes run {run_id} now; nothing that this one does is recorded now",
                hint="this happens when a process was believed dead; the run goes on there",
            ),
        )
        if run is not None:
            tell(f"flow run {run_id}, whose lease is lost,", run.tell_fenced, _log)

    def _fail_run(self, run_id: UUID, failure: BaseException) -> RunJournal | None:
        with self._room:
            run = self._runs.pop(run_id, None)
            if run is None:
                return None
            barriers, events, weight = run.fail(failure)
            self._events -= events
            self._bytes -= weight
            self._room.notify_all()
        for done in barriers:
            _resolve(done, failure)
        return run

    def _give_up(self, failure: BaseException) -> None:
        with self._room:
            self._failure = failure
            runs = list(self._runs)
        _log.error("the journal gives up: %s", failure)
        for run_id in runs:
            self._fail_run(run_id, failure)

    async def _watch(self, contact: Contact) -> None:
        """Leave once the server has not answered any question for the length of a lease."""
        await asyncio.sleep(min(0.5, contact.patience_s / 10))
        with suppress(ServerGone):
            contact.check()

    # Leases: on the loop's thread.

    async def _renew(self) -> None:
        pause_s = self._lease_s / 3
        await asyncio.sleep(pause_s)
        await self._renew_quiet_runs(pause_s)

    async def _renew_quiet_runs(self, pause_s: float) -> None:
        """Renew the leases that no commit has renewed in the meantime."""
        now = clock.monotonic_s()
        with self._room:
            self._renewed = {run_id: at for run_id, at in self._renewed.items() if run_id in self._runs}
            quiet = [
                run
                for run in self._runs.values()
                if run.holds_lease and now - self._renewed.get(run.run_id, -pause_s) >= pause_s / 2
            ]
        if not quiet:
            return
        fenced = await self._transport.renew([(run.run_id, run.epoch, run.owner) for run in quiet])
        for run in quiet:
            if run.run_id not in fenced:
                self._renewed[run.run_id] = clock.monotonic_s()
            elif run.holds_lease:  # the run may have given its lease back meanwhile
                self._fence(run.run_id)


def _given_up(error: Exception, tried_s: float) -> DatabaseUnavailable:
    hint = getattr(error, "hint", None)
    return DatabaseUnavailable(f"events could not be recorded for {tried_s:.0f} s: {error}", hint=hint)


def _resolve(done: Future[None], failure: BaseException | None) -> None:
    if not done.set_running_or_notify_cancel():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)
