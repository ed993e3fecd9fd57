"""More tables: what people set up and what runs share. Concurrency limits and the leases on their slots."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text, Uuid

from .tables import metadata
from .types import Json, Timestamp

__all__ = ["concurrency_lease", "concurrency_limit", "metadata"]

concurrency_limit = Table(
    "concurrency_limit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("slot_limit", Integer, nullable=False),
    Column("slot_decay_per_second", Double, nullable=False),
    # Slots as of `decayed_at`; leased ones of limits without decay are in their own rows instead.
    Column("active_slots", Double, nullable=False),
    Column("decayed_at", Timestamp, nullable=False),
    Column("denied_slots", Integer, nullable=False),
    Column("avg_slot_occupancy_seconds", Double, nullable=False),
    postgresql_with={"fillfactor": "50"},
)

# A lease that has expired counts no more: its slots are back without anyone doing anything.
concurrency_lease = Table(
    "concurrency_lease",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("limit_id", Uuid, primary_key=True),
    Column("slots", BigInteger, nullable=False),
    Column("taken", Timestamp, nullable=False),
    Column("until", Timestamp, nullable=False),
    Column("holder", Json),  # {"type": "flow_run" | "task_run" | "deployment", "id": ...}
    Index("ix_concurrency_lease__limit_id", "limit_id", "until"),
)
