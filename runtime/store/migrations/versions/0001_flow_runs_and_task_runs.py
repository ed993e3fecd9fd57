"""Flows, flow runs and their states, leases, task runs, decisions, logs and the cache."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
DOUBLE: sa.Double[float] = sa.Double()
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _cache()
    _flows()
    _flow_runs()
    _flow_run_states()
    _logs()
    _rule_decisions()
    _run_leases()
    _task_runs()


def _cache() -> None:
    op.create_table(
        "cache",
        sa.Column("key", KEY, nullable=False),
        sa.Column("result_kind", sa.Text(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("expires", TIMESTAMP, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_cache")),
    )
    op.create_index(
        "ix_cache__expires",
        "cache",
        ["expires"],
        unique=False,
        sqlite_where=sa.text("expires IS NOT NULL"),
        postgresql_where=sa.text("expires IS NOT NULL"),
    )


def _flows() -> None:
    op.create_table(
        "flow",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow")),
        sa.UniqueConstraint("name", name=op.f("uq_flow__name")),
    )


def _flow_runs() -> None:
    op.create_table(
        "flow_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("flow_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state_id", sa.Uuid(), nullable=True),
        sa.Column("state_type", sa.Text(), nullable=True),
        sa.Column("state_name", sa.Text(), nullable=True),
        sa.Column("state_timestamp", TIMESTAMP, nullable=True),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("total_run_time", DOUBLE, nullable=False),
        sa.Column("expected_start_time", TIMESTAMP, nullable=True),
        sa.Column("next_scheduled_start_time", TIMESTAMP, nullable=True),
        sa.Column("start_time", TIMESTAMP, nullable=True),
        sa.Column("end_time", TIMESTAMP, nullable=True),
        sa.Column("parameters", JSON, nullable=False),
        sa.Column("parameters_pickle", sa.LargeBinary(), nullable=True),
        sa.Column("context", JSON, nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("empirical_policy", JSON, nullable=False),
        sa.Column("created_by", JSON, nullable=True),
        sa.Column("flow_version", sa.Text(), nullable=True),
        sa.Column("entrypoint", sa.Text(), nullable=True),
        sa.Column("code_revision", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("parent_task_run_id", sa.Uuid(), nullable=True),
        sa.Column("auto_scheduled", sa.Boolean(), nullable=False),
        sa.Column("infrastructure_pid", sa.Text(), nullable=True),
        sa.Column("job_variables", JSON, nullable=True),
        sa.Column("result_kind", sa.Text(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.Column("error", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow_run")),
        sa.UniqueConstraint("flow_id", "idempotency_key", name=op.f("uq_flow_run__flow_id_idempotency_key")),
    )
    op.create_index(
        "ix_flow_run__expected_start_time", "flow_run", ["expected_start_time", "id"], unique=False
    )
    op.create_index("ix_flow_run__flow_id", "flow_run", ["flow_id", "expected_start_time"], unique=False)
    op.create_index("ix_flow_run__name", "flow_run", ["name"], unique=False)
    op.create_index(
        "ix_flow_run__parent_task_run_id",
        "flow_run",
        ["parent_task_run_id"],
        unique=False,
        sqlite_where=sa.text("parent_task_run_id IS NOT NULL"),
        postgresql_where=sa.text("parent_task_run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_flow_run__state_type", "flow_run", ["state_type", "expected_start_time"], unique=False
    )


def _flow_run_states() -> None:
    op.create_table(
        "flow_run_state",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timestamp", TIMESTAMP, nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.Column("result_kind", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow_run_state")),
        sa.UniqueConstraint(
            "flow_run_id", "timestamp", name=op.f("uq_flow_run_state__flow_run_id_timestamp")
        ),
    )


def _logs() -> None:
    op.create_table(
        "log",
        sa.Column("id", COUNTER, sa.Identity(always=False), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=False),
        sa.Column("task_run_id", sa.Uuid(), nullable=True),
        sa.Column("timestamp", TIMESTAMP, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log")),
    )
    op.create_index("ix_log__flow_run_id", "log", ["flow_run_id", "id"], unique=False)
    op.create_index(
        "ix_log__task_run_id",
        "log",
        ["task_run_id", "id"],
        unique=False,
        sqlite_where=sa.text("task_run_id IS NOT NULL"),
        postgresql_where=sa.text("task_run_id IS NOT NULL"),
    )


def _rule_decisions() -> None:
    op.create_table(
        "rule_decision",
        sa.Column("id", COUNTER, sa.Identity(always=False), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=False),
        sa.Column("task_run_id", sa.Uuid(), nullable=True),
        sa.Column("timestamp", TIMESTAMP, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("from_type", sa.Text(), nullable=True),
        sa.Column("to_type", sa.Text(), nullable=False),
        sa.Column("to_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_decision")),
    )
    op.create_index("ix_rule_decision__flow_run_id", "rule_decision", ["flow_run_id", "id"], unique=False)


def _run_leases() -> None:
    op.create_table(
        "run_lease",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("until", TIMESTAMP, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("process_started", DOUBLE, nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_lease")),
        postgresql_with={"fillfactor": "50"},
    )


def _task_runs() -> None:
    op.create_table(
        "task_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=False),
        sa.Column("expected_start_time", TIMESTAMP, nullable=False),
        sa.Column("start_time", TIMESTAMP, nullable=True),
        sa.Column("end_time", TIMESTAMP, nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("task_key", KEY, nullable=False),
        sa.Column("dynamic_key", KEY, nullable=False),
        sa.Column("task_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("state_type", sa.Text(), nullable=False),
        sa.Column("state_name", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("tags", JSON, nullable=True),
        sa.Column("policy", JSON, nullable=True),
        sa.Column("task_version", sa.Text(), nullable=True),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("task_inputs", JSON, nullable=True),
        sa.Column("input_hash", sa.LargeBinary(), nullable=True),
        sa.Column("cache_key", sa.Text(), nullable=True),
        sa.Column("cache_expiration", TIMESTAMP, nullable=True),
        sa.Column("timeline", JSON, nullable=True),
        sa.Column("error", JSON, nullable=True),
        sa.Column("result_kind", sa.Text(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_run")),
        sa.UniqueConstraint(
            "flow_run_id",
            "task_key",
            "dynamic_key",
            name=op.f("uq_task_run__flow_run_id_task_key_dynamic_key"),
        ),
        postgresql_with={"fillfactor": "90"},
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("task_run")
    op.drop_table("run_lease")
    op.drop_table("rule_decision")
    op.drop_table("log")
    op.drop_table("flow_run_state")
    op.drop_table("flow_run")
    op.drop_table("flow")
    op.drop_table("cache")
