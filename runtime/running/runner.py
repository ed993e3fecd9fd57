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

from .. import clock
from ..client.records import FlowRun
from ..errors import HeliostatError, NotFound, Unavailable
from ..states import AwaitingRetry, Cancelled, Crashed, Pending, State
from ..store.losses import LOST
from ..store.seen_runs import Told
from .child import Child, Job, how_it_ended

__all__ = ["Job", "Runner", "RunnerApi", "RunnerTimes", "python_command"]

_log = logging.getLogger("heliostat.runner")

_SHOWN_LINES = 5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0

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


@dataclass(slots=True)
class _Running:
    """A run that this runner has in hand."""

    run: FlowRun
    seen: UUID | None  # the state that the run was seen in last, or was brought into from here
    task: asyncio.Task[None] | None = None
    child: Child | None = None
    infrastructure_pid: str | None = None
    claimed: bool = False
    cancelling: asyncio.Task[None] | None = None
    abandoned: bool = field(default=False)  # the runner ended the process; another one goes on with the run


class Runner:
    """Executes flow runs, each in a process. Use on one event loop.

    `offer(runs)` takes runs that are due now or soon; it leaves those that it has, or has no room for.
    `job_of(run)` says how its process is started; when that raises, the run is Crashed with the reason.
    `limit` bounds the processes at a time. A process that dies before its run has ended leaves the run
    AwaitingRetry, so that it goes on from its journal, `crash_retries` times at most; then it is Crashed.
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
        self._watching: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def room(self) -> int | None:
        """How many more runs it would take; None: any number."""
        if self._closing:
            return 0
        return None if self._limit is None else max(0, self._limit - len(self._runs))

    @property
    def run_ids(self) -> set[UUID]:
        """The runs in hand."""
        return set(self._runs)

    def offer(self, runs: Iterable[FlowRun]) -> int:
        """Take runs, each to be claimed when its time has come; gives how many were new."""
        taken = 0
        for run in runs:
            if run.id in self._runs or self.room == 0:
                continue
            hand = self._runs[run.id] = _Running(run, _state_id(run))
            hand.task = asyncio.create_task(self._carry_out(hand), name=f"run {run.name}")
            taken += 1
        if taken and self._watching is None:
            self._watching = asyncio.create_task(self._watch_for_ever(), name="runs to be cancelled")
        return taken

    async def idle(self) -> None:
        """Wait until no run is in hand."""
        while self._runs:
            await asyncio.wait([hand.task for hand in self._runs.values() if hand.task is not None])

    async def drain(self, timeout_s: float | None = None) -> None:
        """Take nothing more, forget what was not claimed, and wait for what runs.

        Runs that have not ended after `timeout_s` seconds lose their processes and go on elsewhere.
        """
        self._closing = True
        for hand in self._runs.values():
            if not hand.claimed and hand.task is not None:
                hand.task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.idle(), timeout_s)
        await self.stop()

    async def stop(self) -> None:
        """End every process now; their runs go on elsewhere. Harmless when nothing runs."""
        self._closing = True
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

    # One run.

    async def _carry_out(self, hand: _Running) -> None:
        run = hand.run
        try:
            await _until(run)
            if not await self._claimed(hand):
                return
            await self._execute(hand)
        except asyncio.CancelledError:
            if hand.claimed:
                raise
        except Exception as error:
            _log.exception("run %s: %s", run.name, error)
        finally:
            if hand.cancelling is not None:
                hand.cancelling.cancel()
            del self._runs[run.id]

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
        except (HeliostatError, OSError, ValueError) as error:
            hint = getattr(error, "hint", None)
            why = f"{error} ({hint})" if hint else str(error)
            _log.error("run %s cannot be started: %s", run.name, why)
            await self._told(hand, Crashed(f"The run cannot be started: {why}"))
            return
        _log.info("run %s: process %d", run.name, hand.child.pid)
        hand.infrastructure_pid = f"{platform.node()}:{hand.child.pid}"
        await _patiently(lambda: self._api.started(run.id, f"{hand.infrastructure_pid}"))
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
                now = await _patiently(lambda: self._api.read(run.id))
            except NotFound:
                return
            state, hand.seen = now.state, _state_id(now)
            elsewhere = now.infrastructure_pid != hand.infrastructure_pid
            if state is None or _needs_no_process(state) or elsewhere:
                _log.info("run %s: %s, its process %s", run.name, now.state_name, how)
                return
            if hand.seen == looked_at:
                _log.info("run %s: its process %s; another one executes it", run.name, how)
                return
            looked_at = hand.seen
            await _patiently(lambda: self._api.let_go(run.id))
            if state.is_cancelling():
                told = await self._told(hand, Cancelled("Its process has ended."))
            else:
                told = await self._tell_of_loss(hand, state, how)
            if told is not Told.STALE:
                return

    async def _tell_of_loss(self, hand: _Running, state: State, how: str) -> Told:
        run, child = hand.run, hand.child
        said = child.last_lines if child is not None else []
        if hand.abandoned:
            lost = "The worker of this run stops and ended its process"  # not the run's fault: not counted
        else:
            lost = f"{LOST} {how}"
            _log.error("run %s: %s", run.name, lost)
            with suppress(HeliostatError):
                await self._api.log(run.id, [f"{lost}. What it said last:", *said] if said else [f"{lost}."])
        last = "".join(f"\n{line}" for line in said[-_SHOWN_LINES:])
        if state.is_pending() and not hand.abandoned:
            return await self._told(hand, Crashed(f"{lost} before its flow began.{last}"))
        before = await _patiently(lambda: self._api.losses(run.id))
        if before >= self._crash_retries and not hand.abandoned:
            return await self._told(hand, Crashed(f"{lost}, as {before} times before.{last}"))
        when = clock.now() + timedelta(seconds=0.0 if hand.abandoned else self._times.retry_s)
        again = AwaitingRetry(when, f"{lost}; the run goes on from its journal.{last}")
        return await self._told(hand, again)

    async def _told(self, hand: _Running, state: State) -> Told:
        try:
            return await _patiently(lambda: self._proposed(hand, state, is_unheld=True))
        except NotFound:
            return Told.REFUSED  # it was deleted

    # Cancelling.

    async def _watch_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._times.watch_s)
            started = [hand.run.id for hand in self._runs.values() if hand.child is not None]
            if not started:
                continue
            try:
                asked = await self._api.cancelling(started)
            except HeliostatError as error:
                _log.debug("cannot see which runs are to be cancelled: %s", error)
                continue
            for run_id in asked:
                hand = self._runs.get(run_id)
                if hand is not None and hand.cancelling is None:
                    hand.cancelling = asyncio.create_task(self._cancel(hand))

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


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer: what became of a process must be told, whenever the server comes back."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await ask()
        except Unavailable as error:
            _log.warning("%s; still trying", error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _needs_no_process(state: State) -> bool:
    return state.is_final() or state.is_paused() or state.name == "Resuming"


def _state_id(run: FlowRun) -> UUID | None:
    return None if run.state is None else run.state.id


async def _until(run: FlowRun) -> None:
    """Wait until the run is due."""
    due = run.next_scheduled_start_time
    if due is not None:
        await asyncio.sleep(max(0.0, (due - clock.now()).total_seconds()))
