"""The running services of servers, by their heartbeats, and what schedules missed while none ran."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, type_coerce, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects import postgresql, sqlite

from ..records import Owner
from .database.database import Database
from .database.tables import deployment_schedule, service
from .database.types import Timestamp

BEAT_S = 10.0
SILENT_AFTER_S = 3 * BEAT_S  # after this time a service counts as gone
_FORGET_AFTER_S = 86_400.0


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service in a process. `running`: it has sent a heartbeat lately."""

    name: str
    host: str
    pid: int
    started: datetime
    last_beat: datetime
    running: bool


async def beat(db: Database, process: Owner, names: Sequence[str]) -> None:
    """Record that these services run in that process; removes those that have been gone for a day."""
    insert = sqlite.insert if db.is_sqlite else postgresql.insert
    async with db.write() as connection:
        for name in names:
            statement = insert(service).values(
                process_id=process.id,
                name=name,
                host=process.host,
                pid=process.pid,
                started=db.moment(process.process_started),
                last_beat=db.now(),
            )
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["process_id", "name"], set_={"last_beat": db.now()}
                )
            )
        old = service.c.last_beat <= db.from_now(-_FORGET_AFTER_S)
        # The latest stays: it tells how long there was no such service.
        youngest = service.alias("youngest")
        newer = select(func.max(youngest.c.last_beat)).where(youngest.c.name == service.c.name)
        await connection.execute(
            sql_delete(service).where(old, service.c.last_beat < newer.scalar_subquery())
        )


async def end(db: Database, process: Owner) -> None:
    """Record that the process's services have ended; they count as gone at once."""
    async with db.write() as connection:
        silent = db.from_now(-SILENT_AFTER_S)
        await connection.execute(
            update(service)
            .where(service.c.process_id == process.id, service.c.last_beat > silent)
            .values(last_beat=silent)
        )


async def list(db: Database) -> builtins.list[ServiceRow]:
    """The services with a heartbeat within a day, by name; the latest first."""
    running: ColumnElement[bool] = service.c.last_beat > db.from_now(-SILENT_AFTER_S)
    table = service.c
    statement = select(
        table.name, table.host, table.pid, table.started, table.last_beat, running.label("running")
    ).order_by(table.name, table.last_beat.desc())
    async with db.read() as connection:
        rows = (await connection.execute(statement)).mappings().all()
    return [
        ServiceRow(
            row["name"], row["host"], row["pid"], row["started"], row["last_beat"], bool(row["running"])
        )
        for row in rows
    ]


async def look_back(db: Database, name: str) -> datetime | None:
    """Before a scheduler's first heartbeat: let schedules that catch up be planned from where the last
    scheduler stopped. Returns the time since which no service of that name has run; None when one runs, or
    none ever did.
    """
    async with db.write() as connection:
        last: datetime | None = await connection.scalar(
            select(func.max(service.c.last_beat, type_=Timestamp())).where(service.c.name == name)
        )
        now = await connection.scalar(select(type_coerce(db.now(), Timestamp())))
        if last is None or now is None or (now - last).total_seconds() < SILENT_AFTER_S:
            return None
        table = deployment_schedule.c
        await connection.execute(
            update(deployment_schedule)
            .where(
                table.active,
                table.catchup.is_not(None),
                table.created < last,
                table.updated < last,  # an edited schedule has no slots before its edit
                or_(table.next_at > last, table.next_at.is_(None)),
            )
            .values(next_at=last, reserved_until=None)
        )
        return last
