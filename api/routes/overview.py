"""Beyond the standard: what the first page shows, and what needs a person."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request

from ...runtime.store import attention, overview
from ..answers import JsonAnswer
from ..database_access import Db
from ..shared_answers import SharedAnswers

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


def _shared(request: Request) -> SharedAnswers:
    return cast(SharedAnswers, request.app.state.shared_answers)


@router.get("/overview", response_model=dict[str, Any])
async def read_overview(
    request: Request,
    db: Db,
    hours: Annotated[float, Query(gt=0, le=24 * 31)] = 6,
    parts: Annotated[int, Query(ge=1, le=500)] = 180,
) -> JsonAnswer:
    """Runs that began in each of `parts` equal parts of the last `hours`, and counts of those under way."""
    asked = ("overview", hours, parts)
    return JsonAnswer(asdict(await _shared(request).get(asked, lambda: overview.read(db, hours, parts))))


@router.get("/needs", response_model=list[dict[str, Any]])
async def read_needs(request: Request, db: Db) -> JsonAnswer:
    """What needs a person, the worst first: a run, its reason, and how many runs have that reason."""
    causes = await _shared(request).get(("needs",), lambda: attention.causes(db))
    return JsonAnswer([asdict(cause) for cause in causes])
