"""How often each topic of the change feed was announced, for SQLite, which cannot notify."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "announcement",
        sa.Column("topic", KEY, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_announcement")),
    )


def downgrade() -> None:
    op.drop_table("announcement")
