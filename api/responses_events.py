"""The models of answers about events, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class ReceivedEvent(BaseModel):
    occurred: datetime
    event: str
    resource: dict[str, str]
    related: list[dict[str, str]]
    payload: dict[str, Any]
    id: UUID
    follows: UUID | None
    received: datetime


class EventPage(BaseModel):
    events: list[ReceivedEvent]
    total: int
    next_page: str | None


class EventCount(BaseModel):
    value: str
    label: str
    count: int
    start_time: datetime
    end_time: datetime
