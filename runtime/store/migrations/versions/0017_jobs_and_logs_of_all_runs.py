"""Changes of many runs at once as tracked jobs, and indexes to search the log lines of all runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
NOT_ENDED = sa.text("ended IS NULL")
WARNINGS = sa.text("level >= 30")


def upgrade() -> None:
    op.create_table(
        "run_job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("asked", JSON, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("begins", TIMESTAMP, nullable=False),
        sa.Column("taken_until", TIMESTAMP, nullable=True),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("ended", TIMESTAMP, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_job")),
    )
    op.create_index("ix_run_job__created", "run_job", ["created"])
    op.create_index(
        "ix_run_job__begins", "run_job", ["begins"], sqlite_where=NOT_ENDED, postgresql_where=NOT_ENDED
    )
    op.create_table(
        "run_job_item",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("flow_run_id", sa.Uuid(), nullable=False),
        sa.Column("state_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_run_job_item")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log__timestamp", "log", ["timestamp", "id"])
    op.create_index(
        "ix_log__warnings", "log", ["timestamp", "id"], sqlite_where=WARNINGS, postgresql_where=WARNINGS
    )


def downgrade() -> None:
    op.drop_index("ix_log__warnings", table_name="log")
    op.drop_index("ix_log__timestamp", table_name="log")
    op.drop_table("run_job_item")
    op.drop_table("run_job")
