"""The runner: takes flow runs that are due, and executes each in a separate process until its end.

Workers of `process` pools and `serve` find runs in different ways, and both give them to a runner:

    due -> claim (PENDING) -> Submitting -> process -> watched: cancelled, lost or ended -> told to the server

It calls the server through `RunnerApi`, so that tests can use it without a server.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from ..client.records import FlowRun
from ..foundation import clock
from ..foundation.ending import PARKED_EXIT
from ..foundation.errors import HeliostatError, NotFound, ServerFailed, Unavailable
from ..foundation.long_lived import Tasks, is_away
from ..states import AwaitingRetry, Cancelled, Crashed, Pending, State
from ..store.losses import LOST
from ..store.seen_runs import Told
from .child import Child, Job, how_it_ended

__all__ = ["Job", "Runner", "RunnerApi", "RunnerTimes", "python_command"]

_log = logging.getLogger("heliostat.runner")

_SHOWN_LINES = 5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_MOST_FAILURES = 30  # about five minutes

T = TypeVar("T")


class RunnerApi(Protocol):
    """The calls of a runner to the server. `ClientApi` implements them for a real server."""

    async def read(self, run_id: UUID) -> FlowRun:
        """The present run. Raises NotFound."""
        ...

    async def propose(self, run_id: UUID, seen: UUID, state: State, *, is_unheld: bool = False) -> Told:
        """Propose a state for a run that is still in the state with the id `seen`, atomically. With
        `is_unheld`, only while no process executes the run. Raises NotFound.
        """
        ...

    async def started(self, run_id: UUID, infrastructure_pid: str) -> None:
        """Record which process executes the run."""
        ...

    async def cancelling(self, run_ids: Iterable[UUID]) -> set[UUID]:
        """The runs among these that are to be cancelled."""
        ...

    async def let_go(self, run_id: UUID) -> None:
        """Release the lease of a dead process of this machine, so that another process may go on with the
        run.
        """
        ...

    async def losses(self, run_id: UUID) -> int:
        """How often the run has lost its process since it last ended."""
        ...

    async def log(self, run_id: UUID, lines: Iterable[str]) -> None:
        """Add lines to the run's log."""
        ...


@dataclass(frozen=True, slots=True)
class RunnerTimes:
    """Time limits and pauses, in seconds."""

    watch_s: float = 1.0  # between queries for runs to be cancelled
    cancel_s: float = 10.0  # for a cancelled run to end by itself
    term_s: float = 10.0  # after SIGTERM, before SIGKILL
    retry_s: float = 1.0  # before a run whose process died continues
    report_s: float = 8.0  # for the server to accept the last reports when this runner ends


@dataclass(slots=True)
class _Running:
    """A run that this runner has taken."""

    run: FlowRun
    seen: UUID | None  # the last known state of the run
    task: asyncio.Task[None] | None = None
    child: Child | None = None
    infrastructure_pid: str | None = None
    counts: bool = False  # counts against the limit, which it does when it is due
    claimed: bool = False
    cancelling: asyncio.Task[None] | None = None
    abandoned: bool = field(default=False)  # the runner killed the process; another runner continues the run
    parked: bool = False  # the process has ended because the server did not answer


