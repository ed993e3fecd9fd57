"""Tables of changes to many runs at once, and the indexes by which log lines of all runs are found."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, Uuid, text

from .tables import log, metadata
from .types import Json, Timestamp

# A change of many runs at once, made one run after the other.
run_job = Table(
    "run_job",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("verb", Text, nullable=False),  # cancel, retry, set-state, delete
    Column("asked", Json, nullable=False),  # what people see of it: the query, the state, the message
    Column("status", Text, nullable=False),  # waiting, running, done, cancelled
    Column("total", Integer, nullable=False),
    Column("begins", Timestamp, nullable=False),  # until then it can be taken back as if it had never been
    Column("taken_until", Timestamp),  # until then one server process works on it
    Column("created", Timestamp, nullable=False),
    Column("ended", Timestamp),
    Index("ix_run_job__created", "created"),
    Index(
        "ix_run_job__begins",
        "begins",
        sqlite_where=text("ended IS NULL"),
        postgresql_where=text("ended IS NULL"),
    ),
)

# The runs of a job as they were when it was asked for: one whose state has changed since is left as it is.
run_job_item = Table(
    "run_job_item",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("flow_run_id", Uuid, nullable=False),
    Column("state_id", Uuid),
    Column("outcome", Text),  # done, refused, changed, gone; NULL: not yet
    Column("reason", Text),
    sqlite_with_rowid=False,
)

Index("ix_log__timestamp", log.c.timestamp, log.c.id)
# Warnings and errors are rare, and what people look for first.
Index(
    "ix_log__warnings",
    log.c.timestamp,
    log.c.id,
    sqlite_where=text("level >= 30"),
    postgresql_where=text("level >= 30"),
)
