"""Log lines."""

from __future__ import annotations

from fastapi import APIRouter

from ...runtime.records import LogLine
from ...runtime.store import logs, search
from .. import responses, wire
from ..answers import JsonAnswer
from ..database_access import Db
from ..schemas import LogCreate, LogPage

router = APIRouter(prefix="/logs", tags=["Logs"])


@router.post("/", status_code=201)
async def create_logs(body: list[LogCreate], db: Db) -> JsonAnswer:
    """Record log lines; lines of unknown runs are kept too."""
    lines = [
        (
            each.flow_run_id,
            LogLine(each.timestamp.timestamp(), each.level, each.name, each.message, each.task_run_id),
        )
        for each in body
    ]
    await logs.create(db, lines)
    return JsonAnswer(None, 201)


@router.post("/filter", response_model=list[responses.Log])
async def filter_logs(db: Db, body: LogPage | None = None) -> JsonAnswer:
    """Log lines that match the filter."""
    body = body or LogPage()
    rows = await search.logs(db, body.logs, sort=body.sort, limit=body.limit, offset=body.offset)
    return JsonAnswer([wire.log(row) for row in rows])
