"""The decisions of rules about proposals, stored with the run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..rules.deciding import Verdict
from ..states import State
from .database.tables import rule_decision
from .database.wire_text import plain_text

_DECISION = insert(rule_decision)


def trail_of(
    flow_run_id: UUID, task_run_id: UUID | None, current: Any, proposed: State, verdict: Verdict
) -> list[dict[str, Any]]:
    """The rows of one proposal. `current` is the state before, or None."""
    at = clock.epoch_s()
    return [
        {
            "flow_run_id": flow_run_id,
            "task_run_id": task_run_id,
            "timestamp": at,
            "rule": rule,
            "outcome": outcome,
            "reason": plain_text(reason),
            "from_type": None if current is None else str(current.type),
            "to_type": proposed.type.value,
            "to_name": plain_text(proposed.name),
        }
        for rule, outcome, reason in verdict.trail
    ]


async def record_trail(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    """Store rows of `trail_of`."""
    if rows:
        await connection.execute(_DECISION, rows)
