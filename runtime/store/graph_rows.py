"""The task runs of a flow run for its graph: plain rows of what changed, and the sub-flow runs among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Text, case, cast, func, null, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from .database.database import Database
from .database.tables import flow, flow_run, run_lease, task_run
from .task_runs import of_run

MOST_SUB_FLOWS = 50  # whose task runs are read as well; the others are one node each
DEEPEST = 3  # levels of sub-flows below the run
_MESSAGE = 300  # characters
_FAILED = ("FAILED", "CRASHED")
_UNENDED = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")


class TaskLine(NamedTuple):
    """One task run. Moments are microseconds since 1970; `inputs` is the JSON of its inputs as text."""

    id: str
    task_key: str
    dynamic_key: str
    task_name: str
    name: str | None
    state_type: str
    state_name: str
    expected: int | None
    start: int | None
    end: int | None
    run_count: int
    node: str | None
    message: str | None
    inputs: str | None


@dataclass(frozen=True, slots=True)
class GraphRun:
    """A flow run in the graph; `parent` is the task run that stands for it in the run around it."""

    id: UUID
    name: str
    flow_name: str
    state_type: str | None
    state_name: str | None
    expected: datetime | None
    start: datetime | None
    end: datetime | None
    parent: UUID | None
    depth: int
    seq: int  # up to which its records are in `lines`
    lines: list[TaskLine] = field(default_factory=list[TaskLine])


async def read(db: Database, flow_run_id: UUID, since: Mapping[UUID, int]) -> list[GraphRun]:
    """The run and its sub-flow runs, the run first, each with the task runs that changed after `since`.

    `since` maps runs to the `seq` of an earlier reading; a run that is not in it is read whole. Task runs
    that have not ended come every time, and those of remote clients, which have no sequence. Raises NotFound.
    """
    async with db.read() as connection:
        level = await _runs(connection, [flow_run.c.id == flow_run_id], 0)
        if not level:
            raise NotFound(f"there is no flow run {flow_run_id}")
        found = level
        for depth in range(1, DEEPEST + 1):
            within = task_run.c.flow_run_id.in_([run.id for run in level])
            level = await _runs(connection, [within], depth)
            level = level[: max(0, MOST_SUB_FLOWS - len(found) + 1)]
            if not level:
                break
            found += level
        for run in found:
            run.lines.extend(await _lines(db, connection, run.id, since.get(run.id)))
    return found


async def _runs(connection: AsyncConnection, conditions: Sequence[Any], depth: int) -> list[GraphRun]:
    columns = flow_run.c
    statement = (
        select(
            columns.id,
            columns.name,
            flow.c.name,
            columns.state_type,
            columns.state_name,
            columns.expected_start_time,
            columns.start_time,
            columns.end_time,
            columns.parent_task_run_id,
            func.coalesce(run_lease.c.last_seq, 0),
        )
        .join_from(flow_run, flow, flow.c.id == columns.flow_id)
        .outerjoin(run_lease, run_lease.c.run_id == columns.id)
        .where(*conditions)
        .order_by(columns.created, columns.id)
        .limit(MOST_SUB_FLOWS + 1)
    )
    if depth:
        statement = statement.join(task_run, task_run.c.id == columns.parent_task_run_id)
    return [GraphRun(*row[:9], depth, row[9]) for row in await connection.execute(statement)]


async def _lines(
    db: Database, connection: AsyncConnection, flow_run_id: UUID, after: int | None
) -> list[TaskLine]:
    columns = task_run.c
    changed = (
        []
        if after is None
        else [or_(columns.seq > after, columns.seq == 0, columns.state_type.in_(_UNENDED))]
    )
    statement = select(
        columns.id if not db.is_sqlite else type_coerce(columns.id, Text),
        columns.task_key,
        columns.dynamic_key,
        columns.task_name,
        columns.name,
        columns.state_type,
        columns.state_name,
        _micros(db, columns.expected_start_time),
        _micros(db, columns.start_time),
        _micros(db, columns.end_time),
        columns.run_count,
        columns.node,
        case((columns.state_type.in_(_FAILED), func.substr(columns.message, 1, _MESSAGE)), else_=null()),
        type_coerce(columns.task_inputs, Text) if db.is_sqlite else cast(columns.task_inputs, Text),
    ).where(*await of_run(connection, flow_run_id), *changed)
    rows = await connection.execute(statement)
    return [TaskLine(_hex(row[0]), *row[1:]) for row in rows]


def _micros(db: Database, moment: Any) -> Any:
    if db.is_sqlite:
        return type_coerce(moment, BigInteger)
    return type_coerce(cast(func.extract("epoch", moment) * 1_000_000, BigInteger), BigInteger)


def _hex(id: UUID | str) -> str:
    return id.replace("-", "") if isinstance(id, str) else id.hex
