"""Automations: what is to be done when something happens, or does not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    documents = ("tags", "trigger", "actions", "actions_on_trigger", "actions_on_resolve", "related")
    op.create_table(
        "automation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        *(sa.Column(name, JSON, nullable=False) for name in documents),
        sa.Column("owner_resource", sa.Text(), nullable=True),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automation")),
    )
    op.create_index("ix_automation__owner_resource", "automation", ["owner_resource"])


def downgrade() -> None:
    op.drop_table("automation")
