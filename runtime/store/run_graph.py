"""The graph of a flow run: its task runs, and the sub-flow runs that some of them represent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import GraphTooLarge, NotFound
from .database.database import Database
from .database.setup_tables import artifact, artifact_collection
from .database.tables import flow, flow_run, flow_run_state, task_run

MOST_NODES = 10_000  # of one graph; the standard API's limit


@dataclass(frozen=True, slots=True)
class GraphTask:
    """A task run as a node; `child` is set when the node shows a sub-flow run instead."""

    id: UUID
    label: str
    state_type: str
    start_time: datetime
    end_time: datetime | None
    task_inputs: dict[str, Any]
    child: GraphChild | None = None


@dataclass(frozen=True, slots=True)
class GraphChild:
    """A sub-flow run."""

    id: UUID
    label: str
    state_type: str
    start_time: datetime
    end_time: datetime | None


@dataclass(frozen=True, slots=True)
class GraphArtifactRow:
    """An artifact of the run or of one of its task runs; data only of progress."""

    id: UUID
    task_run_id: UUID | None
    created: datetime
    key: str | None
    type: str | None
    data: Any
    is_latest: bool


@dataclass(frozen=True, slots=True)
class GraphStateRow:
    """A state that the flow run went through."""

    id: UUID
    timestamp: datetime
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class RunGraph:
    """Everything that is shown in a flow run's graph, in the order of starts."""

    start_time: datetime | None
    end_time: datetime | None
    tasks: list[GraphTask]
    artifacts: list[GraphArtifactRow]
    states: list[GraphStateRow]


async def read(db: Database, flow_run_id: UUID, since: datetime | None = None) -> RunGraph:
    """The graph of a flow run; with `since` without nodes that had ended before.

    Raises NotFound, GraphTooLarge (more than 10,000 nodes).
    """
    async with db.read() as connection:
        columns = flow_run.c
        times = select(columns.start_time, columns.expected_start_time, columns.end_time)
        run = (await connection.execute(times.where(columns.id == flow_run_id))).first()
        if run is None:
            raise NotFound(f"there is no flow run {flow_run_id}")
        return RunGraph(
            run.start_time or run.expected_start_time,
            run.end_time,
            await _tasks(connection, flow_run_id, since),
            await _artifacts(connection, flow_run_id),
            await _states(connection, flow_run_id),
        )


async def _tasks(connection: AsyncConnection, flow_run_id: UUID, since: datetime | None) -> list[GraphTask]:
    columns = task_run.c
    still = [] if since is None else [or_(columns.end_time.is_(None), columns.end_time >= since)]
    of_run = [columns.flow_run_id == flow_run_id, *still]
    count = await connection.scalar(select(func.count()).select_from(task_run).where(*of_run))
    if (count or 0) > MOST_NODES:
        raise GraphTooLarge(f"the graph of this run has more than {MOST_NODES:,} nodes")
    children = await _children(connection, flow_run_id)
    tasks = await connection.execute(
        select(
            columns.id,
            func.coalesce(columns.name, columns.task_name + "-" + columns.dynamic_key),
            columns.state_type,
            func.coalesce(columns.start_time, columns.expected_start_time, type_=_TIME),
            columns.end_time,
            columns.task_inputs,
        ).where(*of_run)
    )
    nodes = [GraphTask(*row[:5], row[5] or {}, children.get(row[0])) for row in tasks]
    return sorted(nodes, key=_start)


async def _children(connection: AsyncConnection, flow_run_id: UUID) -> dict[UUID, GraphChild]:
    """By the tracking task run: the newest child of each stands for it."""
    columns = flow_run.c
    rows = await connection.execute(
        select(
            columns.parent_task_run_id,
            columns.id,
            flow.c.name,
            columns.name,
            columns.state_type,
            func.coalesce(columns.start_time, columns.expected_start_time, type_=_TIME),
            columns.end_time,
        )
        .join_from(flow_run, flow, flow.c.id == columns.flow_id)
        .join(task_run, task_run.c.id == columns.parent_task_run_id)
        .where(task_run.c.flow_run_id == flow_run_id)
        .order_by(columns.created)
    )
    return {
        row[0]: GraphChild(row[1], f"{row[2]} / {row[3]}", row[4] or "PENDING", row[5], row[6])
        for row in rows
        if row[5] is not None
    }


async def _artifacts(connection: AsyncConnection, flow_run_id: UUID) -> list[GraphArtifactRow]:
    columns, latest = artifact.c, artifact_collection.c.latest_id
    rows = await connection.execute(
        select(
            columns.id, columns.task_run_id, columns.created, columns.key, columns.type, columns.data, latest
        )
        .outerjoin_from(artifact, artifact_collection, latest == columns.id)
        .where(columns.flow_run_id == flow_run_id, or_(columns.type.is_(None), columns.type != "result"))
        .order_by(columns.id)
    )
    return [
        GraphArtifactRow(*row[:5], row[5] if row[4] == "progress" else None, row[3] is None or bool(row[6]))
        for row in rows
    ]


async def _states(connection: AsyncConnection, flow_run_id: UUID) -> list[GraphStateRow]:
    columns = flow_run_state.c
    rows = await connection.execute(
        select(columns.id, columns.timestamp, columns.type, columns.name)
        .where(columns.flow_run_id == flow_run_id)
        .order_by(columns.timestamp)
    )
    return [GraphStateRow(*row) for row in rows]


_TIME = task_run.c.start_time.type
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)


def _start(node: GraphTask) -> tuple[datetime, UUID]:
    shown = node.child or node
    return (shown.start_time or _EPOCH, node.id)
