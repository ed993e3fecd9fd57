"""What the servers' keepers last saw of Ray, how busy it was, and which runs use it.

The API's process never joins Ray, so that it outlives it: keepers write pictures of the cluster here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, insert, literal, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite

from . import losses
from .database.database import Database
from .database.setup_tables import cluster_load, cluster_picture
from .database.tables import flow, flow_run, rule_decision, run_lease, task_run
from .database.types import Timestamp
from .run_history import interval_begin, interval_number

SILENT_AFTER_S = 20.0
"""A keeper that has not written for this long is gone."""

_LOAD_KEPT = timedelta(days=8)
_FORGET_AFTER_S = 86_400.0
_LOSSES_SHOWN = 20
_MOST_RUNS = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """How much of a cluster was in use at one moment."""

    nodes: float = 0.0
    cpu_used: float = 0.0
    cpu_total: float = 0.0
    gpu_used: float = 0.0
    gpu_total: float = 0.0
    memory_used: float = 0.0
    memory_total: float = 0.0
    store_used: float = 0.0
    store_total: float = 0.0


@dataclass(frozen=True, slots=True)
class Load(Sample):
    """The means of the samples of one stretch of time, and how many tasks were begun a second."""

    at: datetime | None = None  # the middle of the stretch
    tasks_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    """`picture` is what the keeper last saw, at `seen`. `is_up`: Ray answers the keeper."""

    keeper: str
    at: datetime
    seen: datetime | None
    problem: str | None
    picture: dict[str, Any] | None
    is_up: bool


class Worker(NamedTuple):
    """A process that executes calls, on the node of that name."""

    node: str
    pid: int


@dataclass(frozen=True, slots=True)
class RunOnCluster:
    """A run that has not ended, with its lease and the processes that are known to execute its calls."""

    id: UUID
    name: str
    flow_name: str
    state_type: str
    state_name: str
    start_time: datetime | None
    epoch: int | None
    lease_until: datetime | None
    host: str | None
    pid: int | None
    workers: list[Worker]


@dataclass(frozen=True, slots=True)
class Loss:
    """A run that lost its executor and went on in another one, or ended."""

    at: datetime
    run_id: UUID
    run_name: str
    flow_name: str
    reason: str


async def keep(
    db: Database, keeper: str, cluster: str, picture: Mapping[str, Any], sample: Sample | None
) -> None:
    """Record what a keeper sees of Ray, and how busy it is if `sample` is given; removes what is old."""
    async with db.write() as connection:
        new = (sqlite.insert if db.is_sqlite else postgresql.insert)(cluster_picture).values(
            keeper=keeper, at=db.now(), seen=db.now(), problem=None, picture=dict(picture)
        )
        told = {name: new.excluded[name] for name in ("at", "seen", "problem", "picture")}
        await connection.execute(new.on_conflict_do_update(index_elements=["keeper"], set_=told))
        if sample is None:
            return
        await connection.execute(insert(cluster_load).values(at=db.now(), cluster=cluster, **asdict(sample)))
        await connection.execute(
            delete(cluster_load).where(cluster_load.c.at < db.from_now(-_LOAD_KEPT.total_seconds()))
        )
        await connection.execute(
            delete(cluster_picture).where(cluster_picture.c.at < db.from_now(-_FORGET_AFTER_S))
        )


async def keep_problem(db: Database, keeper: str, problem: str) -> None:
    """Record that a keeper cannot see Ray; the last picture stays."""
    async with db.write() as connection:
        new = (sqlite.insert if db.is_sqlite else postgresql.insert)(cluster_picture).values(
            keeper=keeper, at=db.now(), seen=None, problem=problem, picture=None
        )
        told = {"at": new.excluded.at, "problem": new.excluded.problem}
        await connection.execute(new.on_conflict_do_update(index_elements=["keeper"], set_=told))


async def forget(db: Database, keeper: str, problem: str) -> None:
    """Record that a keeper has ended by itself, and why its picture is the last one."""
    async with db.write() as connection:
        await connection.execute(
            update(cluster_picture)
            .where(cluster_picture.c.keeper == keeper)
            .values(problem=problem, at=db.from_now(-SILENT_AFTER_S))
        )


async def pictures(db: Database) -> list[Picture]:
    """The last picture of each keeper: those of a Ray that answers first, then by when it was seen."""
    table = cluster_picture.c
    now = type_coerce(db.now(), Timestamp()).label("now")
    async with db.read() as connection:
        rows = (await connection.execute(select(cluster_picture, now))).mappings().all()
    found: list[Picture] = []
    for row in rows:
        is_silent = (row["now"] - row[table.at]).total_seconds() >= SILENT_AFTER_S
        problem = row[table.problem]
        if is_silent and problem is None:
            problem = "the server that looks after Ray has not been heard of since then"
        found.append(
            Picture(
                row[table.keeper],
                row[table.at],
                row[table.seen],
                problem,
                row[table.picture],
                problem is None,
            )
        )
    return sorted(found, key=lambda each: (not each.is_up, -(each.seen or each.at).timestamp(), each.keeper))


async def read_picture(db: Database, keeper: str) -> dict[str, Any] | None:
    """The last picture of that keeper."""
    async with db.read() as connection:
        return await connection.scalar(
            select(cluster_picture.c.picture).where(cluster_picture.c.keeper == keeper)
        )


async def load(db: Database, since: datetime, parts: int) -> list[Load]:
    """How busy all clusters were since then, in `parts` steps, without those of which nothing is known."""
    now = await db.time()
    step_s = max((now - since).total_seconds() / parts, 1.0)
    columns = cluster_load.c
    names = [field.name for field in fields(Sample)]
    begin = interval_begin(db, columns.at, since, step_s).label("begin")
    means = (
        select(begin, columns.cluster, *(func.avg(columns[name]).label(name) for name in names))
        .where(columns.at >= since)
        .group_by("begin", columns.cluster)
    )
    expected = task_run.c.expected_start_time
    begun = (
        select(interval_begin(db, expected, since, step_s).label("begin"), func.count())
        .where(expected >= since, expected <= now)
        .group_by("begin")
    )
    async with db.read() as connection:
        rows = (await connection.execute(means)).mappings().all()
        tasks = {
            interval_number(moment, since, step_s): count for moment, count in await connection.execute(begun)
        }
    sums: dict[int, dict[str, float]] = {}
    for row in rows:
        number = interval_number(row["begin"], since, step_s)
        found = sums.setdefault(number, dict.fromkeys(names, 0.0))
        for name in names:
            found[name] += float(row[name])
    return [
        Load(
            **sums[number],
            at=min(since + timedelta(seconds=(number + 0.5) * step_s), now),
            tasks_per_s=tasks.get(number, 0) / step_s,
        )
        for number in sorted(sums)
    ]


async def runs(db: Database, run_ids: Collection[UUID]) -> list[RunOnCluster]:
    """These runs and all others that some process executes now, without those that have ended."""
    run, lease = flow_run.c, run_lease.c
    is_held = (run.state_type.in_(("RUNNING", "CANCELLING")) & lease.owner.is_not(None)) | run.id.in_(
        list(run_ids)
    )
    statement = (
        select(
            run.id,
            run.name,
            flow.c.name.label("flow_name"),
            run.state_type,
            run.state_name,
            run.start_time,
            lease.epoch,
            lease.until.label("lease_until"),
            lease.host,
            lease.pid,
        )
        .join(flow, flow.c.id == run.flow_id)
        .outerjoin(run_lease, lease.run_id == run.id)
        .where(run.state_type.in_(("PENDING", "RUNNING", "CANCELLING", "PAUSED")), is_held)
        .order_by(run.start_time, run.id)
        .limit(_MOST_RUNS)
    )
    async with db.read() as connection:
        rows = (await connection.execute(statement)).mappings().all()
        at_work: dict[UUID, list[Worker]] = {}
        doing = task_run.c
        executed = (
            select(doing.flow_run_id, doing.node, doing.pid)
            .distinct()
            .where(
                doing.flow_run_id.in_([row["id"] for row in rows]),
                doing.state_type == "RUNNING",
                doing.node.is_not(None),
                doing.pid.is_not(None),
            )
        )
        for run_id, node, pid in await connection.execute(executed):
            at_work.setdefault(run_id, []).append(Worker(node, pid))
    return [RunOnCluster(**row, workers=at_work.get(row["id"], [])) for row in rows]


async def lost(db: Database) -> Sequence[Loss]:
    """The newest losses of executors, the newest first."""
    said, run = rule_decision.c, flow_run.c
    statement = (
        select(
            said.timestamp.label("at"),
            run.id.label("run_id"),
            run.name.label("run_name"),
            flow.c.name.label("flow_name"),
            said.reason,
        )
        .join(flow_run, run.id == said.flow_run_id)
        .join(flow, flow.c.id == run.flow_id)
        .where(
            said.rule == literal(losses.RULE, literal_execute=True),
            said.timestamp >= db.from_now(-_FORGET_AFTER_S),
        )
        .order_by(said.timestamp.desc())
        .limit(_LOSSES_SHOWN)
    )
    async with db.read() as connection:
        return [Loss(**row) for row in (await connection.execute(statement)).mappings()]
