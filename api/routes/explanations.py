"""Beyond the standard: why a run waits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from ...runtime.store import explaining
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found
from ..executors import executor_note

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


@router.get("/flow_runs/{id:uuid}/explain", response_model=dict[str, Any])
async def explain_flow_run(id: UUID, db: Db) -> JsonAnswer:
    """Why a flow run waits: `summary`, and `reasons`, each with code, text, since when, hint and holders."""
    return JsonAnswer(asdict(await found(explaining.explain(db, id, executor_note), "Flow run")))
