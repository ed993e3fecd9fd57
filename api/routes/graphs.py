"""A flow run's graph, and its log as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from ...runtime.store import logs, run_graph, search
from ...runtime.store.database.database import Database
from ...runtime.store.filters import FlowRunOfTask, Search, TaskRunFilter
from .. import graph
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found, there
from ..models import ui as models
from ..responses import DependencyResult
from ..schemas import Moment

router = APIRouter(prefix="/flow_runs", tags=["Flow Runs"])

_BATCH = 1_000  # log lines in memory at once


@router.get("/{id:uuid}/graph-v2", response_model=models.Graph)
async def read_graph(id: UUID, db: Db, since: Moment | None = None) -> JsonAnswer:
    """The run's task and sub-flow runs with what they wait for: 400 when there are more than 10,000."""
    return JsonAnswer(graph.graph(await there(run_graph.read(db, id, since), "Flow run")))


@router.get("/{id:uuid}/graph", response_model=list[DependencyResult])
async def read_dependencies(id: UUID, db: Db) -> JsonAnswer:
    """The run's task runs, each with the task runs that it depends on."""
    await there(search.one_flow_run(db, id), "Flow run")
    asked = Search(task_runs=TaskRunFilter(flow_run_id=FlowRunOfTask(any_=[id])))
    rows = await search.task_runs(db, asked, limit=run_graph.MOST_NODES)
    return JsonAnswer(graph.dependencies(rows))


@router.get("/{id:uuid}/logs/download", response_class=StreamingResponse)
async def download_logs(id: UUID, db: Db) -> StreamingResponse:
    """All log lines of a flow run and its task runs as a CSV file."""
    run = (await found(search.one_flow_run(db, id), "Flow run")).run
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in run.name)
    headers = {"Content-Disposition": f"attachment; filename={name}-logs.csv"}
    return StreamingResponse(_lines(db, id), media_type="text/csv", headers=headers)


async def _lines(db: Database, flow_run_id: UUID) -> AsyncIterator[str]:
    yield _csv([["timestamp", "level", "flow_run_id", "task_run_id", "message"]])
    after: int | None = None
    while True:
        rows = await logs.read(db, flow_run_id=flow_run_id, after_id=after, limit=_BATCH)
        if not rows:
            return
        after = rows[-1].id
        yield _csv(
            [
                [
                    row.timestamp.isoformat(),
                    str(row.level),
                    str(row.flow_run_id),
                    str(row.task_run_id or ""),
                    row.message,
                ]
                for row in rows
            ]
        )


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
