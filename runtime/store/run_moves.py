"""Moving many runs that are not executing to one new state, with their history, by few statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..foundation.ids import uuid7
from ..states import FINAL_STATES, StateType
from .database.database import Database
from .database.types import to_micros


@dataclass(frozen=True, slots=True)
class Move:
    """The new state of one run; `due_at` for SCHEDULED, where it is also in the details."""

    run_id: UUID
    details: Mapping[str, Any]
    due_at: datetime | None = None


async def move_within(
    db: Database,
    connection: AsyncConnection,
    moves: list[Move],
    state_type: StateType,
    state_name: str,
    message: str | None = None,
) -> None:
    """Write one state for all runs of `moves`, which the transaction has locked. Neither the old nor the new
    state may be RUNNING: run count and run time are not changed.
    """
    if not moves:
        return
    facts: dict[str, Any] = {
        "type": state_type.value,
        "name": state_name,
        "message": message,
        "final": state_type in FINAL_STATES,
    }
    if db.is_sqlite:
        now = to_micros(clock.epoch_s())
        rows = [(move.run_id.hex, uuid7().hex, _text(move.details), _micros(move.due_at)) for move in moves]
        facts |= {"now": now, "moves": orjson.dumps(rows).decode()}
        await connection.execute(_UPDATE_SQLITE, facts)
        await connection.execute(_HISTORY_SQLITE, {name: facts[name] for name in _HISTORY_FACTS})
        return
    await connection.execute(
        _MOVE_POSTGRES,
        facts
        | {
            "runs": [move.run_id for move in moves],
            "states": [uuid7() for _ in moves],
            "details": [_text(move.details) for move in moves],
            "due": [move.due_at for move in moves],
        },
    )


def _text(details: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(details)).decode()


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment.timestamp())


# A run's state timestamps are unique and rise, even when clocks stand still or step back.
_MOVE_POSTGRES = text(
    """
    WITH move AS (
      SELECT * FROM unnest(CAST(:runs AS uuid[]), CAST(:states AS uuid[]), CAST(:details AS text[]),
        CAST(:due AS timestamptz[])) AS u(run_id, state_id, details, due)
    ), moved AS (
      UPDATE flow_run r SET version = r.version + 1, state_id = move.state_id, state_type = :type,
        state_name = :name,
        state_timestamp = greatest(clock_timestamp(), r.state_timestamp + interval '1 microsecond'),
        updated = clock_timestamp(), next_scheduled_start_time = move.due,
        start_time = CASE WHEN :final THEN coalesce(r.start_time, clock_timestamp()) ELSE r.start_time END,
        end_time = CASE WHEN :final THEN clock_timestamp() END,
        result_kind = NULL, result = NULL, error = NULL
      FROM move WHERE r.id = move.run_id
      RETURNING r.id, r.state_id, r.state_timestamp, move.details
    )
    INSERT INTO flow_run_state (id, flow_run_id, type, name, timestamp, message, details)
    SELECT state_id, id, :type, :name, state_timestamp, :message, CAST(details AS jsonb) FROM moved
    """
)
_MOVES_SQLITE = (
    "SELECT json_extract(value, '$[0]') AS run_id, json_extract(value, '$[1]') AS state_id, "
    "json_extract(value, '$[2]') AS details, json_extract(value, '$[3]') AS due FROM json_each(:moves)"
)
_UPDATE_SQLITE = text(
    f"""
    UPDATE flow_run SET version = version + 1, state_id = move.state_id, state_type = :type,
      state_name = :name,
      state_timestamp = max(:now, coalesce(state_timestamp + 1, 0)), updated = :now,
      next_scheduled_start_time = move.due,
      start_time = CASE WHEN :final THEN coalesce(start_time, :now) ELSE start_time END,
      end_time = CASE WHEN :final THEN :now END,
      result_kind = NULL, result = NULL, error = NULL
    FROM ({_MOVES_SQLITE}) AS move WHERE flow_run.id = move.run_id
    """
)
_HISTORY_SQLITE = text(
    f"""
    INSERT INTO flow_run_state (id, flow_run_id, type, name, timestamp, message, details)
    SELECT move.state_id, r.id, :type, :name, r.state_timestamp, :message, move.details
    FROM ({_MOVES_SQLITE}) AS move JOIN flow_run r ON r.id = move.run_id
    """
)
_HISTORY_FACTS = ("type", "name", "message", "moves")
