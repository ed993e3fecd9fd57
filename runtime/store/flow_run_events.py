"""Events of flow runs' states: a trigger of the database lists each state that is written, and this module
turns the list into events, in the transaction that takes them from the list.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..events.records import RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, Event, Resource
from ..foundation import clock
from .database.announcements import EVENTS, announce
from .database.database import Database
from .database.tables import deployment, event_outbox, flow, flow_run, flow_run_state, work_pool, work_queue
from .events import insert_within

BATCH = 200

_FOLLOWS_WITHIN = timedelta(minutes=5)
_LONGEST_MESSAGE = 100_000
_CREATORS = {"DEPLOYMENT": "deployment", "AUTOMATION": "automation"}

_previous = flow_run_state.alias("previous")


async def make(db: Database, batch: int = BATCH) -> int:
    """Make events of up to `batch` listed states; returns how many were taken from the list."""
    async with db.read() as connection:
        if await connection.scalar(select(event_outbox.c.id).limit(1)) is None:
            return 0  # usually the list is empty, and this check takes no lock
    async with db.write() as connection:
        taken = select(event_outbox.c.id, event_outbox.c.state_id).order_by(event_outbox.c.id).limit(batch)
        rows = (await connection.execute(taken.with_for_update(skip_locked=True))).all()
        if not rows:
            return 0
        events = await _events_of(connection, [row[1] for row in rows])
        await insert_within(connection, events)
        await announce(connection, EVENTS)
        await connection.execute(delete(event_outbox).where(event_outbox.c.id.in_([row[0] for row in rows])))
        return len(rows)


async def _events_of(connection: AsyncConnection, state_ids: Sequence[UUID]) -> builtins.list[Event]:
    """The events of these states, in the given order. States of removed runs have none."""
    before = (
        select(func.max(_previous.c.timestamp))
        .where(
            _previous.c.flow_run_id == flow_run_state.c.flow_run_id,
            _previous.c.timestamp < flow_run_state.c.timestamp,
        )
        .scalar_subquery()
    )
    earlier = flow_run_state.alias("earlier")
    statement = (
        select(
            *(column.label(f"state_{column.name}") for column in flow_run_state.c),
            *(column.label(f"earlier_{column.name}") for column in earlier.c),
            flow_run.c.name,
            flow_run.c.run_count,
            flow_run.c.tags,
            flow_run.c.created_by,
            flow_run.c.parent_task_run_id,
            flow.c.id.label("flow_id"),
            flow.c.name.label("flow_name"),
            deployment.c.id.label("deployment_id"),
            deployment.c.name.label("deployment_name"),
            work_queue.c.id.label("queue_id"),
            work_queue.c.name.label("queue_name"),
            work_pool.c.id.label("pool_id"),
            work_pool.c.name.label("pool_name"),
            work_pool.c.type.label("pool_type"),
        )
        .join(flow_run, flow_run.c.id == flow_run_state.c.flow_run_id)
        .join(flow, flow.c.id == flow_run.c.flow_id)
        .outerjoin(
            earlier,
            (earlier.c.flow_run_id == flow_run_state.c.flow_run_id) & (earlier.c.timestamp == before),
        )
        .outerjoin(deployment, deployment.c.id == flow_run.c.deployment_id)
        .outerjoin(work_queue, work_queue.c.id == flow_run.c.work_queue_id)
        .outerjoin(work_pool, work_pool.c.id == flow_run.c.work_pool_id)
        .where(flow_run_state.c.id.in_(state_ids))
    )
    rows = (await connection.execute(statement)).mappings().all()
    made = {row["state_id"]: _event_of(row) for row in rows}
    return [made[state_id] for state_id in state_ids if state_id in made]


def _event_of(row: RowMapping) -> Event:
    run_id, at = row["state_flow_run_id"], row["state_timestamp"]
    kind, name, message = row["state_type"], row["state_name"], row["state_message"]
    earlier: Mapping[str, Any] | None = None
    if row["earlier_id"] is not None:
        earlier = {
            "type": row["earlier_type"],
            "name": row["earlier_name"],
            "message": row["earlier_message"],
        }
    follows = earlier is not None and at - row["earlier_timestamp"] <= _FOLLOWS_WITHIN
    return Event(
        id=row["state_id"],
        occurred=at,
        event=f"prefect.flow-run.{name}",
        resource={
            RESOURCE_ID: f"prefect.flow-run.{run_id}",
            RESOURCE_NAME: row["name"],
            "prefect.run-count": str(row["run_count"]),
            "prefect.state-message": (message or "")[:_LONGEST_MESSAGE],
            "prefect.state-name": name,
            "prefect.state-timestamp": _iso(at),
            "prefect.state-type": kind,
        },
        related=_related(row),
        payload={
            "intended": {"from": earlier and earlier["type"], "to": kind},
            "initial_state": earlier and _shown(earlier),
            "validated_state": _shown({"type": kind, "name": name, "message": message}),
        },
        follows=row["earlier_id"] if follows else None,
        received=clock.now(),
    )


def _related(row: RowMapping) -> builtins.list[Resource]:
    places = (
        ("flow", row["flow_id"], row["flow_name"]),
        ("deployment", row["deployment_id"], row["deployment_name"]),
        ("work-queue", row["queue_id"], row["queue_name"]),
        ("work-pool", row["pool_id"], row["pool_name"]),
        ("task-run", row["parent_task_run_id"], row["name"]),
    )
    related = [
        {RESOURCE_ID: f"prefect.{kind}.{it}", RESOURCE_ROLE: kind, RESOURCE_NAME: name}
        for kind, it, name in places
        if it is not None
    ]
    for each in related:
        if each[RESOURCE_ROLE] == "work-pool":
            each["prefect.work-pool.type"] = row["pool_type"]
    related += [
        {RESOURCE_ID: f"prefect.tag.{tag}", RESOURCE_ROLE: "tag"} for tag in sorted(row["tags"] or ())
    ]
    creator: Mapping[str, Any] = row["created_by"] or {}
    if creator.get("id") and creator.get("type") in _CREATORS:
        made = {
            RESOURCE_ID: f"prefect.{_CREATORS[creator['type']]}.{creator['id']}",
            RESOURCE_ROLE: "creator",
        }
        if creator.get("display_value"):
            made[RESOURCE_NAME] = creator["display_value"]
        related.append(made)
    return related


def _shown(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if value is not None}


def _iso(moment: datetime) -> str:
    return moment.isoformat()
