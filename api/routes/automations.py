"""Automations, and checking the templates that they hold."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Response

from ...runtime.store import automations, deployments
from ..actions.templates import LONGEST
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..deployment_checks import check_variables
from ..errors import found, there
from ..models import automations as models

router = APIRouter(tags=["Automations"])

_WHAT = "Automation"


async def _check_runs(body: models.AutomationUpdate, db: Db) -> None:
    """Check that job variables for runs of a deployment fit its pool: 404 when the deployment is gone.

    Raises BadJobVariables.
    """
    for action in (*body.actions, *body.actions_on_trigger, *body.actions_on_resolve):
        if isinstance(action, models.RunDeployment) and action.deployment_id and action.job_variables:
            deployment, template = await found(deployments.to_run(db, action.deployment_id), "Deployment")
            if template is not None:
                check_variables(template, deployment.job_variables, action.job_variables, complete=True)


@router.post("/automations/", status_code=201, response_model=models.Automation)
async def create_automation(body: models.AutomationCreate, db: Db) -> JsonAnswer:
    """Make an automation."""
    await _check_runs(body, db)
    return JsonAnswer(models.Automation.of(await automations.create(db, body.facts())), 201)


@router.post("/automations/filter", response_model=list[models.Automation])
async def filter_automations(db: Db, body: models.AutomationPage | None = None) -> JsonAnswer:
    """Automations that match the filter."""
    body = body or models.AutomationPage()
    rows = await automations.find(db, body.automations, sort=body.sort, limit=body.limit, offset=body.offset)
    return JsonAnswer([models.Automation.of(row) for row in rows])


@router.post("/automations/count")
async def count_automations(db: Db, body: models.AutomationSearch | None = None) -> int:
    """How many automations match the filter."""
    return await automations.count(db, (body or models.AutomationSearch()).automations)


@router.get("/automations/related-to/{resource_id:path}", response_model=list[models.Automation])
async def automations_related_to(resource_id: str, db: Db) -> JsonAnswer:
    """The automations that act on a resource, listen to it or belong to it."""
    return JsonAnswer([models.Automation.of(row) for row in await automations.related_to(db, resource_id)])


@router.delete("/automations/owned-by/{resource_id:path}", status_code=202)
async def delete_automations_owned_by(resource_id: str, db: Db) -> Response:
    """Remove the automations that belong to a resource."""
    await automations.delete_owned_by(db, resource_id)
    return Response(status_code=202)


@router.get("/automations/{id:uuid}", response_model=models.Automation)
async def read_automation(id: UUID, db: Db) -> JsonAnswer:
    """The automation with that id."""
    return JsonAnswer(models.Automation.of(await there(automations.read(db, id), _WHAT)))


@router.put("/automations/{id:uuid}", status_code=204)
async def replace_automation(id: UUID, body: models.AutomationUpdate, db: Db) -> Response:
    """Replace an automation's content."""
    await _check_runs(body, db)
    await there(automations.replace(db, id, body.facts()), _WHAT)
    return no_content()


@router.patch("/automations/{id:uuid}", status_code=204)
async def update_automation(id: UUID, body: models.AutomationPartialUpdate, db: Db) -> Response:
    """Switch an automation on or off."""
    if body.model_fields_set:
        await there(automations.enable(db, id, body.enabled), _WHAT)
    else:
        await there(automations.read(db, id), _WHAT)
    return no_content()


@router.delete("/automations/{id:uuid}", status_code=204)
async def delete_automation(id: UUID, db: Db) -> Response:
    """Remove an automation."""
    await there(automations.delete(db, id), _WHAT)
    return no_content()


@router.post("/templates/validate", status_code=204)
async def validate_template(body: Annotated[str, Body()] = "") -> Response:
    """Whether a text is a valid template: 204, or 422 with the line and what is wrong."""
    from jinja2 import TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if len(body) > LONGEST:
        told = {"line": 1, "message": f"it is longer than {LONGEST:,} characters", "source": body[:1000]}
        return JsonAnswer({"error": told}, 422)
    try:
        ImmutableSandboxedEnvironment(enable_async=False).parse(body)
    except TemplateSyntaxError as error:
        told = {"line": error.lineno, "message": error.message, "source": body}
        return JsonAnswer({"error": told}, 422)
    return no_content()


router.add_api_route(
    "/automations/templates/validate", validate_template, methods=["POST"], status_code=204, deprecated=True
)
