"""Beyond the standard: how the server is, its services and its database."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from ...actors.loops.names import LOOPS
from ...runtime.store import condition, services
from ...runtime.store.services import ServiceRow
from ..answers import JsonAnswer
from ..database_access import Db

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


@router.get("/condition", response_model=dict[str, Any])
async def read_condition(db: Db) -> JsonAnswer:
    """The database, and each service with the process that carries it out; null when none does."""
    rows = await services.list(db)
    told = [
        {"name": name, "does": does, "process": _process([row for row in rows if row.name == name])}
        for name, does in LOOPS.items()
    ]
    return JsonAnswer(
        {"version": version("heliostat"), "database": asdict(await condition.read(db)), "services": told}
    )


def _process(rows: list[ServiceRow]) -> dict[str, Any] | None:
    if not rows:
        return None
    return asdict(max(rows, key=lambda row: (row.running, row.last_beat)))
