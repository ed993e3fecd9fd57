"""Removing a flow with all its deployments and runs."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from sqlalchemy import delete, select

from ..foundation.errors import NotFound
from . import deployments, flow_runs, flows
from .database.database import Database
from .database.tables import deployment, flow, flow_run


async def remove(db: Database, flow_id: UUID) -> int:
    """Remove a flow with its deployments and all its runs; returns the number of runs. Raises NotFound."""
    gone = await flows.read(db, flow_id)
    async with db.read() as connection:
        of_flow = await connection.scalars(select(deployment.c.id).where(deployment.c.flow_id == flow_id))
        deployment_ids = list(of_flow)
    for deployment_id in deployment_ids:  # they go first: their schedules would make more runs
        with suppress(NotFound):
            await deployments.delete(db, deployment_id)
    removed = 0
    while True:
        async with db.read() as connection:
            statement = select(flow_run.c.id).where(flow_run.c.flow_id == flow_id).limit(100)
            some = list(await connection.scalars(statement))
        if not some:
            break
        for run_id in some:
            with suppress(NotFound):  # a sub-flow run of the same flow has gone with its parent
                removed += await flow_runs.delete(db, run_id)
    async with db.write() as connection:
        if (await connection.execute(delete(flow).where(flow.c.id == flow_id))).rowcount:
            await flows.tell_change_within(connection, "deleted", gone)
    return removed
