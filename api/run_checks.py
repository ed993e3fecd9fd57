"""What would become of a run of a deployment: its mistakes field by field, and what it would wait for.

Nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from ..pools.job_variables import check_schema, schema_errors
from ..pools.templates import merge_job_variables, read_job_template
from ..runtime.foundation.errors import BadJobTemplate, UnresolvedParameter
from ..runtime.store import run_outlook
from ..runtime.store.database.database import Database
from ..runtime.store.deployment_rows import RunnableDeployment
from ..runtime.values.block_references import accepting_references, references_in
from .deployment_checks import written_out
from .errors import with_hint
from .schemas_deployments import DeploymentRunCreate

Problem = dict[str, Any]


async def check_run(db: Database, runnable: RunnableDeployment, given: Mapping[str, Any]) -> dict[str, Any]:
    """`problems`: each with its `path` in the request and `text`. `outlook` is None when the request cannot
    be read.
    """
    try:
        asked = DeploymentRunCreate.model_validate(given)
    except ValidationError as error:
        found = [{"path": list(each["loc"]), "text": each["msg"]} for each in error.errors()]
        return {"problems": found, "outlook": None}
    problems = [
        *await _parameters(db, runnable, asked),
        *_job_variables(runnable, asked),
        *_queue(runnable, asked),
    ]
    state = asked.state.as_state() if asked.state else None
    outlook = await run_outlook.read(
        db,
        runnable.deployment,
        queue_name=asked.work_queue_name,
        due_at=None if state is None else state.details.get("scheduled_time"),
        idempotency_key=asked.idempotency_key,
    )
    return {"problems": problems, "outlook": asdict(outlook)}


async def _parameters(
    db: Database, runnable: RunnableDeployment, asked: DeploymentRunCreate
) -> list[Problem]:
    deployment = runnable.deployment
    try:
        values = await written_out(db, {**deployment.parameters, **asked.parameters})
    except UnresolvedParameter as error:
        return [{"path": ["parameters"], "text": with_hint(error)}]
    enforced = asked.enforce_parameter_schema
    schema = deployment.parameter_openapi_schema
    if schema is None or not (deployment.enforce_parameter_schema if enforced is None else enforced):
        return []
    if next(references_in(values), None) is not None:
        schema = accepting_references(schema)
    return _told(schema, values, "parameters", "parameter")


def _job_variables(runnable: RunnableDeployment, asked: DeploymentRunCreate) -> list[Problem]:
    if runnable.job_template is None:
        return []
    try:
        template = read_job_template(runnable.job_template)
    except BadJobTemplate:
        return []
    if not template.properties:
        return []
    given = merge_job_variables(template.defaults(), runnable.deployment.job_variables, asked.job_variables)
    values = {name: each for name, each in given.items() if next(references_in(each), None) is None}
    present = set(given) - set(values)
    schema = dict(template.variables)
    schema["required"] = [name for name in schema.get("required") or () if name not in present]
    return _told(schema, values, "job_variables", "job variable")


def _queue(runnable: RunnableDeployment, asked: DeploymentRunCreate) -> list[Problem]:
    if asked.work_queue_name is None or runnable.job_template is not None:
        return []
    text = "The deployment has no work pool, so there are no queues for its runs."
    return [{"path": ["work_queue_name"], "text": text}]


def _told(schema: Mapping[str, Any], values: Mapping[str, Any], place: str, noun: str) -> list[Problem]:
    try:
        check_schema(schema, place)
        errors = schema_errors(schema, _without_nothing(schema, values))
    except (BadJobTemplate, RecursionError) as error:
        return [{"path": [place], "text": str(error)}]
    return [{"path": [place, *path], "text": _said(path, text, noun)} for path, text in errors]


def _without_nothing(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A null counts as missing unless the schema requires the value: so does the check of a real run."""
    needed: Any = schema.get("required") or ()
    known: Any = schema.get("properties") or {}
    return {
        name: each for name, each in values.items() if each is not None or name in needed or name not in known
    }


def _said(path: Sequence[str | int], text: str, noun: str) -> str:
    if path and text == f"{path[-1]!r} is a required property":
        return "A value is required."
    return text if path else f"{text} ({noun}s)"
