"""Tables of services: the progress of automations, waiting actions and waiting background tasks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, Uuid

from .tables import metadata
from .types import Json, Key, Timestamp

__all__ = [
    "automation_action",
    "automation_part",
    "automation_window",
    "background_run",
    "service_position",
    "task_worker",
    "told_place",
]

# How far a service has read in the table of events, and which numbers it has passed over.
service_position = Table(
    "service_position",
    metadata,
    Column("name", Key, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("gaps", Json, nullable=False),  # maps a number to when it was skipped, in seconds
)

# Open windows: what a trigger has counted for a key.
automation_window = Table(
    "automation_window",
    metadata,
    Column("automation_id", Uuid, primary_key=True),
    Column("path", Key, primary_key=True),
    Column("key", Key, primary_key=True),  # a JSON list
    Column("start", Timestamp, nullable=False),
    Column("end", Timestamp, nullable=False),
    Column("count", Integer, nullable=False),
    Column("last", Json),
    Index("ix_automation_window__end", "end"),
)

# Firings of children of composite triggers, until their parent uses them.
automation_part = Table(
    "automation_part",
    metadata,
    Column("automation_id", Uuid, primary_key=True),
    Column("path", Key, primary_key=True),
    Column("child", Key, primary_key=True),
    Column("firing", Json, nullable=False),
)

# Actions of automations that fired; a row goes when its action was carried out, or failed for good.
automation_action = Table(
    "automation_action",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("automation", Json, nullable=False),
    Column("action", Json, nullable=False),
    Column("place", Integer, nullable=False),
    Column("firing", Json, nullable=False),
    Column("triggered_event_id", Uuid, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Timestamp, nullable=False),  # in the future while a process executes it
    Index("ix_automation_action__due", "due"),
)

# Background tasks that wait for a worker, or were given to one and have not begun.
background_run = Table(
    "background_run",
    metadata,
    Column("task_run_id", Uuid, primary_key=True),
    Column("task_key", Key, nullable=False),
    Column("queued", Timestamp, nullable=False),
    Column("claimed_by", Uuid),
    Column("claimed_until", Timestamp),
    Index("ix_background_run__task_key", "task_key", "queued"),
    Index("ix_background_run__claimed_by", "claimed_by"),
)

# Subscriptions of task workers, whichever process serves them.
task_worker = Table(
    "task_worker",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("task_keys", Json, nullable=False),
    Column("last_seen", Timestamp, nullable=False),
)

# Pools, queues and deployments as the last event about each described it.
told_place = Table(
    "told_place",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),  # empty: no event yet
    Column("updated", Timestamp, nullable=False),
    Column("owner", Text),
)
