"""Flows that are generators: their values go to the caller one by one while the run lasts.

Each step of the body runs in the context of the run; the caller's code between two values does not. The run
begins when the first value is asked for. It ends when the body does, or when the caller closes the stream,
which counts as completed. Values that were handed out cannot be taken back, so the body is retried only
before its first value. A time limit counts while the body runs, not while it waits for its caller.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import gc
import inspect
import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from ...foundation import clock
from ...values import parameters, tracebacks
from ..deadline import DeadlinePassed, time_limit
from ..interrupts import termination_raises
from ..nested_futures import (
    futures_in,
    not_started,
    replace_futures,
    result_of,
    wait_for_futures,
    wait_for_futures_async,
)
from ..session import FlowSession, flow_session
from .flow_call import apart
from .flow_run import FlowRun

if TYPE_CHECKING:
    from ...authoring.definitions import FlowDefinition

_open: set[_Steps | _AsyncSteps] = set()  # streams whose run has begun and not ended
_collects: int | None = None  # the thread in which the garbage collector runs now


def stream_of(flow: FlowDefinition[Any, Any], values: dict[str, Any]) -> FlowStream | AsyncFlowStream:
    """The values of a flow whose function is a generator. Raises ParameterMismatch."""
    if flow.validate_parameters and not any(futures_in(value) for value in values.values()):
        parameters.validate(flow.fn, values)  # checked now, since the run begins later
    if inspect.isasyncgenfunction(flow.fn):
        return AsyncFlowStream(flow, values)
    return FlowStream(flow, values)


class FlowStream(Generator[Any, Any, Any]):
    """A generator over the values of a flow run."""

    def __init__(self, flow: FlowDefinition[Any, Any], values: dict[str, Any]) -> None:
        self._steps = _Steps(flow, values)

    def send(self, value: Any) -> Any:
        return self._steps.step("send", value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        return self._steps.step("throw", _raised(typ, val, tb))

    def close(self) -> None:
        """End the run, as the caller needs no more values."""
        self._steps.step("close")

    def __del__(self) -> None:
        steps = self._steps
        if steps not in _open:
            return
        if _collects != threading.get_ident():
            steps.step("close")
            return
        # The collector may run at any moment, also while this thread holds a lock.
        with suppress(RuntimeError):  # the interpreter ends, and `_close_all` will close the stream
            threading.Thread(target=steps.step, args=("close",), name="heliostat-stream-close").start()


class _Steps:
    """The part of a stream that outlives the caller's reference to it."""

    def __init__(self, flow: FlowDefinition[Any, Any], values: dict[str, Any]) -> None:
        self._body: Any = _run_in_steps(flow, values)
        self._context: contextvars.Context | None = None
        self._open_with: FlowSession | None = None

    def step(self, how: str, *given: Any) -> Any:
        context = self._context
        if context is None:
            if how != "send":
                self._body.close()  # it has not begun, and now never does
                return self._body.throw(*given) if given else None
            context = self._context = contextvars.copy_context()
            self._open_with = _keep(self)
        try:
            return context.run(getattr(self._body, how), *given)
        except BaseException as error:
            raise tracebacks.drop_our_frames(error)  # noqa: B904  (it is the same exception)
        finally:
            if self._body.gi_frame is None:
                _let_go(self, self._open_with)

    def close_with_parent(self) -> None:
        self.step("close")

    def close_at_exit(self) -> None:
        self.step("close")


def _run_in_steps(flow: FlowDefinition[Any, Any], values: dict[str, Any]) -> Generator[Any, Any, Any]:
    failed = wait_for_futures(values)
    if failed is not None:
        not_started(flow.name, failed, False)
    run = FlowRun(flow, replace_futures(values, result_of), None)
    _close_at_exit()
    while run.begin_attempt():
        pace = _Pace(run)
        with run.executing(stepwise=True):
            try:
                try:
                    value = yield from _values(run, pace)
                except GeneratorExit:
                    with pace.step():
                        run.wait_for_calls(None)
                    run.closed(pace.handed_out)
                else:
                    run.returned(value)
            except BaseException as error:
                pace.say_if_it_is_not_tried_again()
                run.raised(error, timed_out=pace.is_over(error))
            run.wait_for_retry()
    return run.outcome(False)


