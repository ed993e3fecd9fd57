"""Who set schedules and paused deployments, and which processes serve a deployment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
DOUBLE: sa.types.TypeEngine[float] = sa.Double()
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("deployment_schedule", sa.Column("created_by", JSON, nullable=True))
    op.add_column("deployment_schedule", sa.Column("updated_by", JSON, nullable=True))
    op.add_column("deployment", sa.Column("paused_by", JSON, nullable=True))
    op.create_table(
        "deployment_serving",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", DOUBLE, nullable=False),
        sa.Column("until", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "process_id", name=op.f("pk_deployment_serving")),
    )
    op.create_index("ix_deployment_serving__process_id", "deployment_serving", ["process_id"])


def downgrade() -> None:
    op.drop_table("deployment_serving")
    op.drop_column("deployment", "paused_by")
    op.drop_column("deployment_schedule", "updated_by")
    op.drop_column("deployment_schedule", "created_by")
