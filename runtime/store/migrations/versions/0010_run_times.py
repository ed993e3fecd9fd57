"""Indexes on when runs started, for the pages that sort and narrow by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STARTED = "coalesce(start_time, expected_start_time)"


def upgrade() -> None:
    op.create_index("ix_flow_run__started", "flow_run", [sa.text(STARTED), "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_task_run__times",
            "task_run",
            ["expected_start_time", sa.text(STARTED)],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": "32", "autosummarize": "on"},
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_task_run__times", table_name="task_run")
    op.drop_index("ix_flow_run__started", table_name="flow_run")
