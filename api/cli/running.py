"""`heliostat flow run`: from the words of the command line to a run of a flow in this process."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from ...runtime import parameters
from ...runtime.context import current_tags
from ...runtime.entrypoints import load_flow
from ...runtime.errors import ParameterMismatch
from .flow_run import report_end

if TYPE_CHECKING:
    from ...runtime.flows import Flow


def run_flow(
    entrypoint: str,
    assignments: Sequence[str],
    document: str | None,
    name: str | None,
    tag_names: Sequence[str],
    runner: str | None,
) -> int:
    """Run a flow and report how it ended; gives the exit code. Nothing starts when a parameter is bad."""
    given = _from_document(document)
    flow = load_flow(entrypoint)
    given |= parameters.from_cli(flow.fn, assignments)
    valid = parameters.validate(flow.fn, given)
    state = _call(_with_options(flow, name, runner), valid, tuple(tag_names))
    return report_end(flow.name, state)


def _from_document(document: str | None) -> dict[str, Any]:
    if document is None:
        return {}
    text = sys.stdin.read() if document == "-" else document
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ParameterMismatch(
            f"--params is not valid JSON: {error}", hint="""write --params '{"name": "value"}'"""
        ) from error
    if not isinstance(value, dict):
        raise ParameterMismatch(
            "--params is not a JSON object.", hint="""write --params '{"name": "value"}'"""
        )
    return cast("dict[str, Any]", value)


def _with_options(flow: Flow[..., Any], name: str | None, runner: str | None) -> Flow[..., Any]:
    options: dict[str, Any] = {}
    if name is not None:
        options["flow_run_name"] = lambda: name  # a text would be a template
    if runner is not None:
        options["task_runner"] = runner
    return flow.with_options(**options) if options else flow


def _call(flow: Flow[..., Any], valid: dict[str, Any], tags: tuple[str, ...]) -> Any:
    """The state that the run ended in; a failure of the flow's own is in it, and not raised."""
    args, kwargs = parameters.unbind(flow.fn, valid)
    call = cast("Any", flow)
    token = current_tags.set((*current_tags.get(), *tags))
    try:
        state = call(*args, return_state=True, **kwargs)
        return asyncio.run(_awaited(state)) if inspect.isawaitable(state) else state
    finally:
        current_tags.reset(token)


async def _awaited(state: Any) -> Any:
    return await state