def _values(run: FlowRun, pace: _Pace) -> Generator[Any, Any, Any]:
    body: Any = run.flow.fn(*run.args, **run.kwargs)
    step, given = body.send, None
    while True:
        with pace.step():
            try:
                value = step(given)
            except StopIteration as end:
                return run.wait_for_calls(end.value)
        pace.hand_out()
        try:
            given = yield value
            step = body.send
        except GeneratorExit:
            with pace.step():
                body.close()
            raise
        except BaseException as thrown:
            step, given = body.throw, thrown


class _Pace:
    """One attempt of a body that runs in steps: its time limit, and how many values it has handed out."""

    def __init__(self, run: FlowRun) -> None:
        self._run = run
        self._left_s = run.flow.timeout_seconds
        self._limit: type[DeadlinePassed] | asyncio.Timeout | None = None
        self.handed_out = 0

    def hand_out(self) -> None:
        self.handed_out += 1
        self._run.states.may_retry = False

    def say_if_it_is_not_tried_again(self) -> None:
        if self.handed_out and self._run.flow.retry.retries:
            self._run.desk.say(
                logging.WARNING,
                f"the flow is not tried again: its caller has {self.handed_out} of its values already",
            )

    @contextmanager
    def step(self) -> Generator[None]:
        """A block that runs a step of the body."""
        with termination_raises(), self._run.body.here():
            if self._left_s is None:
                yield
                return
            began = clock.monotonic_s()
            with time_limit(max(self._left_s, 1e-3)) as self._limit:
                try:
                    yield
                finally:
                    self._left_s -= clock.monotonic_s() - began

    @asynccontextmanager
    async def async_step(self) -> AsyncGenerator[None]:
        """A block that runs a step of the body in the running task."""
        with self._run.body.in_task():
            self._limit = asyncio.timeout(self._left_s)
            began = clock.monotonic_s()
            async with self._limit:
                try:
                    yield
                finally:
                    if self._left_s is not None:
                        self._left_s = max(0.0, self._left_s - (clock.monotonic_s() - began))

    def is_over(self, error: BaseException) -> bool:
        """Whether the error is the end of the flow's time limit."""
        limit = self._limit
        if isinstance(limit, asyncio.Timeout):
            return isinstance(error, TimeoutError) and limit.expired()
        return limit is not None and isinstance(error, limit)


class AsyncFlowStream(AsyncGenerator[Any, Any]):
    """An asynchronous generator over the values of a flow run."""

    def __init__(self, flow: FlowDefinition[Any, Any], values: dict[str, Any]) -> None:
        self._steps = _AsyncSteps(flow, values)

    async def asend(self, value: Any) -> Any:
        return await self._steps.step("asend", value)

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        return await self._steps.step("athrow", _raised(typ, val, tb))

    async def aclose(self) -> None:
        """End the run, as the caller needs no more values."""
        await self._steps.step("aclose")

    def __del__(self) -> None:
        if self._steps in _open:
            self._steps.close_soon()


class _AsyncSteps:
    """The part of an asynchronous stream that outlives the caller's reference to it."""

    def __init__(self, flow: FlowDefinition[Any, Any], values: dict[str, Any]) -> None:
        self._body: Any = _run_in_async_steps(flow, values)
        self._context: contextvars.Context | None = None
        self._open_with: FlowSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard: AsyncGenerator[None, None] | None = None
        self._closing: Any = None

    async def step(self, how: str, *given: Any) -> Any:
        context = self._context
        if context is None:
            if how != "asend":
                await self._body.aclose()  # it has not begun, and now never does
                return await self._body.athrow(*given) if given else None
            context = self._context = contextvars.copy_context()
            self._loop = asyncio.get_running_loop()
            self._open_with = _keep(self)
            self._guard = self._closed_with_the_loop()
            await self._guard.asend(None)
        try:
            return await _Within(context, _unhooked(getattr(self._body, how), *given))
        except BaseException as error:
            raise tracebacks.drop_our_frames(error)  # noqa: B904  (it is the same exception)
        finally:
            if self._body.ag_frame is None and self in _open:
                _let_go(self, self._open_with)
                if self._guard is not None:
                    await self._guard.aclose()

    async def _closed_with_the_loop(self) -> AsyncGenerator[None, None]:
        """A generator by which the loop knows an open stream, so that it closes the stream at shutdown."""
        try:
            yield
        finally:
            if self in _open:
                await self.step("aclose")

    def close_soon(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._close_in_a_task)

    def _close_in_a_task(self) -> None:
        self._closing = asyncio.ensure_future(self.step("aclose"))

    def close_with_parent(self) -> None:
        loop = self._loop
        if loop is not None and loop.is_running():  # the loop on which the parent is being settled
            asyncio.run_coroutine_threadsafe(self.step("aclose"), loop).result()

    def close_at_exit(self) -> None:
        asyncio.run(self.step("aclose"))


