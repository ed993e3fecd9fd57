"""Beyond the standard: what is wrong with deployments, or with a run of one, told before any is made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from ...runtime.store import deployments
from ..answers import JsonAnswer
from ..database_access import Db
from ..deployment_problems import problems_of
from ..errors import found
from ..run_checks import check_run

router = APIRouter(prefix="/heliostat/deployments", tags=["Heliostat"])


@router.post("/check")
async def check_deployments(body: list[dict[str, Any]], db: Db) -> list[list[str]]:
    """What would keep each deployment from being made: a line for each mistake, an empty list without any.

    Each item is a body of `POST /deployments/` without its flow. Nothing is changed.
    """
    return [await problems_of(db, each) for each in body]


@router.post("/{id:uuid}/check_run", response_model=dict[str, Any])
async def check_run_of_deployment(id: UUID, body: dict[str, Any], db: Db) -> JsonAnswer:
    """What would become of a run: `problems` by their path in the body, and its `outlook`.

    The body is that of `POST /deployments/{id}/create_flow_run`. Nothing is changed.
    """
    runnable = await found(deployments.to_run(db, id), "Deployment")
    return JsonAnswer(await check_run(db, runnable, body))
