"""Inputs of flow runs: texts that people and other runs send to a run, each under a key."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from ..foundation.errors import Duplicate, NotFound
from ..foundation.ids import uuid7
from .database.database import Database
from .database.rows import FlowRunInputRow
from .database.tables import flow_run, flow_run_input
from .database.wire_text import data_text, plain_text


async def create(db: Database, run_id: UUID, key: str, value: str, sender: str | None = None) -> None:
    """Send a text to a run. Raises NotFound (the run), Duplicate (it has an input with this key)."""
    try:
        async with db.write() as connection:
            if not await connection.scalar(select(flow_run.c.id).where(flow_run.c.id == run_id)):
                raise NotFound(f"there is no flow run {run_id}")
            await connection.execute(
                insert(flow_run_input).values(
                    id=uuid7(),
                    flow_run_id=run_id,
                    key=plain_text(key),
                    value=data_text(value, "value"),
                    sender=None if sender is None else plain_text(sender),
                    created=db.now(),
                    updated=db.now(),
                )
            )
    except IntegrityError as error:
        raise Duplicate(
            f"flow run {run_id} has an input {key!r} already", hint="delete it first, or use another key"
        ) from error


async def read(db: Database, run_id: UUID, key: str) -> FlowRunInputRow:
    """The input of a run under a key. Raises NotFound."""
    statement = select(flow_run_input).where(
        flow_run_input.c.flow_run_id == run_id, flow_run_input.c.key == plain_text(key)
    )
    async with db.read() as connection:
        row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise _missing(run_id, key)
    return FlowRunInputRow(**row)


async def find(
    db: Database, run_id: UUID, prefix: str, *, exclude_keys: list[str] | None = None, limit: int = 1
) -> list[FlowRunInputRow]:
    """Inputs whose keys begin with `prefix`, except `exclude_keys`, in the order of arrival."""
    statement = (
        select(flow_run_input)
        .where(
            flow_run_input.c.flow_run_id == run_id,
            flow_run_input.c.key.startswith(plain_text(prefix), autoescape=True),
            flow_run_input.c.key.not_in([plain_text(key) for key in exclude_keys or ()]),
        )
        .order_by(flow_run_input.c.created, flow_run_input.c.id)
        .limit(limit)
    )
    async with db.read() as connection:
        return [FlowRunInputRow(**row) for row in (await connection.execute(statement)).mappings()]


async def delete(db: Database, run_id: UUID, key: str) -> None:
    """Remove the input under a key. Raises NotFound."""
    statement = sql_delete(flow_run_input).where(
        flow_run_input.c.flow_run_id == run_id, flow_run_input.c.key == plain_text(key)
    )
    async with db.write() as connection:
        if not (await connection.execute(statement)).rowcount:
            raise _missing(run_id, key)


def _missing(run_id: UUID, key: str) -> NotFound:
    return NotFound(f"flow run {run_id} has no input {key!r}")
