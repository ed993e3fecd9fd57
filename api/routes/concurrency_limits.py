"""Concurrency limits by name, and taking their slots."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from ...runtime.foundation.errors import NotFound
from ...runtime.store import concurrency_limits, concurrency_slots
from ...runtime.store.concurrency_limits import NewLimit
from ...runtime.store.concurrency_slots import Lease
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..models import concurrency_limits as models
from ..schemas import Paged

router = APIRouter(prefix="/v2/concurrency_limits", tags=["Concurrency Limits"])

_WHAT = "Concurrency limit"


def _reference(id_or_name: str) -> UUID | str:
    try:
        return UUID(id_or_name)
    except ValueError:
        return id_or_name


@router.post("/", status_code=201, response_model=models.WholeLimit)
async def create_limit(body: models.LimitCreate, db: Db) -> JsonAnswer:
    """Make a concurrency limit: 409 when there is one of that name."""
    row = await concurrency_limits.create(db, NewLimit(**body.model_dump()))
    return JsonAnswer(models.whole(row), 201)


@router.post("/filter", response_model=list[models.LimitAnswer])
async def filter_limits(db: Db, body: Paged | None = None) -> JsonAnswer:
    """All concurrency limits, by name."""
    body = body or Paged()
    rows = await concurrency_limits.list(db, limit=body.limit, offset=body.offset)
    return JsonAnswer([models.shown(row) for row in rows])


@router.post("/increment", response_model=list[models.MinimalLimit])
async def increment(body: models.Increment, db: Db) -> JsonAnswer:
    """Take slots of each limit named, or none (423 and when to ask again). Unknown names are ignored."""
    taken = await concurrency_slots.take(db, body.names, body.slots, mode=body.mode)
    return JsonAnswer([models.minimal(row) for row in taken.limits])


@router.post("/increment-with-lease", response_model=models.LeasedLimits)
async def increment_with_lease(body: models.IncrementWithLease, db: Db) -> JsonAnswer:
    """Take slots that come back by themselves when the lease is not renewed in time."""
    lease = Lease(body.lease_duration, body.holder.model_dump(mode="json") if body.holder else None)
    taken = await concurrency_slots.take(db, body.names, body.slots, mode=body.mode, lease=lease)
    return JsonAnswer({"lease_id": taken.lease_id, "limits": [models.minimal(row) for row in taken.limits]})


@router.post("/decrement", response_model=list[models.MinimalLimit])
async def decrement(body: models.Decrement, db: Db) -> JsonAnswer:
    """Give back slots that were taken without a lease."""
    rows = await concurrency_slots.give_back(db, body.names, body.slots, body.occupancy_seconds)
    return JsonAnswer([models.minimal(row) for row in rows])


@router.post("/decrement-with-lease", status_code=204)
async def decrement_with_lease(body: models.DecrementWithLease, db: Db) -> Response:
    """Give a lease's slots back; 204 also when they were given back before."""
    await concurrency_slots.release(db, body.lease_id)
    return no_content()


@router.post("/leases/{lease_id}/renew", status_code=204)
async def renew_lease(lease_id: UUID, db: Db, body: models.Renewal | None = None) -> Response:
    """Renew a lease; 410 when it is gone."""
    try:
        await concurrency_slots.renew(db, lease_id, (body or models.Renewal()).lease_duration)
    except NotFound as error:
        raise HTTPException(410, "The lease has expired, or its slots were given back.") from error
    return no_content()


@router.get("/{id_or_name}", response_model=models.LimitAnswer)
async def read_limit(id_or_name: str, db: Db) -> JsonAnswer:
    """The concurrency limit of that id or name; its slots as they are after decay."""
    return JsonAnswer(models.shown(await found(concurrency_limits.read(db, _reference(id_or_name)), _WHAT)))


@router.patch("/{id_or_name}", status_code=204)
async def update_limit(id_or_name: str, body: models.LimitUpdate, db: Db) -> Response:
    """Change a concurrency limit; only fields in the body change."""
    changes = body.model_dump(exclude_none=True)
    await found(concurrency_limits.change(db, _reference(id_or_name), changes), _WHAT)
    return no_content()


@router.delete("/{id_or_name}", status_code=204)
async def delete_limit(id_or_name: str, db: Db) -> Response:
    """Remove a concurrency limit."""
    await found(concurrency_limits.delete(db, _reference(id_or_name)), _WHAT)
    return no_content()
