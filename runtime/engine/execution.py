"""Running calls of one task, one after another or (async tasks) side by side: the same code in every kind of
worker.

`PackExecution` takes the calls of a pack and gives an `Outcome` for each. It never raises errors of the
author's code: failures, timeouts and requests for a retry are outcomes.
"""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from types import GeneratorType
from typing import Any, NamedTuple, cast

from ..authoring.context import TaskRunInfo, flow_run_info, task_run_info
from ..authoring.names import render_run_name
from ..foundation import clock, ids
from ..foundation.errors import CancelRun, CannotPickle, TaskTimedOut
from ..values import serializers, tracebacks
from ..values.caching import input_hash
from ..values.parameters import bind
from ..values.result_places import recorded
from ..values.storage import result_key, storage_for
from . import payload, programs, stopping
from .board import Board, Watcher
from .code import TaskCode
from .deadline import DeadlinePassed, time_limit
from .hooks import run_task_hooks
from .interrupts import Terminated
from .loop_limits import LoopLimit
from .outcomes import CANCELLED, COMPLETED, FAILED, RETRY, TIMED_OUT, Extra, Outcome, Timeline, state_of
from .own_arguments import Arguments, shared
from .own_loops import run_on_loop
from .returned_states import MAY_HOLD_STATES, Returned, returned_by
from .spool import Spool

MAX_ASYNC_CALLS = 512  # calls of one pack that share an event loop at a time
INTERRUPTIONS = (KeyboardInterrupt, CancelRun, Terminated, DeadlinePassed)
"""What stops a call without being its failure: its run is stopped, or an outer time limit has passed."""
_LARGE_INT = 1 << 512


class Call(NamedTuple):
    """One call of the task: its index at the call site, which attempt this is (from 1; `tries` leaves out
    those that ended in a crash), and its arguments.
    """

    index: int  # pyright: ignore[reportIncompatibleMethodOverride]
    attempt: int
    tries: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    arguments: Arguments | None = None  # makes new arguments for each attempt

    def made(self) -> Call:
        """The call with arguments that no other attempt has seen."""
        if self.arguments is None:
            return self
        args, kwargs = self.arguments.make()
        return self._replace(args=args, kwargs=kwargs)

    def input_hash(self) -> bytes | None:
        """The input hash of the call with its arguments made."""
        if self.arguments is None:
            return input_hash(self.args, self.kwargs)
        return input_hash(*self.arguments.for_hash((self.args, self.kwargs)))


