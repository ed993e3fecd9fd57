"""The changes of a PATCH of a deployment, checked against the fields that stay."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException

from ..runtime.foundation.errors import BadJobVariables, UnresolvedParameter
from ..runtime.store import work_pools
from ..runtime.store.database.database import Database
from ..runtime.store.deployment_rows import DeploymentRow
from .deployment_checks import (
    check_blocks,
    check_parameters,
    check_shared_limit,
    check_variables,
    code_revision_of,
    written_out,
)
from .errors import conflicting, found, with_hint
from .schemas_deployments import DeploymentUpdate
from .wire_deployments import own_limit_id

_NOT_COLUMNS = {"schedules", "version_info"}


async def checked_changes(db: Database, row: DeploymentRow, body: DeploymentUpdate) -> dict[str, Any]:
    """The columns that change, by name.

    Raises HTTPException: 400 (a parameter without a value), 404 (the pool), 409 (parameters that break the
    schema; job variables that do not fit a new pool), 422 (job variables that do not fit the present pool).
    """
    changes: dict[str, Any] = body.model_dump(exclude_unset=True, exclude=_NOT_COLUMNS)
    await _check_limits(db, row, changes)
    await check_blocks(db, body, "Error updating deployment")
    if body.parameters is not None:
        try:
            changes["parameters"] = await written_out(db, body.parameters)
        except UnresolvedParameter as error:
            raise HTTPException(400, f"Error hydrating deployment parameters: {with_hint(error)}") from error
    if "pull_steps" in changes:
        changes["code_revision"] = code_revision_of(body.pull_steps)
    _check_parameters(row, changes)
    await _check_variables(db, row, changes)
    return changes


async def _check_limits(db: Database, row: DeploymentRow, changes: dict[str, Any]) -> None:
    """A deployment has a limit of its own or shares one: setting either replaces the other."""
    shared = changes.get("global_concurrency_limit_id")
    if shared == own_limit_id(row.id):  # a form sent back the id that it was shown
        del changes["global_concurrency_limit_id"]
    elif shared is not None:
        await check_shared_limit(db, shared)
        changes["concurrency_limit"] = None
    elif changes.get("concurrency_limit") is not None:
        changes["global_concurrency_limit_id"] = None


def _check_parameters(row: DeploymentRow, changes: dict[str, Any]) -> None:
    def now(name: str) -> Any:
        value = changes.get(name)
        return getattr(row, name) if value is None else value

    touched = any(changes.get(name) is not None for name in ("parameters", "parameter_openapi_schema"))
    if touched and now("enforce_parameter_schema") and now("parameters"):
        with conflicting("Error updating deployment"):
            check_parameters(now("parameters"), now("parameter_openapi_schema"), complete=False)


def check_schedules_after(row: DeploymentRow, changes: dict[str, Any], body: DeploymentUpdate) -> None:
    """Check the parameters of the schedules, sent or existing, against the schema as it will be.

    Raises HTTPException (409).
    """
    enforced, schema = (
        row.enforce_parameter_schema
        if changes.get("enforce_parameter_schema") is None
        else changes["enforce_parameter_schema"],
        changes.get("parameter_openapi_schema") or row.parameter_openapi_schema,
    )
    sent = "schedules" in body.model_fields_set
    touched = any(changes.get(name) for name in ("parameter_openapi_schema", "enforce_parameter_schema"))
    schedules = body.schedules if sent else row.schedules if touched else ()
    if enforced:
        for each in schedules:
            if each.parameters:
                with conflicting("Error updating deployment"):
                    check_parameters(each.parameters, schema, complete=False)


async def _check_variables(db: Database, row: DeploymentRow, changes: dict[str, Any]) -> None:
    pool_name = changes.get("work_pool_name", row.work_pool_name)
    if pool_name is None:
        return
    if "work_pool_name" in changes or changes.get("job_variables"):
        pool = await found(work_pools.read(db, pool_name), f'Work pool "{pool_name}"')
        variables = changes.get("job_variables")
        try:
            check_variables(pool.base_job_template, row.job_variables if variables is None else variables)
        except BadJobVariables as error:
            status = 409 if "work_pool_name" in changes else 422
            raise HTTPException(status, f"Error updating deployment: {with_hint(error)}") from error
