"""Pausing, suspending and resuming flow runs: `pause_flow_run`, `suspend_flow_run`, `resume_flow_run`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .authoring.context import task_run_info
from .foundation.errors import NotInAFlow, StaleState
from .foundation.settings import current_settings
from .states import Suspended

if TYPE_CHECKING:
    from .engine.session import RunControl


def pause_flow_run(
    wait_for_input: Any = None, timeout: float = 3600, poll_interval: float = 1, key: str | None = None
) -> Any:
    """Wait in the body of a flow until somebody resumes the run; gives the input that it was resumed with.

    `wait_for_input` is the type of that input: a model, a dataclass, or a plain type such as int. A run that
    is not resumed within `timeout` seconds fails. `key` names the pause: a run that goes on after a crash
    does not wait again for what it has passed. In an asynchronous flow, await it.
    """
    control = _control("pause_flow_run")
    return _done(
        lambda: _as_type(
            wait_for_input, control.pause(timeout, key, _schema_of(wait_for_input), poll_interval)
        )
    )


def suspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: UUID | str | None = None,
    timeout: float | None = 3600,
    key: str | None = None,
) -> Any:
    """End the process of a run until somebody resumes it: then its body runs again from the top, with the
    results of the tasks that had completed, and goes on from here.

    Without `flow_run_id` in the body of a flow, for its own run: only runs of deployments can be suspended,
    and no sub-flow. With it, for that run, from anywhere. Raises StaleState when it cannot be suspended.
    """
    if flow_run_id is not None:
        _propose_suspension(UUID(str(flow_run_id)), timeout, key)
        return None
    control = _control("suspend_flow_run")
    return _done(lambda: _as_type(wait_for_input, control.suspend(timeout, key, _schema_of(wait_for_input))))


def resume_flow_run(flow_run_id: UUID | str, run_input: Mapping[str, Any] | None = None) -> None:
    """Let a paused or suspended run go on, with the input that it waits for.

    Raises NotFound, StaleState when it is not paused, its time is over or the input does not fit.
    """
    run_id = UUID(str(flow_run_id))
    if current_settings().api_url is not None:
        from .client.client import get_client

        with get_client(sync_client=True) as client:
            answer = client.resume_flow_run(run_id, run_input)
            _refuse_unless(answer.status == "ACCEPT", run_id, answer.reason)
        return
    from .engine.relay import recording_here
    from .store import resuming

    became = recording_here().call(resuming.resume, run_id, dict(run_input or {}))
    _refuse_unless(became.written, run_id, getattr(became.verdict.decision, "reason", None))


def _propose_suspension(run_id: UUID, timeout_s: float | None, key: str | None) -> None:
    state = Suspended(timeout_s=timeout_s, pause_key=key)
    if current_settings().api_url is not None:
        from .client.client import get_client

        with get_client(sync_client=True) as client:
            answer = client.set_flow_run_state(run_id, state)
            _refuse_unless(answer.status == "ACCEPT", run_id, answer.reason)
        return
    from .engine.relay import recording_here
    from .store import flow_run_changes

    became = recording_here().call(flow_run_changes.propose, run_id, state)
    accepted = became.verdict.decision.outcome == "ACCEPT"
    _refuse_unless(accepted, run_id, getattr(became.verdict.decision, "reason", None))


def _refuse_unless(accepted: bool, run_id: UUID, reason: str | None) -> None:
    if not accepted:
        raise StaleState(
            f"flow run {run_id}: {reason or 'a rule refuses'}",
            hint="`heliostat flow-run inspect` shows its state and the decisions of the rules.",
        )


def _control(what: str) -> RunControl:
    from .engine.session import flow_session

    session = flow_session.get()
    if session is None or session.control is None or task_run_info.get() is not None:
        raise NotInAFlow(f"{what}() belongs into the body of a flow.", hint="Call it there, not in a task.")
    return session.control


def _done(step: Callable[[], Any]) -> Any:
    """Do it here and now; where an event loop runs, the coroutine that does it beside the loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return step()
    context = contextvars.copy_context()
    return _awaited(loop, lambda: context.run(step))


async def _awaited(loop: asyncio.AbstractEventLoop, step: Callable[[], Any]) -> Any:
    return await loop.run_in_executor(None, step)


def _schema_of(kind: Any) -> Mapping[str, Any] | None:
    """The JSON schema of an input of that type: an object, which holds a plain value under "value"."""
    if kind is None:
        return None
    from pydantic import TypeAdapter

    schema = TypeAdapter[Any](kind).json_schema()
    if schema.get("type") == "object":
        return schema
    definitions = {name: schema.pop(name) for name in ("$defs",) if name in schema}
    return {"type": "object", "properties": {"value": schema}, "required": ["value"], **definitions}


def _as_type(kind: Any, given: Any) -> Any:
    if kind is None:
        return None
    from pydantic import TypeAdapter

    adapter = TypeAdapter[Any](kind)
    is_object = adapter.json_schema().get("type") == "object"
    return adapter.validate_python(given if is_object else given["value"])
