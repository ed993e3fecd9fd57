"""The runner: takes flow runs that are due, executes each in a process of its own, and sees it to its end.

Workers of `process` pools and `serve` find runs in different ways; what they do with one is the same:

    due -> claim (PENDING) -> Submitting -> process -> watched: cancelled, lost or ended -> told to the server

It asks the server through `RunnerApi`, so that it can be driven without one.
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
    """What a runner asks of the server. `ClientApi` asks a real one."""

    async def read(self, run_id: UUID) -> FlowRun:
        """The run as it stands. Raises NotFound."""
        ...

    async def propose(self, run_id: UUID, seen: UUID, state: State, *, is_unheld: bool = False) -> Told:
        """Propose a state for a run that is in the state with the id `seen`, in one step. `is_unheld`: and
        while no process executes it. Raises NotFound.
        """
        ...

    async def started(self, run_id: UUID, infrastructure_pid: str) -> None:
        """Note which process works on the run."""
        ...

    async def cancelling(self, run_ids: Iterable[UUID]) -> set[UUID]:
        """Those of the runs that are to be cancelled."""
        ...

    async def let_go(self, run_id: UUID) -> None:
        """Give back the lease that a process of this machine held which is gone, so that others may go on."""
        ...

    async def losses(self, run_id: UUID) -> int:
        """How often the run has lost its process since it last ended."""
        ...

    async def log(self, run_id: UUID, lines: Iterable[str]) -> None:
        """Add lines to the run's log."""
        ...


@dataclass(frozen=True, slots=True)
class RunnerTimes:
    """How long things may take, in seconds."""

    watch_s: float = 1.0  # between looks for runs that are to be cancelled
    cancel_s: float = 10.0  # for a cancelled run to end by itself
    term_s: float = 10.0  # after SIGTERM, before SIGKILL
    retry_s: float = 1.0  # before a run whose process died goes on
    last_word_s: float = 8.0  # for the server to take what is told to it once this runner is to end


@dataclass(slots=True)
class _Running:
    """A run that this runner has in hand."""

    run: FlowRun
    seen: UUID | None  # the state that the run was seen in last, or was brought into from here
    task: asyncio.Task[None] | None = None
    child: Child | None = None
    infrastructure_pid: str | None = None
    counts: bool = False  # against the limit: from when it is due
    claimed: bool = False
    cancelling: asyncio.Task[None] | None = None
    abandoned: bool = field(default=False)  # the runner ended the process; another one goes on with the run
    parked: bool = False  # the process has left: the server did not answer it