class PackExecution:
    """The calls of one pack, executed in this process.

    `values` receives, by position, the values that are too large to ride in an outcome ("memory"). With
    `keep_objects` (in-process runners) a value that cannot be pickled is kept there as well instead of
    failing.
    """

    def __init__(
        self,
        code: TaskCode,
        info: TaskRunInfo,
        board: Board,
        *,
        spool: Spool | None = None,
        keep_objects: bool = False,
        keep_originals: bool = False,
        on_loop: Callable[[Callable[[], Any]], Any] | None = None,
    ) -> None:
        self.code = code
        self.board = board
        self.values: dict[int, Any] = {}
        self.interrupted_by: BaseException | None = None  # the signal to this process that stopped a call
        self.originals: dict[int, Any] = {}  # values and exceptions themselves, for a caller in this process
        self._template = info
        self._spool = spool
        self._keep_objects = keep_objects
        self._keep_originals = keep_originals
        self._on_loop = on_loop or _at_once

    def run(self, calls: Sequence[Call]) -> list[Outcome | None]:
        """Execute; None stands where a call was not started (given back or cancelled)."""
        watcher = Watcher.of_this_process()
        watcher.add(self.board)
        flow_token = flow_run_info.set(self._template.flow_run)
        stopping.enter(self.board)
        try:
            if self.code.is_async:
                return self._on_loop(lambda: run_on_loop(self._run_together(calls)))
            return self._run_in_turn(calls)
        finally:
            stopping.leave(self.board)
            flow_run_info.reset(flow_token)
            watcher.remove(self.board)

    def run_alone(self, call: Call, hashed: bytes) -> Outcome:
        """Execute one call of a task that is not async; for the next one this object can be used again."""
        info = self._template
        info.index, info.attempt, info.numbering, info.custom_name = call.index, call.attempt, None, None
        flow_token, token = flow_run_info.set(info.flow_run), task_run_info.set(info)
        stopping.enter(self.board)
        try:
            return self._attempt(0, call, info, hashed)
        finally:
            stopping.leave(self.board)
            task_run_info.reset(token)
            flow_run_info.reset(flow_token)

    def _run_in_turn(self, calls: Sequence[Call]) -> list[Outcome | None]:
        outcomes: list[Outcome | None] = [None] * len(calls)
        info = self._template  # used only here, so calls in turn update it in place
        token = task_run_info.set(info)
        board, spool = self.board, self._spool
        try:
            for position, call in enumerate(calls):
                if not board.start(position, clock.epoch_s()):
                    break
                info.index, info.attempt, info.numbering = call.index, call.attempt, None
                if spool is not None:
                    spool.starting(position)
                try:
                    made = call.made()
                except Exception as error:  # for example a module that is missing here
                    outcome = _not_begun(call, error)
                else:
                    outcome = self._attempt(position, made, info, made.input_hash())
                board.end(position)
                outcomes[position] = outcome
                if spool is not None:
                    spool.finished(position, outcome, call.index)
        finally:
            task_run_info.reset(token)
        return outcomes

    def _attempt(self, position: int, call: Call, info: TaskRunInfo, hashed: bytes | None) -> Outcome:
        code = self.code
        history = AttemptHistory(call, clock.epoch_s())
        if code.run_name is not None or code.on_running:
            _begin(code, history, info)
        board = self.board
        while True:
            limit: type[DeadlinePassed] | None = None
            value: Any
            try:
                try:
                    board.inside = True
                    if board.stop_asked:
                        return _cancelled(history, hashed)
                    if code.timeout_s is None:
                        value = code.fn(*call.args, **call.kwargs)
                        if type(value) is GeneratorType:
                            value = list(cast("Any", value))
                    else:
                        with time_limit(code.timeout_s) as limit:
                            value = code.fn(*call.args, **call.kwargs)
                            if type(value) is GeneratorType:
                                value = list(cast("Any", value))
                finally:
                    board.leave_code()
                if board.stop_asked:  # its code has ignored the request
                    return self._interrupted(None, history, hashed)
            except BaseException as error:
                if board.inside:
                    board.leave_code()
                timed_out = limit is not None and isinstance(error, limit)
                if board.stop_asked or (not timed_out and isinstance(error, INTERRUPTIONS)):
                    return self._interrupted(error, history, hashed)
                if timed_out:
                    self._end_programs(history)
                end = Returned(TIMED_OUT if timed_out else FAILED, None, error=error)
                outcome = self._failed(position, end, history, hashed)
            else:
                outcome = self._returned(position, value, history, hashed)
            if outcome is None:
                info.attempt, info.numbering = history.run_count, None
                call = call.made()
                continue
            self._after(outcome, info)
            return outcome

    async def _run_together(self, calls: Sequence[Call]) -> list[Outcome | None]:
        room = asyncio.Semaphore(MAX_ASYNC_CALLS)
        self.board.loop = asyncio.get_running_loop()

        async def one(position: int, call: Call) -> Outcome | None:
            async with room:
                if not self.board.start(position, clock.epoch_s()):
                    return None
                outcome = await self.attempt_async(position, call)
                self.board.end(position)
                if self._spool is not None:
                    self._spool.finished(position, outcome, call.index)
                return outcome

        stopping.enter(self.board)  # this may be another thread
        try:
            return await asyncio.gather(*(one(position, call) for position, call in enumerate(calls)))
        finally:
            stopping.leave(self.board)

    async def attempt_async(self, position: int, call: Call) -> Outcome:
        """One call of an async task, on the running loop."""
        code = self.code
        try:
            call = call.made()
        except Exception as error:
            return _not_begun(call, error)
        history = AttemptHistory(call, clock.epoch_s())
        hashed = call.input_hash()
        info = replace(self._template, index=call.index, attempt=call.attempt, numbering=None)
        flow_run_info.set(self._template.flow_run)
        task_run_info.set(info)
        if code.run_name is not None or code.on_running:
            _begin(code, history, info)
        board, task = self.board, asyncio.current_task()
        assert task is not None
        while True:
            limit = LoopLimit(code.timeout_s)
            try:
                if board.stop_asked:
                    return _cancelled(history, hashed)
                board.tasks[position] = task
                try:
                    async with limit:
                        value = await _finish(code.fn(*call.args, **call.kwargs))
                finally:
                    board.tasks.pop(position, None)
                if board.stop_asked or task.cancelling():  # its code has ignored the request
                    return self._interrupted(None, history, hashed)
            except BaseException as error:
                timed_out = limit.is_why(error)
                interrupted = isinstance(error, (*INTERRUPTIONS, asyncio.CancelledError)) and not timed_out
                if interrupted or board.stop_asked or task.cancelling():
                    return self._interrupted(error, history, hashed)
                end = Returned(TIMED_OUT if timed_out else FAILED, None, error=error)
                outcome = self._failed(position, end, history, hashed)
            else:
                outcome = self._returned(position, value, history, hashed)
            if outcome is None:
                info.attempt, info.numbering = history.run_count, None
                call = call.made()
                continue
            self._after(outcome, info)
            return outcome

    def _after(self, outcome: Outcome, info: TaskRunInfo) -> None:
        code = self.code
        if outcome.status == COMPLETED and code.on_completion:
            run_task_hooks(code.on_completion, code.fn, info, *state_of(outcome))
        elif outcome.status in (FAILED, TIMED_OUT) and code.on_failure:
            message = outcome.extra.message if outcome.extra else None
            run_task_hooks(code.on_failure, code.fn, info, *state_of(outcome), message)

    def _interrupted(
        self, error: BaseException | None, history: AttemptHistory, hashed: bytes | None
    ) -> Outcome:
        """The call was stopped; `error` is what its code raised then (None: it went on to its end)."""
        self.board.cancel()
        if error is not None and isinstance(error, (*INTERRUPTIONS, asyncio.CancelledError)):
            self.interrupted_by = error
        elif self.board.because is not None:
            self.interrupted_by = self.board.because("the call was cancelled")
        if self.board.why is None:  # otherwise the code that stops the call ends them
            self._end_programs(history)
        return _cancelled(history, hashed)

    def _end_programs(self, history: AttemptHistory) -> None:
        """End programs that the call, the only one in its thread, has started and not waited for."""
        if not self.code.is_async:
            programs.end(programs.started_by(threading.get_native_id(), history.started))

    def _failed(
        self, position: int, end: Returned, history: AttemptHistory, hashed: bytes | None
    ) -> Outcome | None:
        """The outcome of a failure; None when the call is to be tried again at once. An error that was raised
        has no message yet.
        """
        at = clock.epoch_s()
        error = cast("BaseException", end.error)
        if end.status == TIMED_OUT and end.message is None:
            error = TaskTimedOut(
                f"task {self.code.name!r} ran longer than its timeout of {self.code.timeout_s:g} s",
                hint="Raise timeout_seconds on the task, or make the work smaller.",
            )
        delay_s = self._delay_before_retry(history.tries, error)
        message = end.message or tracebacks.headline(error)
        if delay_s is not None:
            if delay_s <= 0:
                history.retry_now(at, message)
                return None
            history.wait_for_retry()
            extra = Extra(message, tracebacks.capture(error), history.timeline, delay_s)
            return Outcome(RETRY, history.started, at, history.run_count, None, None, hashed, extra)
        return self._ended(position, end._replace(message=message, error=error), history, hashed, at)

    def _ended(
        self, position: int, end: Returned, history: AttemptHistory, hashed: bytes | None, at: float
    ) -> Outcome:
        """The outcome of a call that did not complete."""
        error = cast("BaseException", end.error)
        extra = Extra(
            end.message,
            tracebacks.capture(error),
            history.timeline,
            name=history.name,
            state_name=end.state_name,
        )
        if self._keep_originals:
            self.originals[position] = error
        return Outcome(
            end.status, history.started, at, history.run_count, None, tracebacks.ship(error), hashed, extra
        )

    def _delay_before_retry(self, tries: int, error: BaseException) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        retry = self.code.retry
        if not retry.should_retry(tries, error):
            return None
        try:
            return retry.delay_s(tries)
        except Exception as broken:
            error.add_note(f"Not tried again: the function that gives the retry delay raised {broken!r}.")
            return None

    def _returned(
        self, position: int, value: Any, history: AttemptHistory, hashed: bytes | None
    ) -> Outcome | None:
        """The outcome of what the code returned; None when it asks for another attempt at once."""
        end = returned_by(value) if isinstance(value, MAY_HOLD_STATES) else None
        if end is None:
            return self._completed(position, value, history, hashed)
        if end.status == COMPLETED:
            return self._completed(position, end.value, history, hashed, end)
        if end.status in (FAILED, TIMED_OUT):
            return self._failed(position, end, history, hashed)
        return self._ended(position, end, history, hashed, clock.epoch_s())

    def _completed(
        self,
        position: int,
        value: Any,
        history: AttemptHistory,
        hashed: bytes | None,
        end: Returned | None = None,
    ) -> Outcome:
        ended = clock.epoch_s()
        if self._keep_originals:
            self.originals[position] = value
        try:
            kind, blob = self._keep(position, history.call.index, value)
        except Exception as error:
            # A result that cannot be sent or stored is a failure of this call.
            failed = Returned(FAILED, tracebacks.headline(error), error=error)
            return self._ended(position, failed, history, hashed, ended)
        extra = None
        if end is not None:
            extra = Extra(
                end.message, timeline=history.timeline, name=history.name, state_name=end.state_name
            )
        elif history.timeline is not None or history.name is not None:
            extra = Extra(timeline=history.timeline, name=history.name)
        return Outcome(COMPLETED, history.started, ended, history.run_count, kind, blob, hashed, extra)

    def _keep(self, position: int, index: int, value: Any) -> tuple[str, bytes | None]:
        """Put the value into the outcome, into storage, or into `values`."""
        if value is None:
            return "none", None
        code = self.code
        if code.persist:
            return "stored", self._store(index, value)
        kind: Any = cast("Any", type(value))
        if kind is float or kind is bool or (kind is int and -_LARGE_INT < value < _LARGE_INT):
            # Nothing to look at before it is pickled.
            return "inline", pickle.dumps(value, 5)
        try:
            if not payload.surely_larger_than(value, code.inline_limit_bytes):
                blob = payload.dump(value)
                if len(blob) <= code.inline_limit_bytes:
                    return "inline", blob
            if code.stores_large:
                return "stored", self._store(index, value)
            if not self._keep_objects:
                self.values[position] = shared(value)
                return "memory", None
        except CannotPickle as error:
            if not self._keep_objects:
                raise CannotPickle(f"result of {code.name}-{index}: {error}", hint=error.hint) from error
        self.values[position] = value
        return "memory", None

    def _store(self, index: int, value: Any) -> bytes:
        data = serializers.dumps(value, self.code.serializer, f"result of {self.code.name}")
        key = result_key(self._template.flow_run.id, ids.task_run_id(self._template.base, index))
        storage_for(self.code.storage_url).write(key, data)
        return recorded(self.code.storage_url, key, self.code.serializer, data)


