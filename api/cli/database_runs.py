"""Reads runs from this machine's database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from uuid import UUID

from ...runtime.foundation.settings import current_settings
from ...runtime.store import explaining, flow_runs, flows, leases, logs, task_runs
from ...runtime.store.database.database import Database
from .. import wire
from ..executors import HOLDING, executor_note, with_executors
from ..run_details import flow_run_details, task_run_details
from .output import Row
from .run_source import LogChoice, RunChoice

PAGE_ROWS = 1_000


class DatabaseRuns:
    """The `RunSource` of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def flows(self, limit: int, offset: int) -> list[Row]:
        return [wire.flow(row) for row in await flows.list(self._db, limit=limit + 1, offset=offset)]

    async def flow_runs(self, choice: RunChoice, limit: int, offset: int) -> list[Row]:
        rows = await flow_runs.list(
            self._db,
            state_types=choice.state_types or None,
            state_names=choice.state_names,
            flow_names=choice.flow_names or None,
            name_like=choice.name,
            limit=limit + 1,
            offset=offset,
        )
        runs = [{**wire.flow_run(row), "flow_name": row.flow_name} for row in rows]
        held = await leases.read_many(self._db, [row.id for row in rows if row.state_type in HOLDING])
        return with_executors(runs, held, current_settings().lease_s)

    async def flow_run(self, reference: str) -> Row:
        return await flow_run_details(self._db, await flow_runs.find(self._db, reference))

    async def explanation(self, reference: str) -> Row:
        run = await flow_runs.find(self._db, reference)
        return asdict(await explaining.explain(self._db, run.id, executor_note))

    async def delete_flow_run(self, run_id: UUID) -> int:
        return await flow_runs.delete(self._db, run_id)

    async def task_runs(self, flow_run: str, choice: RunChoice, limit: int, offset: int) -> list[Row]:
        run = await flow_runs.find(self._db, flow_run)
        rows = await task_runs.list(
            self._db,
            run.id,
            state_types=choice.state_types or None,
            state_names=choice.state_names,
            name_like=choice.name,
            limit=limit + 1,
            offset=offset,
        )
        return [wire.task_run(row, task_runs.states_of(row)) for row in rows]

    async def task_run(self, reference: str, flow_run: str | None) -> Row:
        within = None if flow_run is None else (await flow_runs.find(self._db, flow_run)).id
        return task_run_details(await task_runs.find(self._db, reference, within))

    async def task_run_names(self, flow_run_id: UUID, ids: set[UUID]) -> Mapping[UUID, str]:
        """Names are fetched for a whole range of ids at a time, since those of one call site are adjacent."""
        names: dict[UUID, str] = {}
        for task_run_id in sorted(ids):
            if task_run_id not in names:
                before = UUID(int=task_run_id.int - 1)
                rows = await task_runs.list(self._db, flow_run_id, after_id=before, limit=PAGE_ROWS)
                names.update((row.id, row.name) for row in rows)
        return names

    async def log_pages(self, choice: LogChoice) -> AsyncIterator[list[Row]]:
        count, after_id = 0, None
        while choice.limit is None or count < choice.limit:
            wanted = PAGE_ROWS if choice.limit is None else min(PAGE_ROWS, choice.limit - count)
            rows = await logs.read(
                self._db,
                flow_run_id=None if choice.task_run_id else choice.flow_run_id,
                task_run_id=choice.task_run_id,
                level_min=choice.level_min,
                limit=wanted,
                offset=choice.offset + count if after_id is None else 0,
                order="desc" if choice.newest_first else "asc",
                after_id=after_id,
            )
            yield [wire.log(row) for row in rows]
            if len(rows) < wanted:
                return
            count, after_id = count + len(rows), None if choice.newest_first else rows[-1].id
