"""Reading on in the table of log lines, without missing one that becomes visible after a later one."""

from __future__ import annotations

from collections import deque

from sqlalchemy import func, select

from ..events.matching import text_fits
from ..foundation import clock
from .database.database import Database
from .database.rows import LogRow
from .database.tables import log
from .filters import LogFilter

_AT_ONCE = 1_000
_LOOK_AGAIN_FOR_S = 5.0


class LogTail:
    """Returns lines that were written after `begin`, each once. Each read repeats the last few seconds."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._floor = 0  # everything up to this id has been returned
        self._ends: deque[tuple[float, int]] = deque()  # past ends of the table, with their times
        self._seen: set[int] = set()

    @property
    def floor(self) -> int:
        """Up to this id every line has been read; a later reader may start after it."""
        return self._floor

    async def begin(self) -> None:
        """Start reading at the end of the table."""
        async with self._db.read() as connection:
            self._floor = int(await connection.scalar(select(func.max(log.c.id))) or 0)

    async def read(self) -> list[LogRow]:
        """The next lines; an empty list when there are none yet."""
        until = clock.monotonic_s() - _LOOK_AGAIN_FOR_S
        while self._ends and self._ends[0][0] <= until:
            self._floor = max(self._floor, self._ends.popleft()[1])
        self._seen = {each for each in self._seen if each > self._floor}
        after = self._floor
        found: list[LogRow] = []
        async with self._db.read() as connection:
            while True:
                statement = select(log).where(log.c.id > after).order_by(log.c.id).limit(_AT_ONCE)
                rows = [LogRow(**row) for row in (await connection.execute(statement)).mappings()]
                found += [row for row in rows if row.id not in self._seen]
                if len(rows) < _AT_ONCE:
                    break
                after = rows[-1].id
        if found:
            self._seen.update(row.id for row in found)
            self._ends.append((clock.monotonic_s(), max(row.id for row in found)))
        return found


def fits(row: LogRow, asked: LogFilter) -> bool:
    """Whether a line matches the filter."""
    parts: list[bool] = []
    if asked.level is not None:
        low, high = asked.level.ge_, asked.level.le_
        parts.append((low is None or row.level >= low) and (high is None or row.level <= high))
    if asked.timestamp is not None:
        before, after = asked.timestamp.before_, asked.timestamp.after_
        parts.append(
            (before is None or row.timestamp <= before) and (after is None or row.timestamp >= after)
        )
    if asked.flow_run_id is not None and asked.flow_run_id.any_ is not None:
        parts.append(row.flow_run_id in asked.flow_run_id.any_)
    if asked.task_run_id is not None:
        ids, none = asked.task_run_id.any_, asked.task_run_id.is_null_
        parts.append(
            (ids is None or row.task_run_id in ids) and (none is None or (row.task_run_id is None) is none)
        )
    if asked.text is not None:
        parts.append(text_fits(asked.text.query, lambda: f"{row.name} {row.message}".lower()))
    return any(parts) if asked.operator == "or_" and parts else all(parts)
