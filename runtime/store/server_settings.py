"""Values that the server stores about itself, by name."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from .database.database import Database
from .database.setup_tables import server_setting

DATABASE_ID = "database_id"
RESULT_STORAGE = "default_result_storage_block_id"


async def read(db: Database, name: str) -> Any:
    """A value; None when it is not set."""
    async with db.read() as connection:
        return await connection.scalar(select(server_setting.c.value).where(server_setting.c.name == name))


async def write(db: Database, name: str, value: Any) -> None:
    """Set a value; None removes it."""
    async with db.write() as connection:
        if value is None:
            await connection.execute(delete(server_setting).where(server_setting.c.name == name))
            return
        new = (sqlite.insert if db.is_sqlite else postgresql.insert)(server_setting).values(
            name=name, value=value
        )
        await connection.execute(
            new.on_conflict_do_update(index_elements=["name"], set_={"value": new.excluded.value})
        )


async def database_id(db: Database) -> UUID:
    """The id of this database, whatever its address; created when it is first read."""
    known = await read(db, DATABASE_ID)
    if known is None:
        async with db.write() as connection:
            insert = sqlite.insert if db.is_sqlite else postgresql.insert
            new = insert(server_setting).values(name=DATABASE_ID, value=str(uuid4()))
            await connection.execute(new.on_conflict_do_nothing(index_elements=["name"]))
        known = await read(db, DATABASE_ID)
    return UUID(known)
