"""Task workers: processes that are connected and wait for background tasks."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from ...runtime.store import background_runs
from ..answers import JsonAnswer
from ..database_access import Db
from ..schemas import Fields

router = APIRouter(prefix="/task_workers", tags=["Task Workers"])


class TaskWorkerFilter(BaseModel):
    task_keys: list[str]


class TaskWorkerSearch(Fields):
    task_worker_filter: TaskWorkerFilter | None = None


class TaskWorker(BaseModel):
    identifier: str
    task_keys: list[str]
    timestamp: datetime


@router.post("/filter", response_model=list[TaskWorker])
async def filter_task_workers(db: Db, body: TaskWorkerSearch | None = None) -> JsonAnswer:
    """Task workers that are connected; when the body names tasks, those that serve one of them."""
    asked = body.task_worker_filter if body else None
    rows = await background_runs.workers(db, asked.task_keys if asked else None)
    shown = [
        {"identifier": row.client_id, "task_keys": row.task_keys, "timestamp": row.last_seen} for row in rows
    ]
    return JsonAnswer(shown)
