"""The columns of a deployment's new run: the deployment's fields, overridden by the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from ..authoring import names
from ..foundation.ids import uuid7
from ..states import Scheduled, State
from .commits.derive import FlowRunFacts, fold
from .database.rows import NewFlowRun
from .flow_runs import new_flow_run_row, state_row
from .recorded_states import transition_of


@dataclass(frozen=True, slots=True)
class NewDeploymentRun:
    """The request for one run of a deployment; missing fields come from the deployment.

    `state` None: Scheduled for now. Parameters and labels override the deployment's by name; tags are added;
    job variables are stored separately, to override the deployment's when the run is started.
    `work_queue_name` names a queue of the deployment's pool.
    """

    id: UUID = field(default_factory=uuid7)
    state: State | None = None
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tags: tuple[str, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict[str, Any])
    empirical_policy: Mapping[str, Any] = field(default_factory=dict[str, Any])
    idempotency_key: str | None = None
    parent_task_run_id: UUID | None = None
    job_variables: Mapping[str, Any] | None = None
    created_by: Mapping[str, Any] | None = None
    work_queue_name: str | None = None
    schedule_key: str | None = None  # of runs made by a schedule, with their slot
    slot_at: datetime | None = None


class Columns(Protocol):
    """The columns of a deployment, by name."""

    def __getitem__(self, name: str, /) -> Any: ...


def _origin(deployment: Columns) -> dict[str, str]:
    """Labels that tell where a run comes from, which the standard's clients read."""
    return {"prefect.flow.id": str(deployment["flow_id"]), "prefect.deployment.id": str(deployment["id"])}


def run_and_state_rows(deployment: Columns, new: NewDeploymentRun) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of the run and of its first state. `deployment` is a row of its table."""
    state = new.state or Scheduled()
    facts = FlowRunFacts(new.id)
    (entry,) = fold(facts, [transition_of(state)])
    run = NewFlowRun(
        id=new.id,
        flow_name="",
        name=new.name or names.generate_name(),
        transitions=[],
        parameters={**deployment["parameters"], **new.parameters},
        entrypoint=deployment["entrypoint"],
        code_revision=deployment["code_revision"],
        tags=(*deployment["tags"], *new.tags),
        labels={**_origin(deployment), **deployment["labels"], **new.labels},
        context=dict(new.context),
        empirical_policy=dict(new.empirical_policy),
        created_by=None if new.created_by is None else dict(new.created_by),
        idempotency_key=new.idempotency_key,
        parent_task_run_id=new.parent_task_run_id,
        auto_scheduled=new.schedule_key is not None,
        job_variables=None if new.job_variables is None else dict(new.job_variables),
    )
    columns = new_flow_run_row(run, deployment["flow_id"], facts) | {
        "deployment_id": deployment["id"],
        "deployment_version": deployment["version"],
        "work_pool_id": deployment["work_pool_id"],
        "work_queue_id": deployment["work_queue_id"],
        "schedule_key": new.schedule_key,
        "slot_at": new.slot_at,
    }
    return columns, state_row(entry)
