"""Requests of the pages about schedules, their dates and runs to be made."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ..schemas import Fields, Moment

Count = Annotated[int, Field(ge=1, le=100)]
Ids = Annotated[list[UUID], Field(max_length=200)]


class ScheduleToPreview(Fields):
    schedule: dict[str, Any]
    count: Count = 5


class RecentAsked(Fields):
    flow_ids: Ids = []
    deployment_ids: Ids = []
    limit: Annotated[int, Field(ge=1, le=60)] = 20


class UpcomingAsked(Fields):
    """`zone` is the reader's: days begin at its midnight."""

    start: date
    days: Annotated[int, Field(ge=1, le=42)] = 7
    zone: str = "UTC"
    pool: str | None = None
    deployment_id: UUID | None = None
    next_count: Annotated[int, Field(ge=0, le=500)] = 40


class DateOfSchedule(Fields):
    schedule_id: UUID
    at: Moment
