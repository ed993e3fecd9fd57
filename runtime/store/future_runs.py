"""Taking back runs that were made ahead and have not started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import flow_run, flow_run_input, flow_run_state, log, rule_decision, run_lease

AWAITING_SLOT = "AwaitingConcurrencySlot"  # had its turn and waits for a place: spared


def unstarted() -> list[ColumnElement[bool]]:
    """Conditions on `flow_run`: a schedule made it, and nobody has taken it yet."""
    return [
        flow_run.c.auto_scheduled,
        flow_run.c.state_type == "SCHEDULED",
        flow_run.c.state_name != AWAITING_SLOT,
        flow_run.c.run_count == 0,
    ]


async def remove_within(connection: AsyncConnection, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Delete the runs that fit, with what was recorded of them. Gives their number.

    A run that is being claimed at this moment is waited for, and stays if the claim got it.
    """
    # Locked first: a DELETE alone would, on Postgres, not look again at the state that a claim has changed
    # before it deletes what hangs on the run.
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
