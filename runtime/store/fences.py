"""Conditions for writing a state on behalf of a run: the execution that it is about must not be over.

A pool that reports a dead process, or a clean-up that has read a state, looks first and writes later.
Meanwhile the run may have been taken over, resumed or ended elsewhere. So the writing transaction locks the
lease, like a journal's commit, and checks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import StaleState
from .database.database import Database
from .database.tables import flow_run, run_lease

AT_WORK = ("PENDING", "RUNNING", "CANCELLING")


@dataclass(frozen=True, slots=True)
class Fence:
    """What must hold when a state is written; unset fields are not checked.

    `owners`: one of them holds the run's lease (None: no owner does), with `epoch` if given. `is_unheld`:
    there is no living lease. `state_id`: the run is in that very state. `is_at_work`: the run neither waits
    nor is over. `releases`: writing the state also releases the lease.
    """

    owners: frozenset[UUID | None] = frozenset()
    epoch: int | None = None
    is_unheld: bool = False
    state_id: UUID | None = None
    is_at_work: bool = False
    releases: bool = False

    async def check(self, db: Database, connection: AsyncConnection, run_id: UUID) -> None:
        """Raise StaleState unless all holds; until the transaction ends it cannot change."""
        row = run_lease.c
        held = select(row.epoch, row.owner, (row.until <= db.now()).label("lapsed"))
        lease = (await connection.execute(held.where(row.run_id == run_id).with_for_update())).first()
        owner = None if lease is None else lease.owner
        if self.owners and (owner not in self.owners):
            raise _stale(run_id, "another process executes it now")
        if self.epoch is not None and (lease is None or lease.epoch != self.epoch):
            raise _stale(run_id, "it was taken over meanwhile")
        if self.is_unheld and lease is not None and owner is not None and not lease.lapsed:
            raise _stale(run_id, "a process executes it")
        if self.state_id is not None or self.is_at_work:
            state = select(flow_run.c.state_id, flow_run.c.state_type).where(flow_run.c.id == run_id)
            now = (await connection.execute(state.with_for_update())).first()
            changed = self.state_id is not None and (now is None or now.state_id != self.state_id)
            if changed or (self.is_at_work and (now is None or now.state_type not in AT_WORK)):
                raise _stale(run_id, "its state has changed meanwhile")
        if self.releases:
            free = update(run_lease).where(row.run_id == run_id).values(owner=None, until=db.now())
            await connection.execute(free)


def _stale(run_id: UUID, why: str) -> StaleState:
    return StaleState(
        f"flow run {run_id} is left as it is: {why}",
        hint="`heliostat flow-run inspect` shows its executor and its states",
    )
