"""Pools, queues and deployments as events told of them last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "told_place",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_told_place")),
    )
    # What is there already was made long ago: only its status will be told.
    for table in ("work_pool", "work_queue", "deployment"):
        kind = table.replace("_", "-")
        op.execute(
            f"INSERT INTO told_place (id, kind, name, status, updated) "
            f"SELECT id, '{kind}', name, '', updated FROM {table}"
        )


def downgrade() -> None:
    op.drop_table("told_place")
