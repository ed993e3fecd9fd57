"""Background tasks that wait for a worker, and the workers that are connected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "background_run",
        sa.Column("task_run_id", sa.Uuid(), nullable=False),
        sa.Column("task_key", KEY, nullable=False),
        sa.Column("queued", TIMESTAMP, nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", TIMESTAMP, nullable=True),
        sa.PrimaryKeyConstraint("task_run_id", name=op.f("pk_background_run")),
    )
    op.create_index("ix_background_run__task_key", "background_run", ["task_key", "queued"])
    op.create_index("ix_background_run__claimed_by", "background_run", ["claimed_by"])
    op.create_table(
        "task_worker",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("task_keys", JSON, nullable=False),
        sa.Column("last_seen", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_worker")),
    )


def downgrade() -> None:
    op.drop_table("task_worker")
    op.drop_table("background_run")
