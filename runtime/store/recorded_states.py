"""States of runs in their recorded form."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..records import FlowRunTransition
from ..states import NO_VALUE, State
from .database.rows import FlowRunStateRow
from .database.tables import flow_run_state
from .database.wire_text import json_value, plain_text

_STATE = select(flow_run_state).where(flow_run_state.c.id == bindparam("state"))


def transition_of(state: State) -> FlowRunTransition:
    """A state as a record of the journal."""
    details = {name: value for name, value in state.details.items() if value is not None}
    return FlowRunTransition(
        state.id,
        state.type.value,
        plain_text(state.name),
        state.timestamp.timestamp(),
        state.message,
        json_value(details),
    )


def data_of(state: State) -> Any:
    """A client's description of a result, as JSON."""
    return None if state.data is NO_VALUE else json_value(state.data)


def kept_data(state: State) -> Any:
    """The part of a client's description of a result that is recorded; None for no result."""
    data = data_of(state)
    return data if is_persisted(data) or not isinstance(data, dict) else None


def is_persisted(data: Any) -> bool:
    """Whether a client's description of a result names a stored one."""
    return isinstance(data, dict) and cast("dict[str, Any]", data).get("type") != "unpersisted"


async def read_state_within(connection: AsyncConnection, state_id: UUID | None) -> FlowRunStateRow | None:
    """One entry of a run's history, within a transaction."""
    if state_id is None:
        return None
    row = (await connection.execute(_STATE, {"state": state_id})).mappings().first()
    return None if row is None else FlowRunStateRow(**row)