class AttemptHistory:
    """The states that one call has gone through in this process."""

    __slots__ = ("call", "name", "run_count", "started", "timeline", "tries")

    def __init__(self, call: Call, started: float) -> None:
        self.call = call
        self.run_count = call.attempt
        self.tries = call.tries
        self.started = started
        self.name: str | None = None
        self.timeline: Timeline | None = None

    def retry_now(self, at: float, message: str) -> None:
        """Note a failure that is retried without a pause: the next attempt begins now."""
        timeline = self.timeline if self.timeline is not None else self._begin()
        timeline.append(("RUNNING", "Retrying", at, message))
        self.run_count += 1
        self.tries += 1

    def wait_for_retry(self) -> None:
        """Note a failure that is retried later, perhaps in another worker."""
        if self.timeline is None:
            self._begin()

    def _begin(self) -> Timeline:
        name = "Running" if self.run_count == 1 else "Retrying"
        self.timeline = [("RUNNING", name, self.started, None)]
        return self.timeline


def _at_once(run: Callable[[], Any]) -> Any:
    return run()


def _begin(code: TaskCode, history: AttemptHistory, info: TaskRunInfo) -> None:
    """The name that the author has given to the call, and the hooks of its start."""
    if code.run_name is not None:
        info.custom_name = history.name = name_of_call(code, history.call)
    if code.on_running:
        run_task_hooks(code.on_running, code.fn, info, "RUNNING", "Running")


def name_of_call(code: TaskCode, call: Call) -> str:
    """The run's name from the author's template; when the template cannot be filled, a name that says so."""
    assert code.run_name is not None
    try:
        parameters = bind(code.fn, call.args, call.kwargs)
        return render_run_name(code.run_name, parameters, {"index": call.index, "task_name": code.name})
    except Exception as error:
        return f"{code.name}-{call.index} (name: {error})"


def _not_begun(call: Call, error: Exception) -> Outcome:
    """The outcome of a call whose arguments cannot be made here."""
    now = clock.epoch_s()
    extra = Extra(tracebacks.headline(error), tracebacks.capture(error))
    return Outcome(FAILED, now, now, call.attempt, None, tracebacks.ship(error), None, extra)


def _cancelled(history: AttemptHistory, hashed: bytes | None) -> Outcome:
    extra = Extra("cancelled while it ran", timeline=history.timeline)
    return Outcome(CANCELLED, history.started, clock.epoch_s(), history.run_count, None, None, hashed, extra)


async def _finish(running: Coroutine[Any, Any, Any] | Any) -> Any:
    if inspect.isasyncgen(running):
        return [value async for value in running]
    return await running
