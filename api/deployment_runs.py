"""A new run of a deployment: its request is checked in full before anything is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import HTTPException

from ..runtime.foundation.errors import BadJobVariables, NotFound, ParameterMismatch, UnresolvedParameter
from ..runtime.states import State
from ..runtime.store import deployments, scheduled_runs, work_pools
from ..runtime.store.database.database import Database
from ..runtime.store.database.rows import FlowRunRow
from ..runtime.store.database.wire_text import data_value
from ..runtime.store.deployment_rows import RunnableDeployment
from ..runtime.store.deployment_run_rows import NewDeploymentRun
from ..runtime.store.search import FlowRunAndState
from .deployment_checks import check_parameters, check_variables, written_out
from .errors import found, with_hint
from .schemas_deployments import DeploymentRunCreate


async def start_run(
    db: Database,
    runnable: RunnableDeployment,
    asked: DeploymentRunCreate,
    *,
    state: State | None = None,
    created_by: Mapping[str, Any] | None = None,
) -> tuple[FlowRunAndState, bool]:
    """Record a run; returns it and whether it is new (its idempotency key was not known).

    A `state` given here overrides the one in the request.

    Raises HTTPException: 400 (a parameter without a value, a queue without a pool), 404 (the
    deployment is gone), 409 (parameters that break the schema), 422 (job variables).
    """
    try:
        new = replace(await _checked(db, runnable, asked), created_by=created_by)
        if state is not None:
            new = replace(new, state=state)
        return await scheduled_runs.create_run_of(db, runnable.deployment, new)
    except UnresolvedParameter as error:
        raise HTTPException(400, f"Error hydrating flow run parameters: {with_hint(error)}") from error
    except ParameterMismatch as error:
        raise HTTPException(409, f"Error creating flow run: {with_hint(error)}") from error
    except BadJobVariables as error:
        raise HTTPException(422, f"Error creating flow run: {with_hint(error)}") from error
    except NotFound as error:
        raise HTTPException(404, "Deployment not found") from error


async def check_new_variables(db: Database, run: FlowRunRow, variables: dict[str, Any]) -> None:
    """Check new job variables for a run: 400 unless the run is scheduled and belongs to a deployment.

    Raises BadJobVariables when they do not fit its pool.
    """
    if run.deployment_id is None or run.state_type != "SCHEDULED":
        raise HTTPException(400, "Job variables can be changed for scheduled runs of a deployment only.")
    try:
        deployment = await deployments.read(db, run.deployment_id)
    except NotFound as error:
        raise HTTPException(400, "The run's deployment is gone.") from error
    if deployment.work_pool_name is not None:
        pool = await work_pools.read(db, deployment.work_pool_name)
        check_variables(pool.base_job_template, deployment.job_variables, variables, complete=True)


async def check_place(db: Database, pool_name: str, variables: dict[str, Any] | None) -> None:
    """Check that a run without a deployment may go to a pool with these job variables: 404 without that pool.

    Raises BadJobVariables.
    """
    pool = await found(work_pools.read(db, pool_name), f'Work pool "{pool_name}"')
    check_variables(pool.base_job_template, variables, complete=True)


async def _checked(
    db: Database, runnable: RunnableDeployment, asked: DeploymentRunCreate
) -> NewDeploymentRun:
    deployment, template = runnable
    parameters = data_value(
        await written_out(db, {**deployment.parameters, **asked.parameters}), "parameters"
    )
    enforced = asked.enforce_parameter_schema
    if deployment.enforce_parameter_schema if enforced is None else enforced:
        check_parameters(parameters, deployment.parameter_openapi_schema, complete=True)
    if template is not None:
        check_variables(template, deployment.job_variables, asked.job_variables, complete=True)
    elif asked.work_queue_name is not None:
        raise HTTPException(
            400,
            f"The run cannot go to work queue {asked.work_queue_name!r}: its deployment has no work pool.",
        )
    return NewDeploymentRun(
        state=asked.state.as_state() if asked.state else None,
        name=asked.name,
        parameters=parameters,
        context=asked.context,
        tags=tuple(asked.tags),
        labels=asked.labels or {},
        empirical_policy=asked.empirical_policy.model_dump(mode="json"),
        idempotency_key=asked.idempotency_key,
        parent_task_run_id=asked.parent_task_run_id,
        job_variables=data_value(asked.job_variables or {}, "job_variables"),
        work_queue_name=asked.work_queue_name,
    )
