"""Deployments and their schedules as the standard API's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from ..runtime.store.deployment_rows import DeploymentRow, ScheduleRow
from .wire import Wire

_DEFINITIONS: Mapping[str, Mapping[str, Any]] = {
    "cron": {"timezone": None, "day_or": True},
    "interval": {"anchor_date": None, "timezone": None},
    "rrule": {"timezone": "UTC"},
}


def deployment(row: DeploymentRow) -> Wire:
    """DeploymentResponse."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "version": row.version,
        "description": row.description,
        "flow_id": row.flow_id,
        "paused": row.paused,
        "paused_by": row.paused_by,
        "schedules": [schedule(each) for each in row.schedules],
        "concurrency_limit": None,
        "global_concurrency_limit": _shared_limit(row) or _own_limit(row),
        "concurrency_options": _options(row),
        "job_variables": row.job_variables,
        "parameters": row.parameters,
        "tags": row.tags,
        "labels": row.labels,
        "work_queue_name": row.work_queue_name,
        "work_queue_id": row.work_queue_id,
        "last_polled": row.last_polled,
        "parameter_openapi_schema": row.parameter_openapi_schema,
        "path": row.path,
        "pull_steps": row.pull_steps,
        "entrypoint": row.entrypoint,
        "storage_document_id": row.storage_document_id,
        "infrastructure_document_id": row.infrastructure_document_id,
        "created_by": row.created_by,
        "updated_by": row.updated_by,
        "work_pool_name": row.work_pool_name,
        "status": row.status,
        "enforce_parameter_schema": row.enforce_parameter_schema,
    }


def schedule(row: ScheduleRow) -> Wire:
    """DeploymentSchedule."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "deployment_id": row.deployment_id,
        "schedule": _definition(row),
        "active": row.active,
        "max_scheduled_runs": row.max_scheduled_runs,
        "parameters": row.parameters,
        "slug": row.slug,
        "created_by": row.created_by,
        "updated_by": row.updated_by,
    }


def _definition(row: ScheduleRow) -> Wire:
    """The schedule's definition with every field of its kind."""
    kind = next((each for each in _DEFINITIONS if each in row.definition), None)
    filled: Wire = {**(_DEFINITIONS[kind] if kind else {}), **row.definition}
    if kind == "interval" and filled["anchor_date"] is None:
        filled["anchor_date"] = row.created
    return filled


def own_limit_id(deployment_id: UUID) -> UUID:
    """The id under which a deployment's own limit is shown."""
    return uuid5(deployment_id, "concurrency limit")


def _own_limit(row: DeploymentRow) -> Wire | None:
    """GlobalConcurrencyLimitResponse: the deployment's own limit in the form of a global one."""
    if row.concurrency_limit is None:
        return None
    return {
        "id": own_limit_id(row.id),
        "created": row.created,
        "updated": row.updated,
        "active": True,
        "name": f"deployment:{row.id}",
        "limit": row.concurrency_limit,
        "active_slots": row.active_slots or 0,
        "slot_decay_per_second": 0.0,
    }


def _shared_limit(row: DeploymentRow) -> Wire | None:
    """GlobalConcurrencyLimitResponse: the limit that the deployment shares with others."""
    limit = row.shared_limit
    if limit is None:
        return None
    return {
        "id": limit.id,
        "created": limit.created,
        "updated": limit.updated,
        "active": limit.active,
        "name": limit.name,
        "limit": limit.limit,
        "active_slots": int(limit.active_slots),
        "slot_decay_per_second": limit.slot_decay_per_second,
    }


def _options(row: DeploymentRow) -> Wire | None:
    options = row.concurrency_options
    return None if options is None else {"grace_period_seconds": None, **options}
