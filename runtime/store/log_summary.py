"""What a search of log lines found: how many when, of which level and flow, and which are alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..values.line_matching import template_of
from .database.database import Database
from .database.tables import flow, flow_run, log
from .log_search import LEVELS, LogQuery, indexed_conditions, other_conditions
from .run_history import interval_begin, interval_number

MOST_LOOKED_AT = 200_000
_ALIKE_LOOKED_AT = 3_000
_LEAST_STEP_S = 0.001


@dataclass(frozen=True, slots=True)
class AlikeLines:
    """Lines that differ in numbers, ids and quoted words alone."""

    template: str
    level: int
    count: int


@dataclass(slots=True)
class LogSummary:
    """Counts of the newest lines. `levels` and `bins` leave out which levels were asked for, and `flows`
    which flows: they tell what another choice would bring. `is_partial`: older lines were not looked at.
    """

    since: datetime | None
    until: datetime | None
    step_s: float
    bins: list[dict[str, int]] = field(default_factory=list[dict[str, int]])
    levels: dict[str, int] = field(default_factory=dict[str, int])
    flows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    alike: list[AlikeLines] = field(default_factory=list[AlikeLines])
    total: int = 0
    is_partial: bool = False


async def read(db: Database, query: LogQuery, parts: int) -> LogSummary:
    """The summary, its histogram in that many equal parts; expressions and templates of the query are not
    counted in.
    """
    async with db.read() as connection:
        edges = await _edges(connection, query)
        if edges is None:
            return LogSummary(query.after, query.before, 0.0)
        since, until, is_partial = edges
        step_s = max((until - since).total_seconds() / parts, _LEAST_STEP_S)
        summary = LogSummary(since, until, step_s, [{} for _ in range(parts)], is_partial=is_partial)
        await _count_levels(db, connection, query, summary)
        looked_at = _looked_at(query, since, other_conditions(db, query, with_flows=False))
        summary.flows = await _count_flows(connection, looked_at)
        newest = _looked_at(query, since, other_conditions(db, query), most=_ALIKE_LOOKED_AT)
        summary.alike = await _alike(connection, newest)
    chosen = query.levels if query.levels is not None else list(LEVELS)
    summary.total = sum(summary.levels.get(level, 0) for level in chosen)
    return summary


async def _edges(connection: AsyncConnection, query: LogQuery) -> tuple[datetime, datetime, bool] | None:
    """First and last moment of the lines that are looked at, and whether there are older ones."""
    indexed = indexed_conditions(query, with_levels=False)
    moments = select(log.c.timestamp).where(*indexed).limit(1)
    newest = moments.order_by(log.c.timestamp.desc(), log.c.id.desc())
    last = await connection.scalar(newest)
    if last is None:
        return None
    first = await connection.scalar(newest.offset(MOST_LOOKED_AT))
    is_partial = first is not None
    if first is None:
        first = await connection.scalar(moments.order_by(log.c.timestamp, log.c.id))
        first = query.after or first
    return first or last, query.before or last, is_partial


def _looked_at(
    query: LogQuery,
    since: datetime,
    others: list[ColumnElement[bool]],
    most: int = MOST_LOOKED_AT,
) -> Subquery:
    beginning = func.substr(log.c.message, 1, 2_000).label("message")
    statement = select(log.c.timestamp, log.c.level, log.c.flow_run_id, beginning)
    statement = statement.where(log.c.timestamp >= since, *indexed_conditions(query), *others)
    return statement.order_by(log.c.timestamp.desc(), log.c.id.desc()).limit(most).subquery()


async def _count_levels(
    db: Database, connection: AsyncConnection, query: LogQuery, summary: LogSummary
) -> None:
    assert summary.since is not None
    others = other_conditions(db, query, with_levels=False)
    indexed = indexed_conditions(query, with_levels=False)
    word = case(
        *((log.c.level <= highest, level) for level, (_, highest) in LEVELS.items()), else_="error"
    ).label("word")
    begin = interval_begin(db, log.c.timestamp, summary.since, summary.step_s).label("begin")
    statement = (
        select(begin, word, func.count())
        .where(log.c.timestamp >= summary.since, *indexed, *others)
        .group_by("begin", "word")
    )
    for at, level, count in await connection.execute(statement):
        place = min(max(interval_number(at, summary.since, summary.step_s), 0), len(summary.bins) - 1)
        summary.bins[place][level] = summary.bins[place].get(level, 0) + count
        summary.levels[level] = summary.levels.get(level, 0) + count


async def _count_flows(connection: AsyncConnection, looked_at: Subquery) -> list[dict[str, Any]]:
    of_runs = (
        select(looked_at.c.flow_run_id, func.count().label("lines"))
        .group_by(looked_at.c.flow_run_id)
        .subquery()
    )
    total = func.sum(of_runs.c.lines)
    statement = (
        select(flow.c.id, flow.c.name, total)
        .join(flow_run, flow_run.c.id == of_runs.c.flow_run_id)
        .join(flow, flow.c.id == flow_run.c.flow_id)
        .group_by(flow.c.id, flow.c.name)
        .order_by(total.desc())
        .limit(20)
    )
    return [
        {"id": row[0], "name": row[1], "count": int(row[2])} for row in await connection.execute(statement)
    ]


async def _alike(connection: AsyncConnection, newest: Subquery) -> list[AlikeLines]:
    """The templates that most of the newest lines have, each with the worst level among its lines."""
    counts: Counter[str] = Counter()
    worst: dict[str, int] = {}
    for level, message in await connection.execute(select(newest.c.level, newest.c.message)):
        template = template_of(message)
        counts[template] += 1
        worst[template] = max(worst.get(template, level), level)
    return [
        AlikeLines(template, worst[template], count)
        for template, count in counts.most_common(12)
        if count > 1 and template
    ]
