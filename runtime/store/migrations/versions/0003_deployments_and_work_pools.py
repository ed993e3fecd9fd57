"""Deployments with their schedules, work pools with queues and workers, and code packages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _code_packages()
    _deployments()
    _deployment_schedules()
    _work_pools()
    _work_queues()
    _workers()
    _flow_runs()


def _code_packages() -> None:
    op.create_table(
        "code_package",
        sa.Column("revision", KEY, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_code_package")),
    )


def _deployments() -> None:
    op.create_table(
        "deployment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("flow_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("parameters", JSON, nullable=False),
        sa.Column("parameter_openapi_schema", JSON, nullable=True),
        sa.Column("enforce_parameter_schema", sa.Boolean(), nullable=False),
        sa.Column("entrypoint", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("pull_steps", JSON, nullable=True),
        sa.Column("code_revision", sa.Text(), nullable=True),
        sa.Column("work_pool_id", sa.Uuid(), nullable=True),
        sa.Column("work_queue_id", sa.Uuid(), nullable=True),
        sa.Column("job_variables", JSON, nullable=False),
        sa.Column("concurrency_limit", sa.Integer(), nullable=True),
        sa.Column("concurrency_options", JSON, nullable=True),
        sa.Column("global_concurrency_limit_id", sa.Uuid(), nullable=True),
        sa.Column("storage_document_id", sa.Uuid(), nullable=True),
        sa.Column("infrastructure_document_id", sa.Uuid(), nullable=True),
        sa.Column("last_polled", TIMESTAMP, nullable=True),
        sa.Column("created_by", JSON, nullable=True),
        sa.Column("updated_by", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment")),
        sa.UniqueConstraint("flow_id", "name", name=op.f("uq_deployment__flow_id_name")),
    )
    op.create_index("ix_deployment__name", "deployment", ["name"])
    op.create_index("ix_deployment__work_queue_id", "deployment", ["work_queue_id"])


def _deployment_schedules() -> None:
    op.create_table(
        "deployment_schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=True),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("parameters", JSON, nullable=False),
        sa.Column("max_scheduled_runs", sa.Integer(), nullable=True),
        sa.Column("catchup", sa.Text(), nullable=True),
        sa.Column("next_at", TIMESTAMP, nullable=True),
        sa.Column("reserved_until", TIMESTAMP, nullable=True),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment_schedule")),
        sa.UniqueConstraint("deployment_id", "key", name=op.f("uq_deployment_schedule__deployment_id_key")),
    )
    op.create_index("ix_deployment_schedule__next_at", "deployment_schedule", ["next_at"])


def _work_pools() -> None:
    op.create_table(
        "work_pool",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("base_job_template", JSON, nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("concurrency_limit", sa.Integer(), nullable=True),
        sa.Column("default_queue_id", sa.Uuid(), nullable=False),
        sa.Column("storage_configuration", JSON, nullable=False),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_pool")),
        sa.UniqueConstraint("name", name=op.f("uq_work_pool__name")),
    )


def _work_queues() -> None:
    op.create_table(
        "work_queue",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("work_pool_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("concurrency_limit", sa.Integer(), nullable=True),
        sa.Column("last_polled", TIMESTAMP, nullable=True),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_queue")),
        sa.UniqueConstraint("work_pool_id", "name", name=op.f("uq_work_queue__work_pool_id_name")),
    )


def _workers() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("work_pool_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_heartbeat_time", TIMESTAMP, nullable=False),
        sa.Column("heartbeat_interval_seconds", sa.Integer(), nullable=False),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("work_pool_id", "name", name=op.f("uq_worker__work_pool_id_name")),
        postgresql_with={"fillfactor": "50"},
    )


def _flow_runs() -> None:
    op.add_column("flow_run", sa.Column("deployment_id", sa.Uuid(), nullable=True))
    op.add_column("flow_run", sa.Column("deployment_version", sa.Text(), nullable=True))
    op.add_column("flow_run", sa.Column("work_pool_id", sa.Uuid(), nullable=True))
    op.add_column("flow_run", sa.Column("work_queue_id", sa.Uuid(), nullable=True))
    op.add_column("flow_run", sa.Column("schedule_key", sa.Text(), nullable=True))
    op.add_column("flow_run", sa.Column("slot_at", TIMESTAMP, nullable=True))
    op.create_index(
        "ix_flow_run__deployment_id",
        "flow_run",
        ["deployment_id", "expected_start_time"],
        sqlite_where=sa.text("deployment_id IS NOT NULL"),
        postgresql_where=sa.text("deployment_id IS NOT NULL"),
    )
    op.create_index(
        "ix_flow_run__deployment_id_state_type",
        "flow_run",
        ["deployment_id", "state_type", "next_scheduled_start_time"],
        sqlite_where=sa.text("deployment_id IS NOT NULL"),
        postgresql_where=sa.text("deployment_id IS NOT NULL"),
    )
    op.create_index(
        "ix_flow_run__next_scheduled_start_time",
        "flow_run",
        ["next_scheduled_start_time"],
        sqlite_where=sa.text("state_name = 'Scheduled'"),
        postgresql_where=sa.text("state_name = 'Scheduled'"),
    )
    op.create_index(
        "ix_flow_run__work_queue_id",
        "flow_run",
        ["work_queue_id", "state_type", "next_scheduled_start_time", "id"],
        sqlite_where=sa.text("work_queue_id IS NOT NULL"),
        postgresql_where=sa.text("work_queue_id IS NOT NULL"),
    )
    op.create_index(
        "uq_flow_run__slot",
        "flow_run",
        ["deployment_id", "schedule_key", "slot_at"],
        unique=True,
        sqlite_where=sa.text("schedule_key IS NOT NULL"),
        postgresql_where=sa.text("schedule_key IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_flow_run__slot", table_name="flow_run")
    op.drop_index("ix_flow_run__work_queue_id", table_name="flow_run")
    op.drop_index("ix_flow_run__next_scheduled_start_time", table_name="flow_run")
    op.drop_index("ix_flow_run__deployment_id_state_type", table_name="flow_run")
    op.drop_index("ix_flow_run__deployment_id", table_name="flow_run")
    op.drop_column("flow_run", "slot_at")
    op.drop_column("flow_run", "schedule_key")
    op.drop_column("flow_run", "work_queue_id")
    op.drop_column("flow_run", "work_pool_id")
    op.drop_column("flow_run", "deployment_version")
    op.drop_column("flow_run", "deployment_id")
    op.drop_table("worker")
    op.drop_table("work_queue")
    op.drop_table("work_pool")
    op.drop_table("deployment_schedule")
    op.drop_table("deployment")
    op.drop_table("code_package")
