"""Concurrency limits on the wire: all of them by name, and the older view of the limits on tags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from ...runtime.store.concurrency_limits import TAG_PREFIX, LimitRow
from ..responses import Recorded
from ..schemas import Fields, OneModel

_MOST = 2**31 - 1

LimitName = Annotated[str, Field(pattern=r"^[^/%&><]+$")]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Decay = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Slots = Annotated[int, Field(gt=0, le=_MOST)]
LeaseDuration = Annotated[float, Field(ge=60, le=86_400)]  # seconds
Names = Annotated[list[str], Field(min_length=1)]


class LimitCreate(OneModel):
    active: bool = True
    name: LimitName
    limit: Count
    active_slots: Count = 0
    denied_slots: Count = 0
    slot_decay_per_second: Decay = 0


class LimitUpdate(OneModel):
    active: bool | None = None
    name: LimitName | None = None
    limit: Count | None = None
    active_slots: Count | None = None
    denied_slots: Count | None = None
    slot_decay_per_second: Decay | None = None


class Increment(Fields):
    slots: Slots
    names: Names
    mode: Literal["concurrency", "rate_limit"] = "concurrency"
    create_if_missing: Annotated[bool | None, Field(deprecated=True)] = None


class Holder(OneModel):
    type: Literal["flow_run", "task_run", "deployment"]
    id: UUID


class IncrementWithLease(Fields):
    slots: Slots
    names: Names
    mode: Literal["concurrency", "rate_limit"] = "concurrency"
    lease_duration: LeaseDuration = 300
    holder: Holder | None = None


class Decrement(Fields):
    slots: Slots
    names: Names
    occupancy_seconds: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    create_if_missing: Annotated[bool, Field(deprecated=True)] = False


class DecrementWithLease(Fields):
    lease_id: UUID


class Renewal(Fields):
    lease_duration: LeaseDuration = 300


class TagLimitCreate(OneModel):
    tag: str
    concurrency_limit: Count


class Reset(Fields):
    slot_override: list[UUID] | None = None


class TagSlots(Fields):
    names: list[str]
    task_run_id: UUID


class LimitAnswer(Recorded):
    active: bool
    name: str
    limit: int
    active_slots: int
    slot_decay_per_second: float


class WholeLimit(LimitAnswer):
    denied_slots: int
    avg_slot_occupancy_seconds: float


class MinimalLimit(BaseModel):
    id: UUID
    name: str
    limit: int


class LeasedLimits(BaseModel):
    lease_id: UUID
    limits: list[MinimalLimit]


class TagLimit(BaseModel):
    id: UUID
    created: datetime | None
    updated: datetime | None
    tag: str
    concurrency_limit: int
    active_slots: list[UUID]


def shown(row: LimitRow) -> dict[str, Any]:
    """GlobalConcurrencyLimitResponse."""
    return {**LimitAnswer.of(row), "active_slots": math.floor(row.active_slots)}


def whole(row: LimitRow) -> dict[str, Any]:
    """ConcurrencyLimitV2."""
    return {**WholeLimit.of(row), "active_slots": math.floor(row.active_slots)}


def minimal(row: LimitRow) -> dict[str, Any]:
    """MinimalConcurrencyLimitResponse."""
    return {"id": row.id, "name": row.name, "limit": row.limit}


def minimal_of_tag(row: LimitRow) -> dict[str, Any]:
    """MinimalConcurrencyLimitResponse of a limit on a tag; its name is the tag."""
    return {**minimal(row), "name": row.name.removeprefix(TAG_PREFIX)}


def of_tag(row: LimitRow, holders: Sequence[UUID]) -> dict[str, Any]:
    """ConcurrencyLimit: a limit on the tasks with a tag, with the task runs that hold its slots."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "tag": row.name.removeprefix(TAG_PREFIX),
        "concurrency_limit": row.limit,
        "active_slots": holders,
    }
