"""Beyond the standard: a run's tasks by call site and by cause of failure, and what is around one of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from ...runtime.store import run_parts
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


@router.get("/flow_runs/{id:uuid}/failures", response_model=list[dict[str, Any]])
async def read_failures(id: UUID, db: Db) -> JsonAnswer:
    """The failed task runs of a run by call site and cause, the most frequent first. Errors that differ in
    figures and ids alone have one cause. `ids` and `names` are the first of each.
    """
    kinds = await found(run_parts.failures(db, id), "Flow run")
    return JsonAnswer([asdict(each) for each in kinds])


@router.get("/flow_runs/{id:uuid}/groups", response_model=list[dict[str, Any]])
async def read_groups(id: UUID, db: Db) -> JsonAnswer:
    """The task runs of a run by call site: counts by state, seconds in all and of the slowest, start, end."""
    groups = await found(run_parts.groups(db, id), "Flow run")
    return JsonAnswer([asdict(each) for each in groups])


@router.get("/task_runs/{id:uuid}/surroundings", response_model=dict[str, Any])
async def read_surroundings(id: UUID, db: Db) -> JsonAnswer:
    """What is around a task run: the task runs that its item came from (`before`) and goes to (`after`), the
    calls at the same place (`siblings`: id, index, state type and name, seconds), and the task runs whose
    values its `inputs` are.
    """
    around = await found(run_parts.surroundings(db, id), "Task run")
    columns = [
        [each.id, each.index, each.state_type, each.state_name, each.seconds] for each in around.siblings
    ]
    return JsonAnswer({**asdict(around), "siblings": columns})
