"""What servers last saw of Ray, how busy it was, and an index to the losses of executors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
DOUBLE: sa.types.TypeEngine[float] = sa.Double()
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
LOSSES = sa.text("rule = 'lapsed-lease'")


def upgrade() -> None:
    op.create_table(
        "cluster_picture",
        sa.Column("keeper", sa.Text(), nullable=False),
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("seen", TIMESTAMP, nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("picture", JSON, nullable=True),
        sa.PrimaryKeyConstraint("keeper", name=op.f("pk_cluster_picture")),
    )
    op.create_table(
        "cluster_load",
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        *(
            sa.Column(name, DOUBLE, nullable=False)
            for name in (
                "nodes",
                "cpu_used",
                "cpu_total",
                "gpu_used",
                "gpu_total",
                "memory_used",
                "memory_total",
                "store_used",
                "store_total",
            )
        ),
        sa.PrimaryKeyConstraint("at", "cluster", name=op.f("pk_cluster_load")),
    )
    op.create_index(
        "ix_rule_decision__losses",
        "rule_decision",
        ["timestamp"],
        sqlite_where=LOSSES,
        postgresql_where=LOSSES,
    )


def downgrade() -> None:
    op.drop_index("ix_rule_decision__losses", table_name="rule_decision")
    op.drop_table("cluster_load")
    op.drop_table("cluster_picture")
