"""The two main statements of a claim, in the dialect of each database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Double, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..records import Owner
from .database.database import Database
from .database.types import Json, Timestamp, to_micros


async def due_runs(
    db: Database,
    connection: AsyncConnection,
    queue_id: UUID,
    limit: int,
    full: Collection[UUID],
    past: Collection[UUID],
) -> Sequence[Any]:
    """Lock due runs of a queue, the earliest first, except runs of deployments in `full` and runs in `past`.
    Runs that another transaction has locked are skipped.
    """
    facts: dict[str, Any] = {"queue": queue_id, "limit": limit}
    if db.is_sqlite:
        facts |= {
            "queue": queue_id.hex,
            "now": to_micros(clock.epoch_s()),
            "full": orjson.dumps([each.hex for each in full]).decode(),
            "past": orjson.dumps([each.hex for each in past]).decode(),
        }
        return (await connection.execute(_DUE_SQLITE, facts)).all()
    facts |= {"full": list(full), "past": list(past)}
    return (await connection.execute(_DUE_POSTGRES, facts)).all()


async def take_leases(
    db: Database, connection: AsyncConnection, run_ids: list[UUID], owner: Owner, lease_s: float
) -> dict[UUID, tuple[int, int]]:
    """Take the runs' leases; returns epoch and last event number of those that were free."""
    if not run_ids:
        return {}
    facts: dict[str, Any] = {
        "host": owner.host,
        "pid": owner.pid,
        "process_started": owner.process_started,
    }
    if db.is_sqlite:
        now = clock.epoch_s()
        facts |= {
            "runs": orjson.dumps([run_id.hex for run_id in run_ids]).decode(),
            "owner": owner.id.hex,
            "now": to_micros(now),
            "until": to_micros(now + lease_s),
        }
        rows = await connection.execute(_LEASE_SQLITE, facts)
        return {UUID(row[0]): (row[1], row[2]) for row in rows}
    facts |= {"runs": run_ids, "owner": owner.id, "lease_s": lease_s}
    rows = await connection.execute(_LEASE_POSTGRES, facts)
    return {row[0]: (row[1], row[2]) for row in rows}


# A run with a living lease is being retried by its process. A run that never had a lease may be retried by #
# its client's process, too, as its policy says; a lapsed lease means that the process is gone.
_DUE = """
    SELECT r.id, r.flow_id, r.name, r.deployment_id, r.work_queue_id, r.run_count, r.entrypoint,
      r.code_revision, r.job_variables, r.next_scheduled_start_time AS due_at,
      d.concurrency_limit AS deployment_limit, d.global_concurrency_limit_id AS shared_limit_id,
      d.concurrency_options, d.job_variables AS deployment_variables, d.path, d.pull_steps
    FROM flow_run r
    LEFT JOIN deployment d ON d.id = r.deployment_id
    LEFT JOIN run_lease l ON l.run_id = r.id
    WHERE r.work_queue_id = :queue AND r.state_type = 'SCHEDULED'
      AND r.next_scheduled_start_time <= {now}
      AND (l.owner IS NULL OR l.until <= {now})
      AND (l.owner IS NOT NULL OR {retry_type} IS DISTINCT FROM 'in_process')
      AND (r.deployment_id IS NULL OR d.id IS NOT NULL)
      AND {not_full} AND {not_past}
    ORDER BY r.next_scheduled_start_time, r.id LIMIT :limit
"""
_RESULT_TYPES: dict[str, Any] = {
    "id": Uuid(),
    "flow_id": Uuid(),
    "deployment_id": Uuid(),
    "shared_limit_id": Uuid(),
    "concurrency_options": Json(),
    "work_queue_id": Uuid(),
    "job_variables": Json(),
    "deployment_variables": Json(),
    "pull_steps": Json(),
    "due_at": Timestamp(),
}
_DUE_POSTGRES = text(
    _DUE.format(
        now="statement_timestamp()",
        retry_type="r.empirical_policy ->> 'retry_type'",
        not_full="(r.deployment_id IS NULL OR r.deployment_id <> ALL(CAST(:full AS uuid[])))",
        not_past="r.id <> ALL(CAST(:past AS uuid[]))",
    )
    + "FOR NO KEY UPDATE OF r SKIP LOCKED"
).columns(**_RESULT_TYPES)
_DUE_SQLITE = text(
    _DUE.format(
        now=":now",
        retry_type="json_extract(r.empirical_policy, '$.retry_type')",
        not_full="(r.deployment_id IS NULL OR r.deployment_id NOT IN (SELECT value FROM json_each(:full)))",
        not_past="r.id NOT IN (SELECT value FROM json_each(:past))",
    ).replace("IS DISTINCT FROM", "IS NOT")
).columns(**_RESULT_TYPES)

_TAKE_LEASE = """
    ON CONFLICT (run_id) DO UPDATE SET epoch = run_lease.epoch + 1, owner = excluded.owner,
      until = excluded.until, host = excluded.host, pid = excluded.pid,
      process_started = excluded.process_started
    WHERE run_lease.owner IS NULL OR run_lease.until <= {now}
    RETURNING run_id, epoch, last_seq
"""
_LEASE_POSTGRES = text(
    """
    INSERT INTO run_lease (run_id, epoch, owner, until, last_seq, host, pid, process_started)
    SELECT run_id, 1, :owner, clock_timestamp() + make_interval(secs => :lease_s), 0, :host, :pid,
      :process_started
    FROM unnest(CAST(:runs AS uuid[])) AS u(run_id)
    """
    + _TAKE_LEASE.format(now="clock_timestamp()")
).bindparams(bindparam("owner", type_=Uuid()), bindparam("lease_s", type_=Double()))
_LEASE_SQLITE = text(
    """
    INSERT INTO run_lease (run_id, epoch, owner, until, last_seq, host, pid, process_started)
    SELECT value, 1, :owner, :until, 0, :host, :pid, :process_started FROM json_each(:runs) WHERE true
    """
    + _TAKE_LEASE.format(now=":now")
)