class Runner:
    """Executes flow runs, each in a process. Use on one event loop.

    `offer(runs)` takes runs that are due now or soon; it leaves those that it has, or has no room for.
    `job_of(run)` says how its process is started; when that raises, the run is Crashed with the reason.
    `limit` bounds the processes at a time. One that waits for its time is kept in view, and takes no place
    from those that are due; where there is none when its time comes, it is forgotten until it is offered
    again. A process that dies before its run has ended leaves the run AwaitingRetry, so that it goes on from
    its journal, `crash_retries` times at most; then it is Crashed.
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
        """How many more runs that are due it would take; None: any number."""
        if self._closing.is_set():
            return 0
        at_work = sum(hand.counts for hand in self._runs.values())
        return None if self._limit is None else max(0, self._limit - at_work)

    @property
    def run_ids(self) -> set[UUID]:
        """The runs in hand."""
        return set(self._runs)

    def offer(self, runs: Iterable[FlowRun]) -> int:
        """Take runs, each to be claimed when its time has come; gives how many were new."""
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
        """Wait until no run is in hand."""
        while self._runs:
            await asyncio.wait([hand.task for hand in self._runs.values() if hand.task is not None])

    async def drain(self, timeout_s: float | None = None) -> None:
        """Take nothing more, forget what was not claimed, and wait for what runs.

        Runs that have not ended after `timeout_s` seconds lose their processes and go on elsewhere.
        """
        self._closing.set()
        for hand in self._runs.values():
            if not hand.claimed and hand.task is not None:
                hand.task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.idle(), timeout_s)
        await self.stop()

    async def stop(self) -> None:
        """End every process now; their runs go on elsewhere. Harmless when nothing runs."""
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
                return  # it is offered again
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
        """A run at which this code fails ends with the reason, and its process with it."""
        run = hand.run
        _log.error("run %s (%s): %r", run.name, run.id, error, exc_info=error)
        if is_away(error) and hand.child is None:
            return  # whether it was claimed is not known: the server looks after it
        if hand.child is not None:
            hand.child.kill()
        with suppress(HeliostatError, _GaveUp):
            why = f"The worker could not bring it to its end: {type(error).__name__}: {error}"
            await self._told(hand, Crashed(why))

    async def _claimed(self, hand: _Running) -> bool:
        """Whether this runner, and no other one, is to execute the run."""
        hand.claimed = True  # from here on it is not dropped: the answer may be on its way
        # Only from the state that it was seen in: others may have taken it and even ended it by now.
        told = await self._proposed(hand, Pending())
        if told is not Told.ACCEPTED:
            _log.debug("run %s is somebody else's, or has no slot: %s", hand.run.name, told)
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
                why = f"{type(error).__name__}: {error}"  # a fault of ours, or of what the job is made of
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
        """The process has ended: see whether the run has, and what becomes of it else."""
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
            lost = "The worker of this run stops and ended its process"  # not the run's fault: not counted
        else:
            lost = f"{LOST} {how}"
            _log.error("run %s: %s", run.name, lost)
            with suppress(HeliostatError):
                await self._api.log(run.id, [f"{lost}. What it said last:", *said] if said else [f"{lost}."])
        last = "".join(f"\n{line}" for line in said[-_SHOWN_LINES:])
        # To be parked, or ended with its worker, is no fault of the run's: not counted, and never its end.
        if hand.parked or hand.abandoned:
            again = AwaitingRetry(clock.now(), f"{lost}; the run goes on from its journal.{last}")
            return await self._told(hand, again)
        if state.is_pending():
            return await self._told(hand, Crashed(f"{lost} before its flow began.{last}"))
        before = await self._patiently(lambda: self._api.losses(run.id))
        if before >= self._crash_retries:
            return await self._told(hand, Crashed(f"{lost}, as {before} times before.{last}"))
        when = clock.now() + timedelta(seconds=self._times.retry_s)
        again = AwaitingRetry(when, f"{lost}; the run goes on from its journal.{last}")
        return await self._told(hand, again)

    async def _told(self, hand: _Running, state: State) -> Told:
        try:
            return await self._patiently(lambda: self._proposed(hand, state, is_unheld=True))
        except NotFound:
            return Told.REFUSED  # it was deleted

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer: what became of a process must be told, whenever the server comes
        back. A runner that is to end does not wait for that: raises _GaveUp, the run is left to its lease.
        """
        asking = asyncio.ensure_future(_asked_until_answered(ask))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({asking, closing}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({asking}, timeout=self._times.last_word_s)
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
        """Let the run end by itself, then by signals. `_settle` confirms it once the process is gone."""
        child = hand.child
        assert child is not None
        _log.info("run %s is to be cancelled", hand.run.name)
        await asyncio.sleep(self._times.cancel_s)
        await child.stop(self._times.term_s)


def python_command(run_id: UUID) -> list[str]:
    """The command that executes a run with this process's own Python."""
    return [sys.executable, "-m", "heliostat", "flow-run", "execute", str(run_id)]


class _GaveUp(Exception):
    """The server did not answer, and this runner is to end."""


async def _asked_until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer; one that answers with a failure of its own again and again will not take
    what it is told. Raises ServerFailed then.
    """
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
    """How long until the run is due."""
    due = run.next_scheduled_start_time
    return 0.0 if due is None else max(0.0, (due - clock.now()).total_seconds())
