"""A flow called like a function: from its arguments to the end of its run.

`run_flow` and `run_flow_async` differ in how they call the body; every step is written once, in `FlowRun`.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from types import GeneratorType
from typing import TYPE_CHECKING, Any, cast

from ...authoring.definitions import FlowDefinition
from ...values import tracebacks
from ..deadline import DeadlinePassed, time_limit
from ..interrupts import raise_unheard, undisturbed
from ..loop_limits import LoopLimit, overrun_told
from ..nested_futures import not_started, replace_futures, result_of, wait_for_futures, wait_for_futures_async
from .flow_run import FlowRun, Resumption

if TYPE_CHECKING:
    from ...states import State


AnyFlow = FlowDefinition[Any, Any]
Values = dict[str, Any]
"""The arguments of a flow, bound to its parameters."""


def run_to_end(flow: AnyFlow, values: Values, resumption: Resumption | None = None) -> State:
    """Run a flow to its end in this thread and give the state that the run ended in, or was left in."""
    ended = call_flow(flow, values, True, resumption)
    return asyncio.run(ended) if flow.is_async else ended


def call_flow(flow: AnyFlow, values: Values, return_state: bool, resumption: Resumption | None = None) -> Any:
    """Run a flow in this thread, or give the coroutine that runs an asynchronous one."""
    run = run_flow_async if flow.is_async else run_flow
    try:
        return run(flow, values, return_state, resumption)
    except BaseException as error:
        raise tracebacks.drop_our_frames(error)  # noqa: B904  (it is the same exception)


def run_flow(flow: AnyFlow, values: Values, return_state: bool, resumption: Resumption | None) -> Any:
    """Run a flow whose function is synchronous, in this thread."""
    failed = wait_for_futures(values)
    if failed is not None:
        return not_started(flow.name, failed, return_state)
    run = FlowRun(flow, replace_futures(values, result_of), resumption)
    while run.begin_attempt():
        with run.executing():
            limit: type[DeadlinePassed] | None = None
            try:
                raise_unheard()
                with run.body.here():
                    if flow.timeout_seconds is None:
                        value = run.wait_for_calls(_consumed(flow.fn(*run.args, **run.kwargs)))
                    else:
                        told = overrun_told(flow.timeout_seconds, run.desk.tell_flow_overrun)
                        with time_limit(flow.timeout_seconds) as limit, told:
                            value = run.wait_for_calls(_consumed(flow.fn(*run.args, **run.kwargs)))
                with undisturbed():
                    run.returned(value)
            except BaseException as error:
                with undisturbed():
                    run.raised(error, timed_out=limit is not None and isinstance(error, limit))
            run.wait_for_retry()
    return run.outcome(return_state)


async def run_flow_async(
    flow: AnyFlow, values: Values, return_state: bool, resumption: Resumption | None
) -> Any:
    """Run a flow whose function is asynchronous, on the running loop."""
    failed = await wait_for_futures_async(values)
    if failed is not None:
        return not_started(flow.name, failed, return_state)
    run = FlowRun(flow, await apart(replace_futures, values, result_of), resumption)
    while await apart(run.begin_attempt):
        with run.executing():
            limit = LoopLimit(flow.timeout_seconds, run.desk.tell_flow_overrun)
            try:
                raise_unheard()
                with run.body.in_task():
                    async with limit:
                        value = await _consumed_async(flow.fn(*run.args, **run.kwargs))
                        value = await apart(run.wait_for_calls, value)
                with undisturbed():
                    await apart(run.returned, value)
            except BaseException as error:
                timed_out = limit.is_why(error)
                with undisturbed():
                    await asyncio.shield(apart(run.raised, error, timed_out))
            try:
                with run.body.in_task():
                    await asyncio.sleep(run.pause_s)
            except BaseException as error:
                await asyncio.shield(apart(run.raised, error))
    try:
        return run.outcome(return_state)
    except BaseException as error:
        raise tracebacks.drop_our_frames(error)  # noqa: B904  (it is the same exception)


def _consumed(value: Any) -> Any:
    """What a body returned; of a generator its values, for it runs only while they are asked for."""
    return list(cast("Any", value)) if type(value) is GeneratorType else value


async def _consumed_async(running: Any) -> Any:
    value = running if inspect.isasyncgen(running) else await running
    return [each async for each in value] if inspect.isasyncgen(value) else _consumed(value)


async def apart(step: Any, *args: Any) -> Any:
    """Run a step beside the loop."""
    # Steps wait for the database and for other calls: off the loop, in a copy of this context.
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(None, lambda: context.run(step, *args))
