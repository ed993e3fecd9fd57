"""Events, and an outbox of flow run states that events are to be made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIMESTAMP = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The database does it, so that no writer of a state can forget: journals, routes, claims, schedulers.
POSTGRES_TRIGGER = (
    "CREATE FUNCTION heliostat_state_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO event_outbox (state_id) SELECT id FROM written ORDER BY timestamp; RETURN NULL; END $$",
    "CREATE TRIGGER flow_run_state_to_outbox AFTER INSERT ON flow_run_state REFERENCING NEW TABLE AS written "
    "FOR EACH STATEMENT EXECUTE FUNCTION heliostat_state_to_outbox()",
)
SQLITE_TRIGGER = (
    "CREATE TRIGGER flow_run_state_to_outbox AFTER INSERT ON flow_run_state "
    "BEGIN INSERT INTO event_outbox (state_id) VALUES (NEW.id); END",
)


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("seq", COUNTER, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("occurred", TIMESTAMP, nullable=False),
        sa.Column("received", TIMESTAMP, nullable=False),
        sa.Column("event", KEY, nullable=False),
        sa.Column("resource_id", KEY, nullable=False),
        sa.Column("resource", JSON, nullable=False),
        sa.Column("related", JSON, nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("follows", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sa.UniqueConstraint("id", name=op.f("uq_event__id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event__occurred", "event", ["occurred", "seq"])
    op.create_index("ix_event__event", "event", ["event", "occurred"])
    op.create_index("ix_event__resource_id", "event", ["resource_id", "occurred"])
    op.create_table(
        "event_resource",
        sa.Column("resource_id", KEY, nullable=False),
        sa.Column("event_seq", sa.BigInteger(), nullable=False),
        sa.Column("role", KEY, nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "event_seq", "role", name=op.f("pk_event_resource")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_event_resource__event_seq", "event_resource", ["event_seq"])
    op.create_table(
        "event_outbox",
        sa.Column("id", COUNTER, sa.Identity(always=False), nullable=False),
        sa.Column("state_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "flow_run_of_events",
        sa.Column("flow_run_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("flow_run_id", name=op.f("pk_flow_run_of_events")),
    )
    for statement in POSTGRES_TRIGGER if _on_postgres() else SQLITE_TRIGGER:
        op.execute(sa.text(statement))


def downgrade() -> None:
    op.execute("DROP TRIGGER flow_run_state_to_outbox" + (" ON flow_run_state" if _on_postgres() else ""))
    if _on_postgres():
        op.execute("DROP FUNCTION heliostat_state_to_outbox()")
    for table in ("flow_run_of_events", "event_outbox", "event_resource", "event"):
        op.drop_table(table)


def _on_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"
