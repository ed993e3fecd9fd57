"""Beyond the standard: work pools and concurrency limits with those who hold their slots, and who waits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request

from ...runtime.store import limit_views, pool_views
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found
from ..shared_answers import SharedAnswers

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


def _shared(request: Request) -> SharedAnswers:
    return cast(SharedAnswers, request.app.state.shared_answers)


@router.get("/work_pools", response_model=list[dict[str, Any]])
async def read_pools(db: Db) -> JsonAnswer:
    """All work pools, with how busy they are and how many workers they have."""
    return JsonAnswer([asdict(pool) for pool in await pool_views.overview(db)])


@router.get("/work_pools/{name}/line", response_model=dict[str, Any])
async def read_line(name: str, db: Db) -> JsonAnswer:
    """The queues of a pool, and the first of its waiting runs with position, reasons and holders."""
    # Not shared among those who ask: who has changed a queue wants to see it.
    return JsonAnswer(asdict(await found(pool_views.line(db, name), f'Work pool "{name}"')))


@router.get("/work_pools/{name}/lanes", response_model=dict[str, Any])
async def read_lanes(
    name: str, request: Request, db: Db, minutes: Annotated[float, Query(gt=0, le=60 * 24)] = 30
) -> JsonAnswer:
    """What ran in a pool's slots: runs that began in the last `minutes`, and those that hold one now."""
    reading = _shared(request).get(("lanes", name, minutes), lambda: pool_views.lanes(db, name, minutes))
    return JsonAnswer(asdict(await found(reading, f'Work pool "{name}"')))


@router.get("/limits", response_model=dict[str, Any])
async def read_limits(db: Db) -> JsonAnswer:
    """All concurrency limits with holders and waiting line, and the deployments with a limit of their own."""
    limits = [limit_views.shown(view) for view in await limit_views.limits(db)]
    return JsonAnswer(
        {"limits": limits, "deployments": [asdict(each) for each in await limit_views.of_deployments(db)]}
    )
