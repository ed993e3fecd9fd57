"""Beyond the standard: log lines of all runs, searched, counted, followed and saved as text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import Field

from ...runtime.foundation import bounded_calls
from ...runtime.foundation.errors import BeyondBounds, CallFailed
from ...runtime.store import log_search, log_summary
from ...runtime.store.log_search import Line, LogQuery
from ...runtime.values.line_matching import found_by
from .. import wire
from ..answers import JsonAnswer
from ..database_access import Db
from ..schemas import Fields

router = APIRouter(prefix="/heliostat/logs", tags=["Heliostat"])

_AT_ONCE = 1_000
_PATIENTLY_S = 30.0  # a file is written in the background of the page


class Asked(Fields):
    query: LogQuery = LogQuery()


class SearchBody(Asked):
    order: Literal["newest", "oldest"] = "newest"
    limit: Annotated[int, Field(ge=1, le=_AT_ONCE)] = 200
    cursor: Annotated[str | None, Field(pattern=r"^\d{1,17}\.\d{1,18}$")] = None
    after_id: Annotated[int | None, Field(ge=0, le=2**62)] = None


class SummaryBody(Asked):
    parts: Annotated[int, Field(ge=1, le=500)] = 120


async def _found_by(pattern: str, lines: list[str]) -> list[int]:
    try:
        return await bounded_calls.call(found_by, pattern, lines)
    except BeyondBounds as error:
        raise HTTPException(422, f"The expression /{pattern}/ was given up: {error}.") from error
    except CallFailed as error:
        raise HTTPException(422, f"/{pattern}/ is no regular expression: {error}.") from error


@router.post("/search", response_model=dict[str, Any])
async def search_logs(body: SearchBody, db: Db) -> JsonAnswer:
    """One page of `lines`, with the names of their `runs` and `tasks`.

    `cursor` goes on; null: there is no more. `is_whole` is false when the time for one answer was over: what
    was not looked at yet follows the cursor. `after_id` asks instead for lines that were written after that
    one, the oldest first; `newest_id` is the number for the next time.
    """
    newest = await log_search.newest_id(db)
    if body.after_id is not None:
        lines = await log_search.newer_than(db, body.query, _found_by, body.after_id, body.limit)
        page = log_search.LinePage(lines, None, len(lines) < body.limit)
        newest = lines[-1].id if len(lines) == body.limit else newest
    else:
        page = await log_search.find(
            db,
            body.query,
            _found_by,
            newest_first=body.order == "newest",
            limit=body.limit,
            cursor=body.cursor,
        )
    told = await _told(db, page.lines)
    return JsonAnswer({**told, "cursor": page.cursor, "is_whole": page.is_whole, "newest_id": newest})


@router.post("/summary", response_model=dict[str, Any])
async def summarise_logs(body: SummaryBody, db: Db) -> JsonAnswer:
    """Lines by time and level, by flow, and those that are alike; expressions are not counted in."""
    return JsonAnswer(asdict(await log_summary.read(db, body.query, body.parts)))


@router.post("/download")
async def download_logs(body: SearchBody, db: Db) -> StreamingResponse:
    """All lines of the search as text."""

    async def lines() -> AsyncGenerator[str]:
        cursor, first = body.cursor, True
        while first or cursor is not None:
            page = await log_search.find(
                db,
                body.query,
                _found_by,
                newest_first=body.order == "newest",
                limit=_AT_ONCE,
                cursor=cursor,
                within_s=_PATIENTLY_S,
            )
            runs, tasks = await log_search.names_of(db, page.lines)
            yield "".join(_as_text(line, runs, tasks) for line in page.lines)
            cursor, first = page.cursor, False

    return StreamingResponse(
        lines(),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="heliostat.log"'},
    )


@router.get("/{line_id:int}/around", response_model=dict[str, Any])
async def read_around(line_id: int, db: Db, count: Annotated[int, Query(ge=0, le=100)] = 3) -> JsonAnswer:
    """A line with those of its run before and after it; `at` is its place among `lines`."""
    lines, at = await log_search.around(db, min(line_id, 2**62), count)
    if not lines:
        raise HTTPException(404, "Log line not found")
    return JsonAnswer({**await _told(db, lines), "at": at})


@router.get("/{line_id:int}/text", response_class=PlainTextResponse)
async def read_text(line_id: int, db: Db) -> PlainTextResponse:
    """The whole text of a line, however long."""
    text = await log_search.whole_message(db, min(line_id, 2**62))
    if text is None:
        raise HTTPException(404, "Log line not found")
    return PlainTextResponse(text)


async def _told(db: Db, lines: list[Line]) -> wire.Wire:
    runs, tasks = await log_search.names_of(db, lines)
    return {
        "lines": [asdict(line) for line in lines],
        "runs": {str(run_id): run for run_id, run in runs.items()},
        "tasks": {str(task_id): name for task_id, name in tasks.items()},
    }


def _as_text(line: Line, runs: dict[Any, Any], tasks: dict[Any, str]) -> str:
    level = next((word for word, (_, most) in log_search.LEVELS.items() if line.level <= most), "error")
    run = runs.get(line.flow_run_id, {}).get("name", line.flow_run_id)
    task = tasks.get(line.task_run_id, "")
    moment: datetime = line.timestamp
    return f"{moment.isoformat()} {level.upper():7} {run} {task} {line.message}\n"
