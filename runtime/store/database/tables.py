"""The main tables. Those written often are narrow with few indexes, those read often have the index they
need.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from .types import Counter, Json, Key, Timestamp, counted

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s__%(column_0_N_name)s",
        "uq": "uq_%(table_name)s__%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

flow = Table(
    "flow",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("tags", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
)

flow_run = Table(
    "flow_run",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("flow_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state_id", Uuid),
    Column("state_type", Text),
    Column("state_name", Text),
    Column("state_timestamp", Timestamp),
    Column("run_count", Integer, nullable=False),
    Column("total_run_time", Double, nullable=False),
    Column("expected_start_time", Timestamp),
    Column("next_scheduled_start_time", Timestamp),
    Column("start_time", Timestamp),
    Column("end_time", Timestamp),
    Column("parameters", Json, nullable=False),
    Column("parameters_pickle", LargeBinary),
    Column("context", Json, nullable=False),
    Column("tags", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("empirical_policy", Json, nullable=False),
    Column("created_by", Json),
    Column("flow_version", Text),
    Column("entrypoint", Text),
    Column("code_revision", Text),
    Column("idempotency_key", Text),
    Column("parent_task_run_id", Uuid),
    Column("auto_scheduled", Boolean, nullable=False),
    Column("infrastructure_pid", Text),
    Column("job_variables", Json),
    Column("result_kind", Text),
    Column("result", LargeBinary),
    Column("error", Json),
    Column("deployment_id", Uuid),
    Column("deployment_version", Text),
    Column("work_pool_id", Uuid),
    Column("work_queue_id", Uuid),
    Column("schedule_key", Text),
    Column("slot_at", Timestamp),  # the date of the schedule for this run
    UniqueConstraint("flow_id", "idempotency_key"),
    Index("ix_flow_run__expected_start_time", "expected_start_time", "id"),
    Index("ix_flow_run__state_type", "state_type", "expected_start_time"),
    # The start time by which pages sort and filter: for a run that has not started, its expected start.
    Index("ix_flow_run__started", text("coalesce(start_time, expected_start_time)"), "id"),
    Index("ix_flow_run__flow_id", "flow_id", "expected_start_time"),
    Index("ix_flow_run__name", "name"),
    Index(
        "ix_flow_run__parent_task_run_id",
        "parent_task_run_id",
        sqlite_where=text("parent_task_run_id IS NOT NULL"),
        postgresql_where=text("parent_task_run_id IS NOT NULL"),
    ),
    # The other indexes have no entry for runs without a deployment, so inserting those stays cheap. One index
    # serves a queue's claims (SCHEDULED, by due time) and counts the runs in its limit.
    Index(
        "ix_flow_run__work_queue_id",
        "work_queue_id",
        "state_type",
        "next_scheduled_start_time",
        "id",
        sqlite_where=text("work_queue_id IS NOT NULL"),
        postgresql_where=text("work_queue_id IS NOT NULL"),
    ),
    Index(
        "ix_flow_run__deployment_id_state_type",
        "deployment_id",
        "state_type",
        "next_scheduled_start_time",
        sqlite_where=text("deployment_id IS NOT NULL"),
        postgresql_where=text("deployment_id IS NOT NULL"),
    ),
    Index(
        "ix_flow_run__deployment_id",
        "deployment_id",
        "expected_start_time",
        sqlite_where=text("deployment_id IS NOT NULL"),
        postgresql_where=text("deployment_id IS NOT NULL"),
    ),
    Index(
        "uq_flow_run__slot",
        "deployment_id",
        "schedule_key",
        "slot_at",
        unique=True,
        sqlite_where=text("schedule_key IS NOT NULL"),
        postgresql_where=text("schedule_key IS NOT NULL"),
    ),
    # Runs that may become late: a run leaves the index when it is marked, so a backlog of late runs is not
    # read.
    Index(
        "ix_flow_run__next_scheduled_start_time",
        "next_scheduled_start_time",
        sqlite_where=text("state_name = 'Scheduled'"),
        postgresql_where=text("state_name = 'Scheduled'"),
    ),
)

# Separate from flow_run and narrow: renewals and commits update it many times a second.
run_lease = Table(
    "run_lease",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Uuid),
    Column("until", Timestamp, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("host", Text),
    Column("pid", Integer),
    Column("process_started", Double),
    postgresql_with={"fillfactor": "50"},
)

task_run = Table(
    "task_run",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("flow_run_id", Uuid, nullable=False),
    Column("expected_start_time", Timestamp, nullable=False),
    Column("start_time", Timestamp),
    Column("end_time", Timestamp),
    Column("epoch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("run_count", Integer, nullable=False),
    Column("pid", Integer),
    Column("task_key", Key, nullable=False),
    Column("dynamic_key", Key, nullable=False),
    Column("task_name", Text, nullable=False),
    Column("name", Text),
    Column("state_type", Text, nullable=False),
    Column("state_name", Text, nullable=False),
    Column("message", Text),
    Column("tags", Json),
    Column("policy", Json),
    Column("task_version", Text),
    Column("node", Text),
    Column("task_inputs", Json),
    Column("input_hash", LargeBinary),
    Column("cache_key", Text),
    Column("cache_expiration", Timestamp),
    Column("timeline", Json),
    Column("error", Json),
    Column("result_kind", Text),
    Column("result", LargeBinary),
    Column("labels", Json),
    UniqueConstraint("flow_run_id", "task_key", "dynamic_key"),
    # For pages of the newest task runs. Runs are written in this order, so the index grows at its end.
    Index("ix_task_run__expected_start_time", "expected_start_time", "id"),
    # Costs writers almost nothing, and lets a query skip the days that it does not need.
    Index(
        "ix_task_run__times",
        "expected_start_time",
        text("coalesce(start_time, expected_start_time)"),
        postgresql_using="brin",
        postgresql_with={"pages_per_range": "32", "autosummarize": "on"},
    ).ddl_if(dialect="postgresql"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": "90"},
)

flow_run_state = Table(
    "flow_run_state",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("flow_run_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("timestamp", Timestamp, nullable=False),
    Column("message", Text),
    Column("details", Json, nullable=False),
    Column("result_kind", Text),
    Column("data", Json),  # a remote client's description of a result: where it is stored, if at all
    UniqueConstraint("flow_run_id", "timestamp"),
)

flow_run_input = Table(
    "flow_run_input",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("flow_run_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("sender", Text),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    UniqueConstraint("flow_run_id", "key"),
)

rule_decision = Table(
    "rule_decision",
    metadata,
    Column("id", Counter, counted(), primary_key=True),
    Column("flow_run_id", Uuid, nullable=False),
    Column("task_run_id", Uuid),
    Column("timestamp", Timestamp, nullable=False),
    Column("rule", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("from_type", Text),
    Column("to_type", Text, nullable=False),
    Column("to_name", Text, nullable=False),
    Index("ix_rule_decision__flow_run_id", "flow_run_id", "id"),
)

log = Table(
    "log",
    metadata,
    Column("id", Counter, counted(), primary_key=True),
    Column("flow_run_id", Uuid, nullable=False),
    Column("task_run_id", Uuid),
    Column("timestamp", Timestamp, nullable=False),
    Column("level", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index("ix_log__flow_run_id", "flow_run_id", "id"),
    Index(
        "ix_log__task_run_id",
        "task_run_id",
        "id",
        sqlite_where=text("task_run_id IS NOT NULL"),
        postgresql_where=text("task_run_id IS NOT NULL"),
    ),
)

cache = Table(
    "cache",
    metadata,
    Column("key", Key, primary_key=True),
    Column("result_kind", Text, nullable=False),
    Column("result", LargeBinary),
    Column("created", Timestamp, nullable=False),
    Column("expires", Timestamp),
    Index(
        "ix_cache__expires",
        "expires",
        sqlite_where=text("expires IS NOT NULL"),
        postgresql_where=text("expires IS NOT NULL"),
    ),
)

deployment = Table(
    "deployment",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("flow_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    Column("version", Text),
    Column("description", Text),
    Column("paused", Boolean, nullable=False),
    Column("tags", Json, nullable=False),
    Column("labels", Json, nullable=False),
    Column("parameters", Json, nullable=False),
    Column("parameter_openapi_schema", Json),
    Column("enforce_parameter_schema", Boolean, nullable=False),
    Column("entrypoint", Text),
    Column("path", Text),
    Column("pull_steps", Json),
    Column("code_revision", Text),
    Column("work_pool_id", Uuid),
    Column("work_queue_id", Uuid),
    Column("job_variables", Json, nullable=False),
    Column("concurrency_limit", Integer),
    Column("concurrency_options", Json),
    Column("global_concurrency_limit_id", Uuid),
    Column("storage_document_id", Uuid),
    Column("infrastructure_document_id", Uuid),
    Column("last_polled", Timestamp),
    Column("created_by", Json),
    Column("updated_by", Json),
    Column("paused_by", Json),  # who paused it; NULL: nobody, or an earlier version
    UniqueConstraint("flow_id", "name"),
    Index("ix_deployment__name", "name"),
    Index("ix_deployment__work_queue_id", "work_queue_id"),
)

deployment_schedule = Table(
    "deployment_schedule",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("deployment_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),  # its runs have it: the slug, or else a hash of the definition
    Column("slug", Text),
    Column("definition", Json, nullable=False),
    Column("revision", BigInteger, nullable=False),  # raised by every edit
    Column("active", Boolean, nullable=False),
    Column("parameters", Json, nullable=False),
    Column("max_scheduled_runs", Integer),
    Column("catchup", Text),
    Column("next_at", Timestamp),  # slots before it have their runs; NULL: there are no more slots
    Column("reserved_until", Timestamp),  # until then a scheduler is making its runs
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    Column("created_by", Json),  # its author: a deploy keeps schedules that people made by hand
    Column("updated_by", Json),
    UniqueConstraint("deployment_id", "key"),
    Index("ix_deployment_schedule__next_at", "next_at"),
)

deployment_serving = Table(
    "deployment_serving",
    metadata,
    Column("deployment_id", Uuid, primary_key=True),
    Column("process_id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", Double, nullable=False),
    Column("until", Timestamp, nullable=False),  # when a silent process counts as gone
    Index("ix_deployment_serving__process_id", "process_id"),
)

work_pool = Table(
    "work_pool",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("description", Text),
    Column("base_job_template", Json, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("concurrency_limit", Integer),
    Column("default_queue_id", Uuid, nullable=False),
    Column("storage_configuration", Json, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
)

work_queue = Table(
    "work_queue",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("work_pool_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("priority", Integer, nullable=False),  # 1 goes first; distinct within a pool
    Column("is_paused", Boolean, nullable=False),
    Column("concurrency_limit", Integer),
    Column("last_polled", Timestamp),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    UniqueConstraint("work_pool_id", "name"),
)

worker = Table(
    "worker",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("work_pool_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("last_heartbeat_time", Timestamp, nullable=False),
    Column("heartbeat_interval_seconds", Integer, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    UniqueConstraint("work_pool_id", "name"),
    postgresql_with={"fillfactor": "50"},
)

code_package = Table(
    "code_package",
    metadata,
    Column("revision", Key, primary_key=True),  # sha256 of the package, hexadecimal
    Column("size_bytes", BigInteger, nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("content", LargeBinary),
    Column("uri", Text),  # where the package is, if not in `content`
)

# The change feed on SQLite; on Postgres it stays empty.
announcement = Table(
    "announcement",
    metadata,
    Column("topic", Key, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

# Append-heavy: streams read on in the order of `seq`; `id` makes a resend harmless.
event = Table(
    "event",
    metadata,
    Column("seq", Counter, counted(), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("occurred", Timestamp, nullable=False),
    Column("received", Timestamp, nullable=False),
    Column("event", Key, nullable=False),
    Column("resource_id", Key, nullable=False),
    Column("resource", Json, nullable=False),
    Column("related", Json, nullable=False),
    Column("payload", Json, nullable=False),
    Column("follows", Uuid),
    Index("ix_event__occurred", "occurred", "seq"),
    Index("ix_event__event", "event", "occurred"),
    Index("ix_event__resource_id", "resource_id", "occurred"),
    sqlite_autoincrement=True,  # a number is never used again, even when all events were removed
)

# The related resources of events, by which events are found.
event_resource = Table(
    "event_resource",
    metadata,
    Column("resource_id", Key, primary_key=True),
    Column("event_seq", BigInteger, primary_key=True),
    Column("role", Key, primary_key=True),
    Index("ix_event_resource__event_seq", "event_seq"),
    sqlite_with_rowid=False,
)

# States of flow runs that have no event yet: a trigger of the database adds each state that is written.
event_outbox = Table(
    "event_outbox",
    metadata,
    Column("id", Counter, counted(), primary_key=True),
    Column("state_id", Uuid, nullable=False),
    sqlite_autoincrement=True,
)

# Flow runs whose task run ids come from a remote client: they do not begin like the run's id.
flow_run_of_events = Table(
    "flow_run_of_events",
    metadata,
    Column("flow_run_id", Uuid, primary_key=True),
)

# Which services of a server run where: a row for each service in each process.
service = Table(
    "service",
    metadata,
    Column("process_id", Uuid, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Timestamp, nullable=False),
    Column("last_beat", Timestamp, nullable=False),
)

automation = Table(
    "automation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("paused_reason", Text),  # why the server switched it off
    Column("tags", Json, nullable=False),
    Column("trigger", Json, nullable=False),
    Column("actions", Json, nullable=False),
    Column("actions_on_trigger", Json, nullable=False),
    Column("actions_on_resolve", Json, nullable=False),
    Column("owner_resource", Text),  # the automation is removed with it
    Column("related", Json, nullable=False),  # ids of resources that its triggers or actions name
    Column("created", Timestamp, nullable=False),
    Column("updated", Timestamp, nullable=False),
    Index("ix_automation__owner_resource", "owner_resource"),
)
