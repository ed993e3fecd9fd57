"""What the evaluation of automations keeps, and the actions that are still to be carried out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "service_position",
        sa.Column("name", KEY, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("gaps", JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_service_position")),
    )
    op.execute(
        "INSERT INTO service_position (name, last, gaps) "
        "VALUES ('automations', (SELECT COALESCE(MAX(seq), 0) FROM event), '{}')"
    )
    op.create_table(
        "automation_window",
        sa.Column("automation_id", sa.Uuid(), nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("start", TIMESTAMP, nullable=False),
        sa.Column("end", TIMESTAMP, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last", JSON, nullable=True),
        sa.PrimaryKeyConstraint("automation_id", "path", "key", name=op.f("pk_automation_window")),
    )
    op.create_index("ix_automation_window__end", "automation_window", ["end"])
    op.create_table(
        "automation_part",
        sa.Column("automation_id", sa.Uuid(), nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("child", KEY, nullable=False),
        sa.Column("firing", JSON, nullable=False),
        sa.PrimaryKeyConstraint("automation_id", "path", "child", name=op.f("pk_automation_part")),
    )
    op.create_table(
        "automation_action",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("automation", JSON, nullable=False),
        sa.Column("action", JSON, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("firing", JSON, nullable=False),
        sa.Column("triggered_event_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automation_action")),
    )
    op.create_index("ix_automation_action__due", "automation_action", ["due"])


def downgrade() -> None:
    for table in ("automation_action", "automation_part", "automation_window", "service_position"):
        op.drop_table(table)
