"""Our own: what is wrong with deployments, told before any of them is made."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ..database_access import Db
from ..deployment_problems import problems_of

router = APIRouter(prefix="/heliostat/deployments", tags=["Heliostat"])


@router.post("/check")
async def check_deployments(body: list[dict[str, Any]], db: Db) -> list[list[str]]:
    """What would keep each of these from being made: one line a mistake, and none where all is well.

    Each is what `POST /deployments/` takes, without a flow. Nothing is changed.
    """
    return [await problems_of(db, each) for each in body]
