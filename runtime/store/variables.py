"""Variables: named JSON values that flows and people read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import Duplicate, NotFound
from ..foundation.ids import uuid7
from .database.database import Database
from .database.setup_tables import variable
from .database.wire_text import data_value, json_value, plain_text
from .lifecycle_events import Action, tell_within
from .setup_filters import SetupConditions, VariableFilter

VariableSort = Literal["CREATED_DESC", "UPDATED_DESC", "NAME_DESC", "NAME_ASC"]


@dataclass(frozen=True, slots=True)
class VariableRow:
    """A variable."""

    id: UUID
    name: str
    value: Any
    tags: list[str]
    created: datetime
    updated: datetime


async def create(db: Database, name: str, value: Any, tags: Sequence[str] = ()) -> VariableRow:
    """Make a variable. Raises Duplicate."""
    variable_id = uuid7()
    try:
        async with db.write() as connection:
            await connection.execute(
                insert(variable).values(
                    id=variable_id,
                    name=plain_text(name),
                    value=data_value(value, "value"),
                    tags=[plain_text(tag) for tag in tags],
                    created=db.now(),
                    updated=db.now(),
                )
            )
            await _tell(connection, "created", variable.c.id == variable_id)
    except IntegrityError as error:
        raise Duplicate(
            f"there is a variable {name!r} already", hint="change it, or choose another name"
        ) from error
    return await read(db, variable_id)


async def read(db: Database, reference: UUID | str) -> VariableRow:
    """The variable of that id or name. Raises NotFound."""
    async with db.read() as connection:
        found = (await connection.execute(select(variable).where(_same_as(reference)))).mappings().first()
    if found is None:
        raise _missing(reference)
    return VariableRow(**found)


async def values(db: Database, names: Collection[str]) -> dict[str, Any]:
    """The values of the existing ones of these variables, by name."""
    wanted = [plain_text(name) for name in names]
    if not wanted:
        return {}
    async with db.read() as connection:
        rows = await connection.execute(
            select(variable.c.name, variable.c.value).where(variable.c.name.in_(wanted))
        )
        return {row[0]: row[1] for row in rows}


async def find(
    db: Database,
    asked: VariableFilter | None = None,
    *,
    sort: VariableSort = "NAME_ASC",
    limit: int = 200,
    offset: int = 0,
) -> list[VariableRow]:
    """The variables that match."""
    orders: dict[str, ColumnElement[Any]] = {
        "CREATED_DESC": variable.c.created.desc(),
        "UPDATED_DESC": variable.c.updated.desc(),
        "NAME_DESC": variable.c.name.desc(),
        "NAME_ASC": variable.c.name.asc(),
    }
    statement = (
        select(variable)
        .where(*SetupConditions(db.is_sqlite).of_variables(asked))
        .order_by(orders[sort], variable.c.id)
        .limit(limit)
        .offset(min(offset, 2**63 - 1))
    )
    async with db.read() as connection:
        return [VariableRow(**row) for row in (await connection.execute(statement)).mappings()]


async def count(db: Database, asked: VariableFilter | None = None) -> int:
    """How many variables match."""
    conditions = SetupConditions(db.is_sqlite).of_variables(asked)
    async with db.read() as connection:
        statement = select(func.count()).select_from(variable).where(*conditions)
        return int(await connection.scalar(statement) or 0)


async def change(db: Database, reference: UUID | str, changes: Mapping[str, Any]) -> None:
    """Set any of name, value, tags. Raises NotFound, Duplicate."""
    values = {
        name: data_value(value, name) if name == "value" else json_value(value)
        for name, value in changes.items()
    }
    try:
        async with db.write() as connection:
            statement = update(variable).where(_same_as(reference)).values(**values, updated=db.now())
            if not (await connection.execute(statement)).rowcount:
                raise _missing(reference)
            await _tell(connection, "updated", _same_as(changes.get("name", reference)))
    except IntegrityError as error:
        raise Duplicate(f"there is a variable {changes['name']!r} already") from error


async def delete(db: Database, reference: UUID | str) -> None:
    """Remove a variable. Raises NotFound."""
    async with db.write() as connection:
        await _tell(connection, "deleted", _same_as(reference))
        if not (await connection.execute(sql_delete(variable).where(_same_as(reference)))).rowcount:
            raise _missing(reference)


async def _tell(connection: AsyncConnection, action: Action, condition: ColumnElement[bool]) -> None:
    row = (await connection.execute(select(variable).where(condition))).first()
    if row is not None:
        facts = {"name": row.name, "value": row.value, "tags": row.tags}
        await tell_within(connection, "variable", action, row.id, row.name, facts)


def _same_as(reference: UUID | str) -> ColumnElement[bool]:
    if isinstance(reference, UUID):
        return variable.c.id == reference
    return variable.c.name == plain_text(reference)


def _missing(reference: object) -> NotFound:
    return NotFound(f"there is no variable {str(reference)!r}")