class Runner:
    """Executes flow runs, each in a process. Use on one event loop.

    `offer(runs)` takes runs that are due now or soon, except those taken already and those without room.
    `job_of(run)` returns how its process is started; when it raises, the run is Crashed with the reason.
    `limit` bounds the processes at once. A run that is not due yet waits here and does not count against the
    limit; when it becomes due and there is no room, it is dropped until it is offered again. When a process
    dies before its run has ended, the run becomes AwaitingRetry and continues from its journal, at most
    `crash_retries` times; then it is Crashed.
    """

    def __init__(
        self,
        api: RunnerApi,
        job_of: Callable[[FlowRun], Awaitable[Job]],
        *,
        limit: int | None = None,
        crash_retries: int = 2,
        times: RunnerTimes | None = None,
    ) -> None:
        self._api = api
        self._job_of = job_of
        self._limit = limit
        self._crash_retries = crash_retries
        self._times = times or RunnerTimes()
        self._runs: dict[UUID, _Running] = {}
        self._tasks = Tasks(_log)
        self._watching: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @property
    def room(self) -> int | None:
        """How many more due runs the runner can take; None: any number."""
        if self._closing.is_set():
            return 0
        at_work = sum(hand.counts for hand in self._runs.values())
        return None if self._limit is None else max(0, self._limit - at_work)

    @property
    def run_ids(self) -> set[UUID]:
        """The runs that were taken and have not ended."""
        return set(self._runs)

    def offer(self, runs: Iterable[FlowRun]) -> int:
        """Take runs, each to be claimed when it is due; returns how many were new."""
        taken = 0
        for run in runs:
            is_due = _seconds_until(run) <= 0
            if run.id in self._runs or self._closing.is_set() or (is_due and self.room == 0):
                continue
            hand = self._runs[run.id] = _Running(run, _state_id(run), counts=is_due)
            hand.task = self._tasks.start(f"run {run.name}", self._carry_out(hand))
            hand.task.add_done_callback(lambda _, run_id=run.id: self._runs.pop(run_id, None))
            taken += 1
        if taken and self._watching is None:
            self._watching = self._tasks.keep("runs to be cancelled", self._watch)
        return taken

    async def idle(self) -> None:
        """Wait until no run is left."""
        while self._runs:
            await asyncio.wait([hand.task for hand in self._runs.values() if hand.task is not None])

    async def drain(self, timeout_s: float | None = None) -> None:
        """Take no more runs, drop unclaimed ones, and wait for the others.

        The processes of runs that have not ended after `timeout_s` seconds are killed; the runs continue
        elsewhere.
        """
        self._closing.set()
        for hand in self._runs.values():
            if not hand.claimed and hand.task is not None:
                hand.task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.idle(), timeout_s)
        await self.stop()

    async def stop(self) -> None:
        """Kill every process now; their runs continue elsewhere. Harmless when nothing runs."""
        self._closing.set()
        for hand in self._runs.values():
            if hand.child is None and hand.task is not None and not hand.claimed:
                hand.task.cancel()
            elif hand.child is not None:
                hand.abandoned = True
                hand.child.kill()
        await self.idle()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        await self._tasks.close()

    # One run.

    async def _carry_out(self, hand: _Running) -> None:
        run = hand.run
        try:
            if (wait_s := _seconds_until(run)) > 0:
                await asyncio.sleep(wait_s)
            if not hand.counts and self.room == 0:
                return  # it will be offered again
            hand.counts = True
            if not await self._claimed(hand):
                return
            await self._execute(hand)
        except asyncio.CancelledError:
            if hand.claimed:
                raise
        except _GaveUp:
            _log.error("run %s: the server does not answer; the run is left to its lease", run.name)
        except Exception as error:
            await self._set_aside(hand, error)
        finally:
            if hand.cancelling is not None:
                hand.cancelling.cancel()

    async def _set_aside(self, hand: _Running, error: Exception) -> None:
        """End a run at which this code failed, with the reason, and kill its process."""
        run = hand.run
        _log.error("run %s (%s): %r", run.name, run.id, error, exc_info=error)
        if is_away(error) and hand.child is None:
            return  # it may or may not be claimed: the server takes care of it
        if hand.child is not None:
            hand.child.kill()
        with suppress(HeliostatError, _GaveUp):
            why = f"The worker failed at this run: {type(error).__name__}: {error}"
            await self._told(hand, Crashed(why))

    async def _claimed(self, hand: _Running) -> bool:
        """Claim the run; returns whether this runner got it."""
        hand.claimed = True  # from here on the run is not dropped: the claim may succeed
        # Only from its last known state: another runner may have claimed and even ended it by now.
        told = await self._proposed(hand, Pending())
        if told is not Told.ACCEPTED:
            _log.debug("run %s was claimed by another runner, or has no slot: %s", hand.run.name, told)
            return False
        return True

    async def _proposed(self, hand: _Running, state: State, *, is_unheld: bool = False) -> Told:
        if hand.seen is None:
            return Told.STALE
        told = await self._api.propose(hand.run.id, hand.seen, state, is_unheld=is_unheld)
        if told is Told.ACCEPTED:
            hand.seen = state.id
        return told

    async def _execute(self, hand: _Running) -> None:
        run = hand.run
        try:
            job = await self._job_of(run)
            await self._proposed(hand, Pending(name="Submitting"))
            hand.child = await Child.start(job)
        except Exception as error:
            hint = getattr(error, "hint", None)
            why = f"{error} ({hint})" if hint else str(error)
            if not isinstance(error, HeliostatError | OSError | ValueError):
                why = f"{type(error).__name__}: {error}"  # a fault of Heliostat, or of the job's parts
            _log.error("run %s cannot be started: %s", run.name, why, exc_info=error)
            await self._told(hand, Crashed(f"The run cannot be started: {why}"))
            return
        _log.info("run %s: process %d", run.name, hand.child.pid)
        hand.infrastructure_pid = f"{platform.node()}:{hand.child.pid}"
        with suppress(_GaveUp):
            await self._patiently(lambda: self._api.started(run.id, f"{hand.infrastructure_pid}"))
        code = await hand.child.ended()
        if hand.cancelling is not None:
            hand.cancelling.cancel()
        await self._settle(hand, code)

    async def _settle(self, hand: _Running, code: int) -> None:
        """After the process has ended: find out whether the run has ended, and report its loss if not."""
        run, how = hand.run, how_it_ended(code)
        looked_at: UUID | None = None
        while True:
            try:
                now = await self._patiently(lambda: self._api.read(run.id))
            except NotFound:
                return
            state, hand.seen = now.state, _state_id(now)
            elsewhere = now.infrastructure_pid != hand.infrastructure_pid
            if state is None or _needs_no_process(state) or elsewhere:
                _log.info("run %s: %s, its process %s", run.name, now.state_name, how)
                return
            hand.parked = code == PARKED_EXIT
            if hand.seen == looked_at:
                _log.info("run %s: its process %s; another one executes it", run.name, how)
                return
            looked_at = hand.seen
            await self._patiently(lambda: self._api.let_go(run.id))
            if state.is_cancelling():
                told = await self._told(hand, Cancelled("Its process has ended."))
            else:
                told = await self._tell_of_loss(hand, state, how)
            if told is not Told.STALE:
                return

    async def _tell_of_loss(self, hand: _Running, state: State, how: str) -> Told:
        run, child = hand.run, hand.child
        said = child.last_lines if child is not None else []
        if hand.parked:
            lost = "The run's process has parked it, since the server did not answer for long"
            _log.warning("run %s: %s", run.name, lost)
        elif hand.abandoned:
            lost = "The worker of this run stops and ended its process"  # not counted as a loss
        else:
            lost = f"{LOST} {how}"
            _log.error("run %s: %s", run.name, lost)
            with suppress(HeliostatError):
                await self._api.log(run.id, [f"{lost}. Its last output:", *said] if said else [f"{lost}."])
        last = "".join(f"\n{line}" for line in said[-_SHOWN_LINES:])
        # A parked run, or one whose worker ended, is not at fault: this is not counted as a loss.
        if hand.parked or hand.abandoned:
            again = AwaitingRetry(clock.now(), f"{lost}; the run goes on from its journal.{last}")
            return await self._told(hand, again)
        if state.is_pending():
            return await self._told(hand, Crashed(f"{lost} before its flow began.{last}"))
        before = await self._patiently(lambda: self._api.losses(run.id))
        if before >= self._crash_retries:
            return await self._told(hand, Crashed(f"{lost}, after {before} earlier losses.{last}"))
        when = clock.now() + timedelta(seconds=self._times.retry_s)
        again = AwaitingRetry(when, f"{lost}; the run goes on from its journal.{last}")
        return await self._told(hand, again)

    async def _told(self, hand: _Running, state: State) -> Told:
        try:
            return await self._patiently(lambda: self._proposed(hand, state, is_unheld=True))
        except NotFound:
            return Told.REFUSED  # it was deleted

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer: the end of a process must be reported even if the server is away for
        long. A runner that is to end does not wait: it raises _GaveUp, and the run is left to its lease.
        """
        asking = asyncio.ensure_future(_asked_until_answered(ask))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({asking, closing}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({asking}, timeout=self._times.report_s)
            if asking.done():
                return asking.result()
            raise _GaveUp
        finally:
            asking.cancel()
            closing.cancel()

    # Cancelling.

    async def _watch(self) -> None:
        await asyncio.sleep(self._times.watch_s)
        started = [hand.run.id for hand in self._runs.values() if hand.child is not None]
        asked = await self._api.cancelling(started) if started else set[UUID]()
        for run_id in asked:
            hand = self._runs.get(run_id)
            if hand is not None and (hand.cancelling is None or hand.cancelling.done()):
                hand.cancelling = self._tasks.start(f"cancelling run {run_id}", self._cancel(hand))

    async def _cancel(self, hand: _Running) -> None:
        """Give the run time to end by itself, then send signals. `_settle` reports the cancel when the
        process has ended.
        """
        child = hand.child
        assert child is not None
        _log.info("run %s is to be cancelled", hand.run.name)
        await asyncio.sleep(self._times.cancel_s)
        await child.stop(self._times.term_s)


def python_command(run_id: UUID) -> list[str]:
    """The command that executes a run with this process's own Python."""
    return [sys.executable, "-m", "heliostat", "flow-run", "execute", str(run_id)]


class _GaveUp(Exception):
    """The server did not answer before this runner had to end."""


async def _asked_until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer. Raises ServerFailed when the server fails again and again."""
    pause_s, failures = _FIRST_PAUSE_S, 0
    while True:
        try:
            return await ask()
        except Unavailable as error:
            failures += isinstance(error, ServerFailed)
            if failures >= _MOST_FAILURES:
                raise
            _log.warning("%s; still trying", error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _needs_no_process(state: State) -> bool:
    return state.is_final() or state.is_paused() or state.name == "Resuming"


def _state_id(run: FlowRun) -> UUID | None:
    return None if run.state is None else run.state.id


def _seconds_until(run: FlowRun) -> float:
    """Seconds until the run is due."""
    due = run.next_scheduled_start_time
    return 0.0 if due is None else max(0.0, (due - clock.now()).total_seconds())
