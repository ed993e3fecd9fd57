"""Searching deployments by filters, sorted and by pages, and counting them."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import func, select

from .database.database import Database
from .database.tables import deployment
from .deployment_rows import DeploymentRow
from .deployments import selected, with_schedules
from .filter_conditions import FilterConditions
from .filters import Search

DeploymentSort = Literal["CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"]


async def deployments(
    db: Database, search: Search, *, sort: DeploymentSort = "NAME_ASC", limit: int = 200, offset: int = 0
) -> list[DeploymentRow]:
    """The deployments that match, with their schedules."""
    order: dict[str, Any] = {
        "CREATED_DESC": deployment.c.created.desc(),
        "UPDATED_DESC": deployment.c.updated.desc(),
        "NAME_ASC": deployment.c.name.asc(),
        "NAME_DESC": deployment.c.name.desc(),
    }
    statement = (
        selected(db)
        .where(*FilterConditions(db.is_sqlite).of_deployments(search))
        .order_by(order[sort], deployment.c.id)
        .limit(limit)
        .offset(min(offset, 2**63 - 1))
    )
    async with db.read() as connection:
        rows = (await connection.execute(statement)).mappings().all()
        return await with_schedules(db, connection, rows)


async def count(db: Database, search: Search) -> int:
    """How many deployments match."""
    conditions = FilterConditions(db.is_sqlite).of_deployments(search)
    async with db.read() as connection:
        found = await connection.scalar(select(func.count()).select_from(deployment).where(*conditions))
    return int(found or 0)