async def _run_in_async_steps(
    flow: FlowDefinition[Any, Any], values: dict[str, Any]
) -> AsyncGenerator[Any, Any]:
    failed = await wait_for_futures_async(values)
    if failed is not None:
        not_started(flow.name, failed, False)
    run = FlowRun(flow, await apart(replace_futures, values, result_of), None)
    _close_at_exit()
    while await apart(run.begin_attempt):
        pace = _Pace(run)
        with run.executing(stepwise=True):
            try:
                body: Any = flow.fn(*run.args, **run.kwargs)
                step, given = body.asend, None
                is_closed = False
                while not is_closed:
                    async with pace.async_step():
                        try:
                            value = await _unhooked(step, given)
                        except StopAsyncIteration:
                            break
                    pace.hand_out()
                    try:
                        given = yield value
                        step = body.asend
                    except GeneratorExit:
                        async with pace.async_step():
                            await body.aclose()
                        is_closed = True
                    except BaseException as thrown:
                        step, given = body.athrow, thrown
                async with pace.async_step():
                    await apart(run.wait_for_calls, None)
                await (apart(run.closed, pace.handed_out) if is_closed else apart(run.returned, None))
            except BaseException as error:
                pace.say_if_it_is_not_tried_again()
                await asyncio.shield(apart(run.raised, error, pace.is_over(error)))
            try:
                with run.body.in_task():
                    await asyncio.sleep(run.pause_s)
            except BaseException as error:
                await asyncio.shield(apart(run.raised, error))
    run.outcome(False)


class _Within:
    """Awaits something in the present task, but in another context."""

    def __init__(self, context: contextvars.Context, awaited: Awaitable[Any]) -> None:
        self._context = context
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = self._awaited.__await__()
        step, given = steps.send, None
        while True:
            try:
                waits_for = self._context.run(step, given)
            except StopIteration as end:
                return end.value
            try:
                given = yield waits_for
                step = steps.send
            except BaseException as error:
                step, given = steps.throw, error


def _unhooked(make: Callable[..., Awaitable[Any]], *given: Any) -> Awaitable[Any]:
    """Call a method of an asynchronous generator without registering the generator with the loop, which would
    close it in another context.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return make(*given)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _raised(kind: Any, value: Any, traceback: Any) -> BaseException:
    """The exception that the three arguments of `throw` mean."""
    if isinstance(kind, BaseException):
        error = kind
    elif isinstance(value, BaseException):
        error = value
    else:
        error = cast("BaseException", kind() if value is None else kind(value))
    return error if traceback is None else error.with_traceback(traceback)


def _keep(steps: _Steps | _AsyncSteps) -> FlowSession | None:
    """Note a stream whose run begins, so that only that run ends it. Returns the run that consumes it."""
    _watch_the_collector()
    _open.add(steps)
    parent = flow_session.get()
    if parent is not None:
        parent.calls.streams.add(steps)
    return parent


def _let_go(steps: _Steps | _AsyncSteps, parent: FlowSession | None) -> None:
    _open.discard(steps)
    if parent is not None:
        parent.calls.streams.discard(steps)


def _watch_the_collector() -> None:
    if _note_collection not in gc.callbacks:
        gc.callbacks.append(_note_collection)
        os.register_at_fork(after_in_child=_open.clear)


def _note_collection(phase: str, _facts: Any) -> None:
    global _collects
    _collects = threading.get_ident() if phase == "start" else None


def _close_at_exit() -> None:
    atexit.unregister(_close_all)
    atexit.register(_close_all)  # the last handler runs first: before that of the recording, which is open


def _close_all() -> None:
    """Close the streams that were not consumed to the end when the program ends."""
    for steps in list(_open):
        with suppress(Exception):
            steps.close_at_exit()
