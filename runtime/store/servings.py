"""The processes that serve a deployment: it is paused when the last one ends, and resumed when one starts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from ..foundation.authorship import SERVE, Author, author
from ..records import Owner
from .database.database import Database
from .database.tables import deployment, deployment_serving
from .deployments import change_within


class Server(NamedTuple):
    """A process that serves a deployment."""

    process_id: UUID
    host: str
    pid: int
    process_started: float


async def hold(db: Database, owner: Owner, deployment_ids: Collection[UUID], lease_s: float) -> list[UUID]:
    """Record for `lease_s` seconds that a process serves these; returns those that a person paused.
    Deployments that a serving process paused at its end are resumed; so are those paused without a recorded
    author.
    """
    insert = sqlite.insert if db.is_sqlite else postgresql.insert
    paused: list[UUID] = []
    async with db.write() as connection:
        for deployment_id in sorted(deployment_ids):
            statement = select(deployment.c.paused, deployment.c.paused_by).where(
                deployment.c.id == deployment_id
            )
            found = (await connection.execute(statement.with_for_update(key_share=True))).first()
            if found is None:
                continue
            holding = insert(deployment_serving).values(
                deployment_id=deployment_id,
                process_id=owner.id,
                host=owner.host,
                pid=owner.pid,
                process_started=owner.process_started,
                until=db.from_now(lease_s),
            )
            await connection.execute(
                holding.on_conflict_do_update(
                    index_elements=["deployment_id", "process_id"], set_={"until": db.from_now(lease_s)}
                )
            )
            if found.paused and found.paused_by is not None and found.paused_by.get("type") != SERVE:
                paused.append(deployment_id)
            elif found.paused:
                await change_within(db, connection, deployment_id, {"paused": False})
    return paused


async def others(db: Database, process_id: UUID, deployment_ids: Collection[UUID]) -> list[Server]:
    """The other processes that serve any of the deployments and whose lease has not ended."""
    table = deployment_serving.c
    statement = select(table.process_id, table.host, table.pid, table.process_started).distinct()
    living = statement.where(
        table.deployment_id.in_(deployment_ids), table.process_id != process_id, table.until > db.now()
    )
    async with db.read() as connection:
        return [Server(*row) for row in await connection.execute(living)]


async def end(
    db: Database,
    process_id: UUID,
    deployment_ids: Collection[UUID],
    *,
    gone: Sequence[UUID] = (),
    pause: bool = True,
    by: Author | None = None,
) -> list[UUID]:
    """Record that a process no longer serves these, and that those in `gone` have died; pauses and returns
    the deployments that no process serves.
    """
    table = deployment_serving.c
    paused: list[UUID] = []
    async with db.write() as connection:
        for deployment_id in sorted(deployment_ids):
            locked = select(deployment.c.paused).where(deployment.c.id == deployment_id)
            found = (await connection.execute(locked.with_for_update(key_share=True))).first()
            of_it = table.deployment_id == deployment_id
            ended = table.process_id.in_([process_id, *gone]) | (table.until <= db.now())
            await connection.execute(delete(deployment_serving).where(of_it, ended))
            if found is None or not pause:
                continue
            if await connection.scalar(select(table.process_id).where(of_it).limit(1)) is not None:
                continue
            if not found.paused:
                who = {"paused": True, "updated_by": by or author(SERVE)}
                await change_within(db, connection, deployment_id, who)
            paused.append(deployment_id)
    return paused
