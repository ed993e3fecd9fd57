"""Checks of a deployment and its runs against the schema of their parameters and the pool's template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from fastapi import HTTPException

from ..pools.job_variables import check_schema, variable_problems
from ..pools.templates import check_job_variables, merge_job_variables, read_job_template
from ..runtime.foundation.errors import BadJobTemplate, NotFound, ParameterMismatch
from ..runtime.store import block_documents, shared_limits, variables
from ..runtime.store.database.database import Database
from ..runtime.store.deployment_rows import DeploymentRow
from ..runtime.values import parameter_templates
from ..runtime.values.block_references import accepting_references, references_in
from ..runtime.values.block_schemas import reference_of
from .errors import conflicting
from .schemas_deployments import DeploymentCreate, DeploymentUpdate, ScheduleCreate, ScheduleUpdate

CODE_STEP = "heliostat.code_package"
"""The pull step that stands for a code package: `{CODE_STEP: {"revision": ...}}`."""


async def written_out(db: Database, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with their JSON texts, templates and variables replaced by values.

    Raises UnresolvedParameter.
    """
    names = set(parameter_templates.variable_names(parameters))
    return await parameter_templates.written(parameters, await variables.values(db, names))


def check_parameters(
    parameters: Mapping[str, Any], schema: Mapping[str, Any] | None, *, complete: bool
) -> None:
    """Check that parameters fit the schema; `complete` demands the required ones too.

    Raises ParameterMismatch with one line a parameter.
    """
    if schema is None:
        raise ParameterMismatch(
            "the deployment has no schema to check parameters by",
            hint="Deploy it with a schema, or with enforce_parameter_schema off.",
        )
    try:
        check_schema(schema, "parameter_openapi_schema")
        if next(references_in(parameters), None) is not None:
            schema = accepting_references(schema)
        problems = variable_problems(schema, parameters, complete=complete, noun="parameter")
    except BadJobTemplate as error:
        raise ParameterMismatch(str(error), hint=error.hint) from error
    except RecursionError as error:
        raise ParameterMismatch("parameter_openapi_schema refers to itself without end") from error
    if problems:
        mismatch = ParameterMismatch("parameters do not fit: " + "; ".join(problems))
        mismatch.parameters = tuple(line.partition(":")[0] for line in problems)
        raise mismatch


def check_schedules(
    deployment: DeploymentRow | DeploymentCreate,
    schedules: Sequence[ScheduleCreate | ScheduleUpdate],
    what: str,
) -> None:
    """Check parameters of schedules, if the deployment enforces its schema. Raises HTTPException (409)."""
    if deployment.enforce_parameter_schema:
        for each in schedules:
            if each.parameters:
                with conflicting(what):
                    check_parameters(each.parameters, deployment.parameter_openapi_schema, complete=False)


def check_variables(
    job_template: Mapping[str, Any], *layers: Mapping[str, Any] | None, complete: bool = False
) -> None:
    """Check that job variables, the last layer on top, fit a pool's template. Raises BadJobVariables.

    A template that is not valid (from before templates were checked) lets everything pass.
    """
    try:
        template = read_job_template(job_template)
    except BadJobTemplate:
        return
    if template.properties:
        check_job_variables(template, merge_job_variables(*layers), complete=complete)


async def check_defaults(db: Database, job_template: Mapping[str, Any]) -> None:
    """Check that the defaults of a new template fit its schema.

    Raises BadJobTemplate, BadJobVariables and HTTPException (404: a default refers to a missing block).
    """
    template = read_job_template(job_template)
    defaults = template.defaults()
    for name, value in list(defaults.items()):
        if isinstance(value, Mapping) and "$ref" in value:
            await _check_block(db, reference_of(value))
            del defaults[name]  # the block's content is checked when a run starts
    check_job_variables(template, defaults)


async def _check_block(db: Database, reference: str | None) -> None:
    try:
        if reference is not None:
            await block_documents.read(db, UUID(reference))
    except (NotFound, ValueError) as error:
        raise HTTPException(404, "Block not found.") from error


async def check_blocks(db: Database, body: DeploymentCreate | DeploymentUpdate, what: str) -> None:
    """Check that the blocks exist that hold a deployment's files and configure its processes.

    Raises HTTPException (409).
    """
    for kind, document_id in (
        ("infrastructure", body.infrastructure_document_id),
        ("storage", body.storage_document_id),
    ):
        try:
            if document_id is not None:
                await block_documents.read(db, document_id)
        except NotFound as error:
            raise HTTPException(
                409, f"{what}. Could not find {kind} block with id: {document_id}."
            ) from error


async def check_shared_limit(db: Database, limit_id: UUID | None) -> None:
    """Raise a 404 when the limit that is to be shared does not exist."""
    if limit_id is not None:
        try:
            await shared_limits.check(db, limit_id)
        except NotFound as error:
            raise HTTPException(404, "Concurrency limit not found") from error


def code_revision_of(pull_steps: Iterable[Mapping[str, Any]] | None) -> str | None:
    """The revision of the code package that the steps name; None when they name none."""
    for step in pull_steps or ():
        facts: Any = step.get(CODE_STEP)
        if isinstance(facts, Mapping):
            revision = cast("Mapping[str, Any]", facts).get("revision")
            return str(revision) if revision else None
    return None
