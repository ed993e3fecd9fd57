"""Concurrency limits and the leases on their slots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
DOUBLE: sa.types.TypeEngine[float] = sa.Double()


def upgrade() -> None:
    op.create_table(
        "concurrency_limit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("updated", TIMESTAMP, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("slot_limit", sa.Integer(), nullable=False),
        sa.Column("slot_decay_per_second", DOUBLE, nullable=False),
        sa.Column("active_slots", DOUBLE, nullable=False),
        sa.Column("decayed_at", TIMESTAMP, nullable=False),
        sa.Column("denied_slots", sa.Integer(), nullable=False),
        sa.Column("avg_slot_occupancy_seconds", DOUBLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_concurrency_limit")),
        sa.UniqueConstraint("name", name=op.f("uq_concurrency_limit__name")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "concurrency_lease",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("limit_id", sa.Uuid(), nullable=False),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("taken", TIMESTAMP, nullable=False),
        sa.Column("until", TIMESTAMP, nullable=False),
        sa.Column("holder", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", "limit_id", name=op.f("pk_concurrency_lease")),
    )
    op.create_index("ix_concurrency_lease__limit_id", "concurrency_lease", ["limit_id", "until"])


def downgrade() -> None:
    op.drop_table("concurrency_lease")
    op.drop_table("concurrency_limit")
