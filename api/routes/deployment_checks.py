"""Beyond the standard: what is wrong with deployments, told before any of them is made."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ..database_access import Db
from ..deployment_problems import problems_of

router = APIRouter(prefix="/heliostat/deployments", tags=["Heliostat"])


@router.post("/check")
async def check_deployments(body: list[dict[str, Any]], db: Db) -> list[list[str]]:
    """What would keep each deployment from being made: a line for each mistake, an empty list without any.

    Each item is a body of `POST /deployments/` without its flow. Nothing is changed.
    """
    return [await problems_of(db, each) for each in body]
