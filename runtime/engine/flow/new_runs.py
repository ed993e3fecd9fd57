"""The first record of a flow run: its name, tags, parameters, and where its code is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...authoring.context import current_tags
from ...authoring.names import generate_name, render_run_name
from ...foundation.ids import uuid7
from ...states import Pending
from ...store.database.rows import NewFlowRun
from ...values import parameters
from .. import payload
from .flow_states import transition_of
from .origin import code_revision, entrypoint_of

if TYPE_CHECKING:
    from ...authoring.definitions import FlowDefinition
    from .tracking import Tracking


def new_run_of(
    flow: FlowDefinition[Any, Any], values: dict[str, Any], tracking: Tracking | None
) -> NewFlowRun:
    """The record of a call of a flow with parameters; `tracking` is set when another run calls it."""
    return NewFlowRun(
        tracking.child_id if tracking is not None else uuid7(),
        flow.name,
        _name_of(flow, values),
        [transition_of(Pending())],
        parameters=parameters.to_json(values),
        parameters_pickle=payload.dump_parameters(values),
        entrypoint=entrypoint_of(flow),
        code_revision=code_revision(flow.fn),
        flow_version=flow.version,
        tags=tuple(sorted({*flow.tags, *current_tags.get()})),
        empirical_policy=flow.policy_fields(),
        parent_task_run_id=tracking.task_run_id if tracking is not None else None,
    )


def _name_of(flow: FlowDefinition[Any, Any], values: dict[str, Any]) -> str:
    if flow.next_run_name is not None:
        return flow.next_run_name
    if flow.flow_run_name is None:
        return generate_name()
    return render_run_name(flow.flow_run_name, values, {"flow_name": flow.name})
