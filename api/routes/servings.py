"""Beyond the standard: processes report what they serve, so that only the last one pauses the schedules."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ...runtime.foundation.authorship import SERVE, author
from ...runtime.records import Owner
from ...runtime.store import servings
from ..authors import ByHand
from ..database_access import Db

router = APIRouter(prefix="/heliostat/servings", tags=["Heliostat"])

_MOST = 1000


class Held(BaseModel):
    deployment_ids: list[UUID] = Field(max_length=_MOST)
    host: str = Field(max_length=300)
    pid: int = Field(ge=0, lt=2**31)
    process_started: float = Field(ge=0, le=1e11)
    lease_s: float = Field(gt=0, le=3600)


class Ended(BaseModel):
    deployment_ids: list[UUID] = Field(max_length=_MOST)
    gone: list[UUID] = Field(default=[], max_length=_MOST)
    pause: bool = True


class Other(BaseModel):
    process_id: UUID
    host: str
    pid: int
    process_started: float


@router.put("/{process_id:uuid}")
async def hold(process_id: UUID, body: Held, db: Db) -> list[UUID]:
    """Note that the process serves these deployments for a while; returns those that somebody paused."""
    owner = Owner(process_id, body.host, body.pid, body.process_started)
    return await servings.hold(db, owner, body.deployment_ids, body.lease_s)


@router.post("/{process_id:uuid}/others")
async def others(process_id: UUID, body: list[UUID], db: Db) -> list[Other]:
    """The other processes that serve any of these deployments."""
    found = await servings.others(db, process_id, body)
    return [Other.model_validate(each._asdict()) for each in found]


@router.post("/{process_id:uuid}/end")
async def end(process_id: UUID, body: Ended, db: Db, by: ByHand) -> list[UUID]:
    """Note that the process no longer serves these deployments; returns those that are paused
    now because no other process serves them.
    """
    who = author(SERVE, by["display_value"])
    return await servings.end(db, process_id, body.deployment_ids, gone=body.gone, pause=body.pause, by=who)
