"""Events of objects that people set up: `prefect.<kind>.created`, `updated` and `deleted`, in the transaction
of the change. `place_events` makes those of pools, queues and deployments, whose status changes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from ..events.records import RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, Event, Resource
from ..foundation import clock
from ..foundation.ids import uuid7
from .database.announcements import EVENTS, announce
from .database.wire_text import json_value
from .events import insert_within

Action = Literal["created", "updated", "deleted"]
Kind = Literal["artifact-collection", "automation", "block-document", "concurrency-limit", "flow", "variable"]


async def tell_within(
    connection: AsyncConnection,
    kind: Kind,
    action: Action,
    subject: UUID,
    name: str | None,
    payload: Mapping[str, Any] | None = None,
    related: Mapping[str, str] | None = None,
) -> None:
    """Record what happened to an object; `payload` describes it afterwards, or before its removal. `related`:
    ids of other resources by their roles.
    """
    now = clock.now()
    resource = {RESOURCE_ID: f"prefect.{kind}.{subject}"}
    if name is not None:
        resource[RESOURCE_NAME] = name
    others: Sequence[Resource] = [
        {RESOURCE_ID: resource_id, RESOURCE_ROLE: role} for role, resource_id in (related or {}).items()
    ]
    what = f"prefect.{kind}.{action}"
    told = Event(uuid7(), now, what, resource, list(others), json_value(dict(payload or {})), None, now)
    await insert_within(connection, [told])
    await announce(connection, EVENTS)
