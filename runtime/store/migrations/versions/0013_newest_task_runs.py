"""An index on when task runs were to start, for lists of the newest of all."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_task_run__expected_start_time", "task_run", ["expected_start_time", "id"])


def downgrade() -> None:
    op.drop_index("ix_task_run__expected_start_time", table_name="task_run")
