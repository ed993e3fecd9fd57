"""Deployments."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from ...pools.default_pool import placed
from ...runtime.foundation.authorship import Author
from ...runtime.foundation.errors import NotFound, NoWorkPool
from ...runtime.store import deployment_search, deployments, flows, work_pools
from ...runtime.store.deployment_rows import NewDeployment
from ...runtime.store.filters import Search
from .. import responses_deployments as responses
from .. import wire_deployments
from ..answers import JsonAnswer, made, no_content
from ..authors import ByDeploy, ByHand
from ..database_access import Db
from ..deployment_changes import check_schedules_after, checked_changes
from ..deployment_checks import (
    check_blocks,
    check_parameters,
    check_schedules,
    check_shared_limit,
    check_variables,
    code_revision_of,
)
from ..errors import conflicting, found
from ..models.ui import Deleted
from ..schemas_deployments import (
    DeploymentBulkDelete,
    DeploymentCreate,
    DeploymentNumberedPage,
    DeploymentPage,
    DeploymentSearch,
    DeploymentUpdate,
)
from .numbered_pages import numbered_page

router = APIRouter(prefix="/deployments", tags=["Deployments"])


@router.post("/", response_model=responses.Deployment, responses={201: {"model": responses.Deployment}})
async def create_deployment(body: DeploymentCreate, db: Db, by: ByDeploy) -> JsonAnswer:
    """Make a deployment, or replace the one of that flow and name (200).

    Replacing keeps the id and every field that the body leaves out; the schedules are made anew. A run made
    ahead stays if its schedule still has that time.
    """
    await check_shared_limit(db, body.global_concurrency_limit_id)
    await check_blocks(db, body, "Error creating deployment")
    if body.enforce_parameter_schema and body.parameters:
        with conflicting("Error creating deployment"):
            check_parameters(body.parameters, body.parameter_openapi_schema, complete=False)
    check_schedules(body, body.schedules, "Error creating deployment")
    if body.work_pool_name is not None and body.job_variables:
        pool = await found(work_pools.read(db, body.work_pool_name), f'Work pool "{body.work_pool_name}"')
        check_variables(pool.base_job_template, body.job_variables)
    new = _new(body, await flows.labels_of(db, body.flow_id), by)
    try:
        row, is_new = await placed(
            db, body.work_pool_name, lambda: deployments.upsert(db, new, body.model_fields_set)
        )
    except NoWorkPool as error:
        raise HTTPException(404, f'Work pool "{error.pool}" not found.') from error
    except NotFound as error:
        raise HTTPException(409, f"The flow {body.flow_id} does not exist.") from error
    return JsonAnswer(wire_deployments.deployment(row), made(is_new))


def _new(body: DeploymentCreate, inherited: Mapping[str, Any], by: Author) -> NewDeployment:
    options = body.concurrency_options
    return NewDeployment(
        flow_id=body.flow_id,
        name=body.name,
        version=body.version,
        description=body.description,
        paused=body.paused,
        tags=body.tags,
        labels={"prefect.flow.id": str(body.flow_id), **inherited, **(body.labels or {})},
        parameters=body.parameters,
        parameter_openapi_schema=body.parameter_openapi_schema,
        enforce_parameter_schema=body.enforce_parameter_schema,
        entrypoint=body.entrypoint,
        path=body.path,
        pull_steps=body.pull_steps if "pull_steps" in body.model_fields_set else [],
        code_revision=code_revision_of(body.pull_steps),
        work_pool_name=body.work_pool_name,
        work_queue_name=body.work_queue_name,
        job_variables=body.job_variables,
        concurrency_limit=body.concurrency_limit if body.global_concurrency_limit_id is None else None,
        global_concurrency_limit_id=body.global_concurrency_limit_id,
        concurrency_options=None if options is None else options.model_dump(),
        storage_document_id=body.storage_document_id,
        infrastructure_document_id=body.infrastructure_document_id,
        created_by=by,
        schedules=[replace(each.as_spec(), by=by) for each in body.schedules],
    )


@router.post("/filter", response_model=list[responses.Deployment])
async def filter_deployments(db: Db, body: DeploymentPage | None = None) -> JsonAnswer:
    """Deployments that match the filter."""
    body = body or DeploymentPage()
    rows = await deployment_search.deployments(
        db, body.search(), sort=body.sort, limit=body.limit, offset=body.offset
    )
    return JsonAnswer([wire_deployments.deployment(row) for row in rows])


@router.post("/paginate", response_model=responses.DeploymentPages)
async def paginate_deployments(db: Db, body: DeploymentNumberedPage | None = None) -> JsonAnswer:
    """One page of the deployments that match the filter."""
    body = body or DeploymentNumberedPage()
    return await numbered_page(
        db, body, deployment_search.deployments, deployment_search.count, wire_deployments.deployment
    )


@router.post("/count")
async def count_deployments(db: Db, body: DeploymentSearch | None = None) -> int:
    """How many deployments match the filter."""
    return await deployment_search.count(db, (body or DeploymentSearch()).search())


@router.post("/bulk_delete", response_model=Deleted)
async def delete_deployments(db: Db, body: DeploymentBulkDelete | None = None) -> JsonAnswer:
    """Remove deployments that match the filter, up to the limit, with schedules and runs made ahead."""
    body = body or DeploymentBulkDelete()
    rows = await deployment_search.deployments(db, Search(deployments=body.deployments), limit=body.limit)
    deleted: list[UUID] = []
    for row in rows:
        with suppress(NotFound):
            await deployments.delete(db, row.id)
            deleted.append(row.id)
    return JsonAnswer({"deleted": deleted})


@router.get("/name/{flow_name}/{deployment_name}", response_model=responses.Deployment)
async def read_deployment_by_name(flow_name: str, deployment_name: str, db: Db) -> JsonAnswer:
    """The deployment of that flow and name."""
    row = await found(deployments.read_by_name(db, flow_name, deployment_name), "Deployment")
    return JsonAnswer(wire_deployments.deployment(row))


@router.get("/{id:uuid}", response_model=responses.Deployment)
async def read_deployment(id: UUID, db: Db) -> JsonAnswer:
    """The deployment with that id."""
    return JsonAnswer(wire_deployments.deployment(await found(deployments.read(db, id), "Deployment")))


@router.patch("/{id:uuid}", status_code=204)
async def update_deployment(
    id: UUID, body: DeploymentUpdate, db: Db, by: ByHand, by_code: ByDeploy
) -> Response:
    """Change a deployment; only fields in the body change. Schedules are matched by their slugs."""
    row = await found(deployments.read(db, id), "Deployment")
    changes: dict[str, Any] = await checked_changes(db, row, body)
    check_schedules_after(row, changes, body)
    sent = [replace(each.as_spec(), by=by_code) for each in body.schedules]
    schedules = sent if "schedules" in body.model_fields_set else None
    changing = placed(
        db, changes.get("work_pool_name"), lambda: deployments.change(db, id, changes, schedules, by=by)
    )
    await found(changing, "Deployment")
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_deployment(id: UUID, db: Db) -> Response:
    """Remove a deployment with its schedules and the runs that they made ahead.

    Its other runs stay; those that wait to be started are cancelled.
    """
    await found(deployments.delete(db, id), "Deployment")
    return no_content()


@router.post("/{id:uuid}/pause_deployment")
async def pause_deployment(id: UUID, db: Db, by: ByHand) -> None:
    """Let the deployment's schedules make no runs, and take back those that they made ahead."""
    await found(deployments.pause(db, id, by), "Deployment")


@router.post("/{id:uuid}/resume_deployment")
async def resume_deployment(id: UUID, db: Db, by: ByHand) -> None:
    """Let the deployment's schedules make runs again, from now on."""
    await found(deployments.resume(db, id, by), "Deployment")
