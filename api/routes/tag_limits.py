"""Limits on the tasks with a tag: an older view of the concurrency limits named `tag:<tag>`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from ...runtime.foundation.errors import NotFound
from ...runtime.store import concurrency_limits, concurrency_slots, tag_slots
from ...runtime.store.concurrency_limits import TAG_PREFIX, LimitRow
from ..answers import JsonAnswer, made
from ..database_access import Db
from ..errors import found
from ..models import concurrency_limits as models
from ..schemas import Paged

router = APIRouter(prefix="/concurrency_limits", tags=["Concurrency Limits"])

_WHAT = "Concurrency limit"


async def _shown(db: Db, row: LimitRow) -> dict[str, Any]:
    holders = await concurrency_slots.task_run_holders(db, [row.id])
    return models.of_tag(row, holders[row.id])


async def _by_id(db: Db, id: UUID) -> LimitRow:
    row = await concurrency_limits.read(db, id)
    if not row.name.startswith(TAG_PREFIX):
        raise NotFound(f"there is no limit on a tag with id {id}")
    return row


@router.post("/", response_model=models.TagLimit, responses={201: {"model": models.TagLimit}})
async def create_tag_limit(body: models.TagLimitCreate, db: Db) -> JsonAnswer:
    """Limit how many tasks with a tag run at once; an existing limit is changed (200)."""
    row, is_new = await concurrency_limits.set_tag_limit(db, body.tag, body.concurrency_limit)
    return JsonAnswer(await _shown(db, row), made(is_new))


@router.post("/filter", response_model=list[models.TagLimit])
async def filter_tag_limits(db: Db, body: Paged | None = None) -> JsonAnswer:
    """All limits on tags, by tag."""
    body = body or Paged()
    rows = await concurrency_limits.list(db, tags_only=True, limit=body.limit, offset=body.offset)
    holders = await concurrency_slots.task_run_holders(db, [row.id for row in rows])
    return JsonAnswer([models.of_tag(row, holders[row.id]) for row in rows])


@router.post("/increment", response_model=list[models.MinimalLimit])
async def increment_tags(body: models.TagSlots, db: Db) -> JsonAnswer:
    """Give a task run a slot of each tag with a limit, or none: 423 and when to ask again."""
    rows = await tag_slots.take(db, body.names, body.task_run_id)
    return JsonAnswer([models.minimal_of_tag(row) for row in rows])


@router.post("/decrement", response_model=list[models.MinimalLimit])
async def decrement_tags(body: models.TagSlots, db: Db) -> JsonAnswer:
    """Take a task run's slots of these tags back."""
    rows = await tag_slots.give_back(db, body.names, body.task_run_id)
    return JsonAnswer([models.minimal(row) for row in rows])


@router.get("/tag/{tag}", response_model=models.TagLimit)
async def read_tag_limit(tag: str, db: Db) -> JsonAnswer:
    """The limit on a tag, with the task runs that hold its slots."""
    row = await found(concurrency_limits.read(db, TAG_PREFIX + tag), _WHAT)
    return JsonAnswer(await _shown(db, row))


@router.delete("/tag/{tag}")
async def delete_tag_limit(tag: str, db: Db) -> None:
    """Remove the limit on a tag."""
    await found(concurrency_limits.delete(db, TAG_PREFIX + tag), _WHAT)


@router.post("/tag/{tag}/reset")
async def reset_tag_limit(tag: str, db: Db, body: models.Reset | None = None) -> None:
    """Take all slots of a tag away, and give them to the task runs named."""
    holders = (body or models.Reset()).slot_override or []
    await found(concurrency_slots.reset(db, TAG_PREFIX + tag, holders, tag_slots.LEASE_S), _WHAT)


@router.get("/{id:uuid}", response_model=models.TagLimit)
async def read_tag_limit_by_id(id: UUID, db: Db) -> JsonAnswer:
    """The limit on a tag with that id."""
    return JsonAnswer(await _shown(db, await found(_by_id(db, id), _WHAT)))


@router.delete("/{id:uuid}")
async def delete_tag_limit_by_id(id: UUID, db: Db) -> None:
    """Remove the limit on a tag with that id."""
    await found(_by_id(db, id), _WHAT)
    await found(concurrency_limits.delete(db, id), _WHAT)
