"""How often a run has lost its executor: counted in the database, whichever process notices a loss.

A pool or the reaper records a loss as a rule decision, a runner over the API in the message of a state. The
end of a run resets the count, so that a run that is retried by hand has all its attempts.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..records import Owner
from ..states import FINAL_STATES
from . import leases
from .database.database import Database
from .database.rows import Lease
from .database.tables import flow_run, flow_run_state, rule_decision, run_lease

RULE = "lapsed-lease"
"""The rule name under which losses are recorded."""

LOST = "The process of this run"
"""The beginning of state messages about a loss."""


async def count(db: Database, run_id: UUID) -> int:
    """How often the run has lost its executor since it last ended."""
    async with db.read() as connection:
        return await _count(connection, run_id)


async def take_over(
    db: Database, run_id: UUID, owner: Owner, lease_s: float, dead_epoch: int | None, reason: str
) -> tuple[Lease, int]:
    """Take the lease of a run whose executor, of `dead_epoch`, has died; returns it with the number of
    losses. A loss that is reported twice, because an answer was lost, is counted once. Raises LeaseHeld.
    """
    held = select(run_lease.c.epoch).where(run_lease.c.run_id == run_id).with_for_update()
    async with db.write() as connection:
        is_news = await connection.scalar(held) == dead_epoch
        lease = await leases.take_within(db, connection, run_id, owner, lease_s, dead_epoch=dead_epoch)
        if is_news:
            state = select(flow_run.c.state_type, flow_run.c.state_name).where(flow_run.c.id == run_id)
            now = (await connection.execute(state)).first()
            kind, name = ("RUNNING", "Running") if now is None else now
            noted = {
                "flow_run_id": run_id,
                "timestamp": clock.epoch_s(),
                "rule": RULE,
                "outcome": "ACCEPT",
                "reason": reason,
                "from_type": kind,
                "to_type": kind,
                "to_name": name,
            }
            await connection.execute(insert(rule_decision), noted)
        return lease, await _count(connection, run_id)


async def _count(connection: AsyncConnection, run_id: UUID) -> int:
    state, said = flow_run_state.c, rule_decision.c
    ended = await connection.scalar(
        select(func.max(state.timestamp)).where(state.flow_run_id == run_id, state.type.in_(FINAL_STATES))
    )

    def since(moment: ColumnElement[object]) -> list[ColumnElement[bool]]:
        return [] if ended is None else [moment > ended]

    # The decision that ended the run is written after its last state, and belongs to the attempt before.
    noted = select(func.count()).where(
        said.flow_run_id == run_id,
        said.rule == RULE,
        said.to_type.not_in(FINAL_STATES),
        *since(said.timestamp),
    )
    told = select(func.count()).where(
        state.flow_run_id == run_id,
        state.type == "SCHEDULED",
        state.message.like(f"{LOST}%"),
        *since(state.timestamp),
    )
    return (await connection.scalar(noted) or 0) + (await connection.scalar(told) or 0)
