"""The one open database of an API process, and how routes get it."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

from fastapi import Depends, Request

from ..pools.default_pool import ensure_default_pool
from ..runtime.foundation.errors import DatabaseUnavailable
from ..runtime.store.database.database import Database
from .system_blocks import ensure_system_blocks

_log = logging.getLogger("heliostat.api")

_RETRY_S = 1.0


class DatabaseAccess:
    """Opens the database and keeps trying while it is away: the API answers (503) in the meantime."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._database: Database | None = None
        self._failure = DatabaseUnavailable("the database is not open yet", hint="try again in a moment")
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the database. Raises BadSetting and SchemaTooNew, which trying again does not mend."""
        try:
            self._database = await self._opened()
        except DatabaseUnavailable as error:
            _log.warning("%s; still trying", error)
            self._failure = error
            self._opening = asyncio.create_task(self._keep_trying(), name="opening the database")

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._database is not None:
            await self._database.close()
            self._database = None

    def database(self) -> Database:
        """The open database. Raises DatabaseUnavailable until it has been reached."""
        if self._database is None:
            raise self._failure
        return self._database

    async def _opened(self) -> Database:
        """Open the database and make the pool and the block types that clients count on."""
        database = await Database.open(self._url)
        try:
            await ensure_default_pool(database)
            await ensure_system_blocks(database)
        except BaseException:
            await database.close()
            raise
        return database

    async def _keep_trying(self) -> None:
        while self._database is None:
            await asyncio.sleep(_RETRY_S)
            try:
                self._database = await self._opened()
            except DatabaseUnavailable as error:
                self._failure = error
            except Exception:
                _log.exception("the database cannot be opened")
                return
        _log.warning("the database answers")


async def database_of(request: Request) -> Database:
    """The open database, for routes. Asynchronous, since FastAPI would run a plain function in a thread."""
    access: DatabaseAccess = request.app.state.database_access
    return access.database()


Db = Annotated[Database, Depends(database_of)]
