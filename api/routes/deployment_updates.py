"""Beyond the standard: code brings a deployment up to date, and what people set by hand stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from ...pools.default_pool import placed
from ...runtime.foundation.authorship import is_of_code
from ...runtime.store import deployments
from ...runtime.store.schedule_matching import reconcile_schedules
from .. import responses_deployments as responses
from .. import wire_deployments
from ..answers import JsonAnswer
from ..authors import ByDeploy
from ..database_access import Db
from ..deployment_changes import check_schedules_after, checked_changes
from ..errors import found
from ..schemas_deployments import DeploymentUpdate

router = APIRouter(prefix="/heliostat/deployments", tags=["Heliostat"])


@router.patch("/{id:uuid}", response_model=responses.Deployment)
async def bring_up_to_date(id: UUID, body: DeploymentUpdate, db: Db, by: ByDeploy) -> JsonAnswer:
    """Change a deployment as its code says; what is not in the body stays.

    Schedules are matched by slug, else by what they schedule. A schedule that the code made and no longer
    names is removed; schedules that people made stay. The queue stays when the pool does not change.
    """
    row = await found(deployments.read(db, id), "Deployment")
    said = body.model_fields_set
    if "parameters" not in said and body.parameter_openapi_schema is not None:
        kept = _known_parameters(row.parameters, body.parameter_openapi_schema)
        if kept != row.parameters:
            body = body.model_copy(update={"parameters": kept})
            body.model_fields_set.add("parameters")
    changes = await checked_changes(db, row, body)
    if "work_queue_name" not in said and changes.get("work_pool_name") == row.work_pool_name:
        changes.pop("work_pool_name", None)
    check_schedules_after(row, changes, body)
    sent = [replace(each.as_spec(), by=by) for each in body.schedules] if "schedules" in said else None
    if sent is not None:
        staying = replace(row, schedules=[each for each in row.schedules if not is_of_code(each.created_by)])
        check_schedules_after(staying, changes, DeploymentUpdate())
    changing = placed(
        db,
        changes.get("work_pool_name"),
        lambda: deployments.change(db, id, changes, sent, by=by, match=reconcile_schedules),
    )
    return JsonAnswer(wire_deployments.deployment(await found(changing, "Deployment")))


def _known_parameters(parameters: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the flow still takes; its new signature has dropped the others."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    if schema.get("additionalProperties") not in (None, False):
        return dict(parameters)
    return {name: value for name, value in parameters.items() if name in properties}
