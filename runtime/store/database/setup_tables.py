"""Tables of what people set up, and of what runs share or show."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from . import automation_tables, job_tables
from .tables import metadata, rule_decision
from .types import Json, Timestamp

__all__ = [
    "automation_tables",
    "job_tables",
    "artifact",
    "artifact_collection",
    "block_document",
    "block_schema",
    "block_type",
    "cluster_load",
    "cluster_picture",
    "concurrency_lease",
    "concurrency_limit",
    "metadata",
    "saved_search",
    "server_setting",
    "variable",
]

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

# An expired lease does not count, so its slots are free without any change.
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

variable = Table(
    "variable",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("value", Json),
    Column("tags", Json, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
)

saved_search = Table(
    "saved_search",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("filters", Json, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text),
    Column("type", Text),
    Column("description", Text),
    Column("data", Json),
    Column("metadata_", Json),
    Column("flow_run_id", Uuid),
    Column("task_run_id", Uuid),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    Index("ix_artifact__key", "key", "id"),
    Index("ix_artifact__flow_run_id", "flow_run_id", "id"),
    Index("ix_artifact__task_run_id", "task_run_id", "id"),
)

# The newest artifact of each key.
artifact_collection = Table(
    "artifact_collection",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("latest_id", Uuid, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    Index("ix_artifact_collection__latest_id", "latest_id"),
)

block_type = Table(
    "block_type",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("logo_url", Text),
    Column("documentation_url", Text),
    Column("description", Text),
    Column("code_example", Text),
    Column("is_protected", Boolean, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
)

block_schema = Table(
    "block_schema",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("block_type_id", Uuid, nullable=False),
    Column("checksum", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("fields", Json, nullable=False),
    Column("capabilities", Json, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    UniqueConstraint("checksum", "version"),
    Index("ix_block_schema__block_type_id", "block_type_id", "created"),
)

block_document = Table(
    "block_document",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("block_type_id", Uuid, nullable=False),
    Column("block_schema_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("is_anonymous", Boolean, nullable=False),
    Column("data", LargeBinary, nullable=False),  # encrypted JSON
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    UniqueConstraint("block_type_id", "name"),
    Index(
        "ix_block_document__name",
        "name",
        "id",
        sqlite_where=text("NOT is_anonymous"),
        postgresql_where=text("NOT is_anonymous"),
    ),
    Index("ix_block_document__block_schema_id", "block_schema_id"),
)

# Values that the server stores about itself, by name.
server_setting = Table(
    "server_setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Json),
)

# What the keeper of each server last saw of Ray; `at` is when it last wrote, `seen` when Ray last answered.
cluster_picture = Table(
    "cluster_picture",
    metadata,
    Column("keeper", Text, primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("seen", Timestamp),
    Column("problem", Text),
    Column("picture", Json),
)

cluster_load = Table(
    "cluster_load",
    metadata,
    Column("at", Timestamp, primary_key=True),
    Column("cluster", Text, primary_key=True),
    *(
        Column(name, Double, nullable=False)
        for name in (
            "nodes",
            "cpu_used",
            "cpu_total",
            "gpu_used",
            "gpu_total",
            "memory_used",
            "memory_total",
            "store_used",
            "store_total",
        )
    ),
)

# The newest losses of executors, of all runs.
Index(
    "ix_rule_decision__losses",
    rule_decision.c.timestamp,
    sqlite_where=text("rule = 'lapsed-lease'"),
    postgresql_where=text("rule = 'lapsed-lease'"),
)
