"""A task called like a function: it runs here and now, with the same states, retries and record as
anywhere.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import platform
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..authoring.context import FlowRunInfo, TaskRunInfo, task_run_info
from ..authoring.logging import PRINTS, capture_into
from ..authoring.terminal import Terminal
from ..foundation import clock
from ..foundation.errors import HeliostatError, NoSlotEver, ResultLost, RunIsOver, UpstreamFailed
from ..foundation.ids import task_run_base, uuid7
from ..records import LogLine
from ..states import NO_VALUE, State, StateType
from ..values import tracebacks
from ..values.parameters import bind
from . import call_records, outcomes, records_lookup
from .board import Board, Watcher
from .calls import Rows
from .code import code_of
from .execution import INTERRUPTIONS, Call, PackExecution
from .fanout import Fanout, holding
from .lane import refusal
from .nested_futures import futures_in, replace_futures, result_of, wait_for_futures, wait_for_futures_async
from .open_calls import warn_outside_of_runs
from .outcomes import CANCELLED, COMPLETED, CRASHED, NOT_READY, RETRY, Extra, Kept, Outcome
from .pause_gate import PauseGate
from .session import FlowSession, flow_session
from .shields import uninterrupted
from .slot_waits import CallSlots

if TYPE_CHECKING:
    from ..authoring.definitions import TaskDefinition

_NODE = platform.node()
_terminal = Terminal()


def call_task(
    task: TaskDefinition[Any, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: tuple[Any, ...],
    return_state: bool,
) -> Any:
    """Run a synchronous task in the calling thread."""
    with DirectCall(task, args, kwargs, wait_for) as call:
        while not call.answered():
            gate = call.closed_gate()
            if gate is not None:
                gate.wait()
            if call.needs_slots() and not call.take_slots():
                continue
            try:
                with call.capturing():
                    outcomes_of_attempt = call.execution.run([call.next_call()])
            finally:
                call.give_slots_back()
            with uninterrupted():
                call.take(outcomes_of_attempt[0])
            if call.pause_s:
                clock.sleep(call.pause_s)
    return call.state() if return_state else call.value()


async def call_task_async(
    task: TaskDefinition[Any, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: tuple[Any, ...],
    return_state: bool,
) -> Any:
    """Run an asynchronous task on the running loop."""
    await wait_for_futures_async((args, kwargs, wait_for))
    watcher = Watcher.of_this_process()
    with DirectCall(task, args, kwargs, wait_for) as call:
        while not call.answered():
            gate = call.closed_gate()
            if gate is not None:
                await asyncio.to_thread(gate.wait)
            if await call.needs_slots_async() and not await call.take_slots_async():
                continue
            board = call.execution.board
            watcher.add(board)
            try:
                with call.capturing():
                    # A context of its own, so that the caller's stays as it is.
                    context = contextvars.copy_context()
                outcome = await asyncio.get_running_loop().create_task(call.start_async(), context=context)
            finally:
                watcher.remove(board)
                call.give_slots_back()
            call.take(outcome)
            if call.pause_s:
                await asyncio.sleep(call.pause_s)
    try:
        return call.state() if return_state else call.value()
    except BaseException as error:
        raise tracebacks.drop_our_frames(error)  # noqa: B904  (it is the same exception)


class DirectCall:
    """One call that runs in this process: look it up, execute it until it ends, record each step."""

    def __init__(
        self,
        task: TaskDefinition[Any, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait_for: tuple[Any, ...],
    ) -> None:
        bind(task.fn, args, kwargs)
        session = flow_session.get()
        self._calls = None if session is None else session.calls
        self._recorded: Fanout | None = None
        self._outcome: Outcome | None = None
        self._held: Any = None
        self._attempt = self._tries = 1
        self._slots: CallSlots | None = None  # of a call whose task has tags
        self.pause_s = 0.0
        self._begun = False
        if session is None:
            if task_run_info.get() is None:
                warn_outside_of_runs(f"task {task.name!r}")
            info = _info_outside_of_flows(task)
            self._code = code_of(task)
        else:
            session.calls.check()
            self._recorded, info = _open_record(session, task, args, kwargs, wait_for)
            self._code = self._recorded.kind.code
            if self._recorded.kind.tags:
                self._slots = CallSlots(self._recorded)
        self._index = info.index
        self.execution = PackExecution(
            self._code, info, self._new_board(), keep_objects=True, keep_originals=True
        )
        self._args, self._kwargs = args, kwargs
        if session is not None:
            session.calls.begin(self)
            try:
                self._look_up(wait_for)
            except BaseException:
                session.calls.leave(self)
                raise

    def __enter__(self) -> DirectCall:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        """Give the call an end, whatever stops the block: a call that has begun and will not go on is
        Cancelled.
        """
        try:
            stopped = isinstance(error, (*INTERRUPTIONS, asyncio.CancelledError))
            if stopped and self._begun and self._outcome is None:
                extra = Extra("cancelled before it was tried again" if self.pause_s else "cancelled")
                now = clock.epoch_s()
                self._outcome = Outcome(CANCELLED, None, now, self._attempt, None, None, None, extra)
                with suppress(HeliostatError):  # the run is over, or another process has it by now
                    self._record(self._outcome)
        finally:
            if self._calls is not None:
                self._calls.leave(self)

    def cut_off(self) -> None:
        """Record that the run ended before the call did."""
        if self._recorded is not None:
            message = "the flow run ended before the call did"
            run_count = self._attempt
            outcome = Outcome(CRASHED, None, clock.epoch_s(), run_count, None, None, None, Extra(message))
            call_records.ended(self._recorded, [(0, outcome)], _NODE, os.getpid())

    def answered(self) -> bool:
        """Whether the call has ended."""
        return self._outcome is not None

    def closed_gate(self) -> PauseGate | None:
        """The gate at which the call waits while its run is paused; None for a call of a running task."""
        if self._recorded is None or task_run_info.get() is not None:
            return None
        gate = self._recorded.kind.desk.gate
        return gate if gate.is_closed else None

    def needs_slots(self) -> bool:
        """Whether the tags of the task are limited."""
        return self._slots is not None and self._slots.are_limited()

    async def needs_slots_async(self) -> bool:
        return self._slots is not None and await self._slots.are_limited_async()

    def take_slots(self) -> bool:
        """Block until the next attempt may begin; False when it may not, or not now: look again."""
        assert self._slots is not None
        try:
            self._slots.take()
        except NoSlotEver as error:
            self._refuse(error)
            return False
        return self._go_with_slots()

    async def take_slots_async(self) -> bool:
        assert self._slots is not None
        try:
            await self._slots.take_async()
        except NoSlotEver as error:
            self._refuse(error)
            return False
        return self._go_with_slots()

    def give_slots_back(self) -> None:
        """An attempt is over."""
        if self._slots is not None:
            self._slots.give_back()

    def _go_with_slots(self) -> bool:
        # A call whose run was paused meanwhile holds no slots.
        if self.closed_gate() is not None:
            self.give_slots_back()
            return False
        return True

    def _refuse(self, error: NoSlotEver) -> None:
        self._outcome, self._held = refusal(error), error
        self._record(self._outcome)

    def capturing(self) -> AbstractContextManager[None]:
        """Log lines and prints of the call go where its run's go; without a run, to the terminal."""
        sink = _show if self._recorded is None else self._recorded.kind.desk.log_here
        return capture_into(sink, self._code.log_prints, passes_prints=True)

    def next_call(self) -> Call:
        """The attempt to execute next."""
        self.pause_s = 0.0
        self._begun = True
        self.execution.board = self._new_board()
        return Call(self._index, self._attempt, self._tries, self._args, self._kwargs)

    async def start_async(self) -> Outcome | None:
        call = self.next_call()
        self.execution.board.start(0, clock.epoch_s())
        outcome = await self.execution.attempt_async(0, call)
        self.execution.board.end(0)
        return outcome

    def take(self, outcome: Outcome | None) -> None:
        """Record how an attempt ended and note whether there is another one."""
        if outcome is None:
            raise KeyboardInterrupt
        self._record(outcome)
        if outcome.status == RETRY:
            extra = outcome.extra or outcomes.NO_EXTRA
            self.pause_s = extra.retry_delay_s
            if self._recorded is not None:
                self._recorded.await_retry(0, outcome)
            self._attempt = self._tries = outcome.run_count + 1
            return
        self._outcome = outcome
        original = self.execution.originals.get(0, NO_VALUE)
        if outcome.status == COMPLETED:
            self._held = None if outcome.kind == "none" else Kept(original)
        else:
            self._held = original
        if outcome.status == CANCELLED and outcome.payload is None:  # else the task returned that it is
            raise self.execution.interrupted_by or KeyboardInterrupt

    def value(self) -> Any:
        """The call's value; its failure is raised."""
        outcome = self._outcome
        assert outcome is not None
        if outcome.status in (COMPLETED, outcomes.CACHED):
            return self._completed_value()
        raise self._error()

    def state(self) -> State:
        """How the call ended, with the value or the exception."""
        outcome = self._outcome
        assert outcome is not None
        state_type, name = outcomes.state_of(outcome)
        good = outcome.status in (COMPLETED, outcomes.CACHED)
        data = self._completed_value() if good else self._error()
        message = outcome.extra.message if outcome.extra else None
        return State(StateType(state_type), name=name, message=message, data=data)

    def _completed_value(self) -> Any:
        held = self._held
        if isinstance(held, Kept):
            return held.value
        if self._recorded is None or held is None:
            return held
        self._recorded.held[0] = held
        return self._recorded.value_of(0)

    def _error(self) -> BaseException:
        if isinstance(self._held, BaseException):
            return self._held
        outcome = self._outcome
        assert outcome is not None
        if outcome.payload:
            return tracebacks.unship(outcome.payload)
        return ResultLost(f"task {self._code.name!r} failed and its exception is not here any more")

    def _look_up(self, wait_for: tuple[Any, ...]) -> None:
        """Wait for futures among the arguments, then see whether journal or cache have the answer."""
        fanout = self._recorded
        assert fanout is not None
        failed = wait_for_futures((self._args, self._kwargs, wait_for))
        if failed is not None:
            message = failed.fanout.told_downstream(failed.position)
            records_lookup.place_unstarted(fanout, [0])
            self._outcome = Outcome(NOT_READY, None, None, 0, None, None, None, Extra(message))
            self._record(self._outcome)
            self._held = UpstreamFailed(f"{fanout.name_of(0)} was not started: {message}")
            return
        self._args, self._kwargs = replace_futures((self._args, self._kwargs), result_of)
        if fanout.matching is None and fanout.kind.cache is None:
            return
        found = records_lookup.find(fanout, 0, 1)
        self._index = fanout.index_of(0)
        if found.broken:
            self._held = found.broken[0][1]
            self._outcome = records_lookup.outcome_of_broken(self._held)
            self._record(self._outcome)
        elif found.replayed:
            self._outcome = Outcome(COMPLETED, None, None, 1, None, None)
            self._held = found.replayed[0][2]
        elif found.cached:
            self._outcome = found.cached[0][1]
            self._record(self._outcome)
            url, serializer = self._code.storage_url, self._code.serializer
            self._held = holding(self._outcome.kind, self._outcome.payload, url, serializer)

    def _record(self, outcome: Outcome) -> None:
        if self._calls is None:
            return
        try:
            with self._calls.recording(self):
                self._write(outcome)
        except RunIsOver:
            if outcome.status != CANCELLED:  # a cancelled call need not hear that it ended late
                raise

    def _write(self, outcome: Outcome) -> None:
        fanout = self._recorded
        assert fanout is not None
        if call_records.is_plain(fanout, outcome):
            call_records.completed(fanout, [0], [outcome], _NODE, os.getpid())
        else:
            call_records.ended(fanout, [(0, outcome)], _NODE, os.getpid())

    def _new_board(self) -> Board:
        fanout = self._recorded
        if fanout is None:
            return Board(1, lambda _position, _started: None)
        return Board(1, lambda _position, started: call_records.running(fanout, 0, started))


def _show(_flow_run_id: UUID, line: LogLine) -> None:
    if line.logger != PRINTS:
        info = task_run_info.get()
        _terminal.show_line(info.name if info is not None else line.logger, line)


def _open_record(
    session: FlowSession,
    task: TaskDefinition[Any, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: tuple[Any, ...],
) -> tuple[Fanout, TaskRunInfo]:
    group = session.group_of(task)
    site = session.site_of_task(task, group)
    index = session.take_indexes(site)
    matching = session.matching_of(site)
    fanout = Fanout(None, group, site, index, Rows([(args, kwargs)]), wait_for, matching=matching)
    fanout.has_futures = bool(futures_in((args, kwargs)))
    info = TaskRunInfo(
        group.flow_run, group.code.name, site.task_key, site.scope, site.base, index, tags=group.tags
    )
    return fanout, info


def _info_outside_of_flows(task: TaskDefinition[Any, Any]) -> TaskRunInfo:
    around = task_run_info.get()
    flow_run = around.flow_run if around is not None else FlowRunInfo(uuid7(), "no flow", "no flow")
    return TaskRunInfo(flow_run, task.name, task.task_key, "", task_run_base(flow_run.id, "", task.task_key))
