"""Commands to processes that execute runs: the state that the API wrote is the command.

An executing process reads them when the topic `commands` is announced, and from time to time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import select

from ..states import FINAL_STATES, StateType
from .database.database import Database
from .database.tables import flow_run

CommandKind = Literal["cancel", "pause", "suspend", "stop"]

_ASKED = (StateType.CANCELLING, StateType.PAUSED, *sorted(FINAL_STATES))


@dataclass(frozen=True, slots=True)
class Command:
    """`cancel`: tear down, then write Cancelled. `pause`: start nothing until the run is RUNNING again.
    `suspend`: record what is done, release the lease and end. `stop`: the API gave the run a final state;
    tear down and write nothing.
    """

    run_id: UUID
    kind: CommandKind


async def pending(db: Database, run_ids: Sequence[UUID]) -> list[Command]:
    """The commands for the runs that should not just go on. They include runs that their own executor paused,
    suspended or ended, which it must ignore.
    """
    if not run_ids:
        return []
    statement = select(flow_run.c.id, flow_run.c.state_type, flow_run.c.state_name).where(
        flow_run.c.id.in_(run_ids), flow_run.c.state_type.in_(_ASKED)
    )
    async with db.read() as connection:
        rows = (await connection.execute(statement)).all()
    return [Command(run_id, _kind(StateType(state_type), name)) for run_id, state_type, name in rows]


def _kind(state_type: StateType, name: str) -> CommandKind:
    if state_type is StateType.CANCELLING:
        return "cancel"
    if state_type is StateType.PAUSED:
        return "suspend" if name == "Suspended" else "pause"
    return "stop"
