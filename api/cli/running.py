"""`heliostat flow run`: from the words of the command line to a run of a flow in this process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from ...runtime import parameters
from ...runtime.entrypoints import load_flow
from ...runtime.errors import ParameterMismatch
from ...runtime.tags import tags
from .flow_run import report_end

if TYPE_CHECKING:
    from ...runtime.flows import Flow
    from ...runtime.states import State


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
    if runner is not None:
        flow = flow.with_options(task_runner=runner)
    if name is not None:
        flow = flow.named(name)
    return report_end(flow.name, _call(flow, valid, tag_names))


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


def _call(flow: Flow[..., Any], valid: dict[str, Any], tag_names: Sequence[str]) -> State:
    """The state that the run ended in; a failure of the flow's own is in it, and not raised."""
    with tags(*tag_names):
        state = flow.run(valid, return_state=True)
        return asyncio.run(state) if flow.is_async else state
