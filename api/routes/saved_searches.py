"""Saved searches."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from ...runtime.store import saved_searches
from ..answers import JsonAnswer, made, no_content
from ..database_access import Db
from ..errors import found
from ..models import variables as models
from ..schemas import Paged

router = APIRouter(prefix="/saved_searches", tags=["Saved Searches"])

_WHAT = "Saved search"


@router.put("/", response_model=models.SavedSearch, responses={201: {"model": models.SavedSearch}})
async def save_search(body: models.SavedSearchCreate, db: Db) -> JsonAnswer:
    """Keep a search; it replaces the one of its name (200)."""
    row, is_new = await saved_searches.save(db, body.name, [each.model_dump() for each in body.filters])
    return JsonAnswer(models.SavedSearch.of(row), made(is_new))


@router.post("/filter", response_model=list[models.SavedSearch])
async def filter_searches(db: Db, body: Paged | None = None) -> JsonAnswer:
    """All saved searches, by name."""
    body = body or Paged()
    rows = await saved_searches.list(db, body.limit, body.offset)
    return JsonAnswer([models.SavedSearch.of(row) for row in rows])


@router.get("/{id:uuid}", response_model=models.SavedSearch)
async def read_search(id: UUID, db: Db) -> JsonAnswer:
    """The saved search with that id."""
    return JsonAnswer(models.SavedSearch.of(await found(saved_searches.read(db, id), _WHAT)))


@router.delete("/{id:uuid}", status_code=204)
async def delete_search(id: UUID, db: Db) -> Response:
    """Remove a saved search."""
    await found(saved_searches.delete(db, id), _WHAT)
    return no_content()
