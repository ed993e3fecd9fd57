"""When each service of a server was last heard of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "service",
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", TIMESTAMP, nullable=False),
        sa.Column("last_beat", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("process_id", "name", name=op.f("pk_service")),
    )


def downgrade() -> None:
    op.drop_table("service")
