"""Which versions of its code a flow or a deployment ran, as its runs recorded them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from .database.database import Database
from .database.tables import flow_run

_RUNS_READ = 2_000  # the newest ones
_MOST = 50


@dataclass(frozen=True, slots=True)
class VersionThatRan:
    """Runs of one version of the code: how many, how many failed, and when the first and the last began."""

    version: str | None  # as the deployment, or else the flow, names it
    code_revision: str | None  # of the code package, where the code came as one
    runs: int
    failed: int
    first: datetime
    last: datetime


async def of(
    db: Database, *, flow_id: UUID | None = None, deployment_id: UUID | None = None
) -> list[VersionThatRan]:
    """The versions among the newest runs of a flow or a deployment that began, the newest first."""
    columns = flow_run.c
    own = columns.flow_id == flow_id if deployment_id is None else columns.deployment_id == deployment_id
    newest = (
        select(
            func.coalesce(columns.deployment_version, columns.flow_version).label("version"),
            columns.code_revision,
            columns.state_type,
            columns.start_time,
        )
        .where(own, columns.start_time.is_not(None))
        .order_by(columns.expected_start_time.desc())
        .limit(_RUNS_READ)
        .subquery()
    )
    some = newest.c
    statement = (
        select(
            some.version,
            some.code_revision,
            func.count(),
            func.count().filter(some.state_type.in_(("FAILED", "CRASHED"))),
            func.min(some.start_time),
            func.max(some.start_time),
        )
        .group_by(some.version, some.code_revision)
        .order_by(func.max(some.start_time).desc())
        .limit(_MOST)
    )
    async with db.read() as connection:
        return [VersionThatRan(*row) for row in await connection.execute(statement)]
