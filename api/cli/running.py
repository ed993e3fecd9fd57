"""`heliostat flow run`: turns the options of the command line into a run of a flow in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...runtime.authoring.tags import tags
from ...runtime.projects.entrypoints import load_flow
from ...runtime.values import parameters
from .assignments import from_document
from .flow_run import report_end

if TYPE_CHECKING:
    from ...runtime.authoring.definitions import FlowDefinition
    from ...runtime.states import State


def run_flow(
    entrypoint: str,
    assignments: Sequence[str],
    document: str | None,
    name: str | None,
    tag_names: Sequence[str],
    runner: str | None,
) -> int:
    """Run a flow and report how it ended; returns the exit code. A bad parameter starts nothing."""
    given = from_document(document)
    flow = load_flow(entrypoint)
    given |= parameters.from_cli(flow.fn, assignments)
    valid = parameters.validate(flow.fn, given)
    if runner is not None:
        flow = flow.with_options(task_runner=runner)
    if name is not None:
        flow = flow.named(name)
    return report_end(flow.name, _call(flow, valid, tag_names))


def _call(flow: FlowDefinition[..., Any], valid: dict[str, Any], tag_names: Sequence[str]) -> State:
    """The final state of the run; it holds a failure of the flow itself, which is not raised."""
    from ...runtime.engine.flow.flow_call import run_to_end

    with tags(*tag_names):
        return run_to_end(flow, valid)
