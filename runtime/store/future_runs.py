"""Removing runs that were made ahead and have not started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.database import Database
from .database.tables import (
    deployment,
    flow_run,
    flow_run_input,
    flow_run_state,
    log,
    rule_decision,
    run_lease,
)

AWAITING_SLOT = "AwaitingConcurrencySlot"  # was refused a slot and waits for one


def untouched() -> list[ColumnElement[bool]]:
    """Conditions on `flow_run`: it is unchanged since its schedule made it, and was not claimed or moved."""
    own_time = flow_run.c.next_scheduled_start_time == flow_run.c.slot_at
    return [
        flow_run.c.auto_scheduled,
        flow_run.c.state_type == "SCHEDULED",
        flow_run.c.state_name.in_(("Scheduled", "Late")),
        flow_run.c.run_count == 0,
        or_(flow_run.c.slot_at.is_(None), own_time),
    ]


def made_ahead(db: Database) -> list[ColumnElement[bool]]:
    """Conditions on `flow_run`: untouched, and not due yet. Edits remove only such runs."""
    return [*untouched(), flow_run.c.next_scheduled_start_time > db.now()]


def orphaned() -> ColumnElement[bool]:
    """Whether a run's deployment was removed, so that it must not be started."""
    there = exists(select(deployment.c.id).where(deployment.c.id == flow_run.c.deployment_id))
    return flow_run.c.deployment_id.is_not(None) & ~there


async def remove_within(connection: AsyncConnection, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Delete the matching runs with their records; returns their number. A run that is being claimed is
    waited for, and stays if the claim succeeds.
    """
    # Locked first: on Postgres a DELETE alone would not see a state changed by a concurrent claim before it #
    # deletes the run's other records.
    doomed = list(await connection.scalars(select(flow_run.c.id).where(*conditions).with_for_update()))
    for some in _slices(doomed, 500):
        hanging: tuple[ColumnElement[Any], ...] = (
            flow_run_state.c.flow_run_id,
            flow_run_input.c.flow_run_id,
            rule_decision.c.flow_run_id,
            log.c.flow_run_id,
            run_lease.c.run_id,
            flow_run.c.id,
        )
        for column in hanging:
            await connection.execute(sql_delete(column.table).where(column.in_(some)))  # type: ignore[attr-defined]
    return len(doomed)


def _slices(items: list[UUID], size: int) -> list[list[UUID]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
