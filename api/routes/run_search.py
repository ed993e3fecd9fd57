"""Beyond the standard: lists of runs by the terms of a query, counted by state and time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import Field

from ...runtime.store import run_search
from ...runtime.store.run_search import RunSort
from ...runtime.store.run_terms import Term
from ..answers import JsonAnswer
from ..database_access import Db
from ..schemas import Fields
from .run_figures import tallies_of

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])

Terms = Annotated[list[Term], Field(max_length=50)]


class Asked(Fields):
    terms: Terms = []
    hide_subflows: bool = False


class RunPageBody(Asked):
    sort: RunSort = "STARTED_DESC"
    limit: Annotated[int, Field(ge=1, le=200)] = 100
    cursor: Annotated[str | None, Field(max_length=2_000, pattern=r"^[0-9a-f-]{36} ")] = None


class TaskRunPageBody(Asked):
    sort: Literal["STARTED_DESC", "STARTED_ASC"] = "STARTED_DESC"
    limit: Annotated[int, Field(ge=1, le=200)] = 100
    cursor: Annotated[str | None, Field(max_length=2_000, pattern=r"^[0-9a-f-]{36} ")] = None


class SummaryBody(Asked):
    parts: Annotated[int, Field(ge=1, le=500)] = 120


class CompletionBody(Fields):
    field: Literal["flow", "deployment", "pool", "queue", "tag", "param"]
    beginning: Annotated[str, Field(max_length=200)] = ""


@contextmanager
def _cursor_checked() -> Generator[None]:
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, "The cursor is none that this route gave.") from error


@router.post("/flow_runs/search", response_model=dict[str, Any])
async def search_flow_runs(body: RunPageBody, request: Request, db: Db) -> JsonAnswer:
    """One page of flow runs: `rows`, and the `cursor` of the next page.

    Each row has the reason why its run failed or waits, counts of its task runs by state type, and how long
    runs of its deployment, or of its flow, usually take.
    """
    with _cursor_checked():
        page = await run_search.flow_runs(
            db,
            body.terms,
            tallies_of(request),
            hide_subflows=body.hide_subflows,
            sort=body.sort,
            limit=body.limit,
            cursor=body.cursor,
        )
    return JsonAnswer(asdict(page))


@router.post("/task_runs/search", response_model=dict[str, Any])
async def search_task_runs(body: TaskRunPageBody, db: Db) -> JsonAnswer:
    """One page of task runs of all flow runs: `rows`, and the `cursor` of the next page."""
    with _cursor_checked():
        page = await run_search.task_runs(
            db, body.terms, sort=body.sort, limit=body.limit, cursor=body.cursor
        )
    return JsonAnswer(asdict(page))


@router.post("/{kind}_runs/summary", response_model=dict[str, Any])
async def summarise_runs(kind: Literal["flow", "task"], body: SummaryBody, db: Db) -> JsonAnswer:
    """How many runs match, by state, and by state in equal parts of their time."""
    found = await run_search.summary(db, kind, body.terms, hide_subflows=body.hide_subflows, parts=body.parts)
    return JsonAnswer(asdict(found))


@router.post("/run_query/completions")
async def complete_query(body: CompletionBody, db: Db) -> list[str]:
    """What may follow in a term of a query: names, tags or parameters with these letters in them."""
    return await run_search.completions(db, body.field, body.beginning)
