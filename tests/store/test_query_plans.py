"""Lists and counts are served by indexes: however many rows there are, none of these reads a whole table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from heliostat.runtime.foundation.errors import NotFound
from heliostat.runtime.states import StateType
from heliostat.runtime.store import (
    artifacts,
    attention,
    block_documents,
    dashboard,
    graph_rows,
    live_rows,
    log_search,
    log_summary,
    logs,
    overview,
    recent_runs,
    run_figures,
    run_graph,
    run_parts,
    run_search,
    search,
    upcoming,
    variables,
)
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.filters import (
    FlowFilter,
    FlowRunFilter,
    FlowRunOfTask,
    FlowRunState,
    Ids,
    IdsOrNone,
    IdsOrNot,
    LogFilter,
    MomentsOrNone,
    Name,
    Search,
    StateTypesOrNot,
    TaskRunFilter,
)
from heliostat.runtime.store.log_search import LogQuery
from heliostat.runtime.store.run_figures import TaskTallies
from heliostat.runtime.store.run_terms import Term
from heliostat.runtime.store.setup_filters import ArtifactFilter, Key


async def _no_finder(_pattern: str, _lines: list[str]) -> list[int]:
    return []


SOME = uuid4()
DAY = MomentsOrNone(after_=datetime(2026, 1, 1, tzinfo=UTC), before_=datetime(2026, 1, 2, tzinfo=UTC))
TODAY = Search(flow_runs=FlowRunFilter(start_time=DAY))
LATE = FlowRunState(type=StateTypesOrNot(any_=[StateType.SCHEDULED]))
OF_RUN = Search(task_runs=TaskRunFilter(flow_run_id=FlowRunOfTask(any_=[SOME])))
TASKS_TODAY = Search(task_runs=TaskRunFilter(start_time=DAY))
OF_FLOW = Search(flows=FlowFilter(id=IdsOrNot(any_=[SOME])))

LOOKS: dict[str, Callable[[Database], Awaitable[Any]]] = {
    "flow runs of a day, newest first": lambda db: search.flow_runs(
        db, TODAY, sort="START_TIME_DESC", limit=50
    ),
    "newest flow runs": lambda db: search.flow_runs(db, Search(), sort="START_TIME_DESC", limit=50),
    "flow runs by id": lambda db: search.flow_runs(db, Search(), limit=50),
    "flow runs of a day, counted": lambda db: search.count_flow_runs(db, TODAY),
    "late flow runs, counted": lambda db: search.count_flow_runs(
        db, Search(flow_runs=FlowRunFilter(state=LATE))
    ),
    "flow runs of a deployment": lambda db: search.count_flow_runs(
        db, Search(flow_runs=FlowRunFilter(deployment_id=IdsOrNone(any_=[SOME])))
    ),
    "flow runs of a name": lambda db: search.flow_runs(
        db, Search(flow_runs=FlowRunFilter(name=Name(any_=["x"])))
    ),
    "flow runs of a flow": lambda db: search.count_flow_runs(db, OF_FLOW),
    "next runs of flows": lambda db: dashboard.next_runs(db, [SOME]),
    "newest task runs": lambda db: search.task_runs(db, Search(), sort="EXPECTED_START_TIME_DESC", limit=50),
    "newest task runs of a day": lambda db: search.task_runs(
        db, TASKS_TODAY, sort="EXPECTED_START_TIME_DESC", limit=50
    ),
    "task runs of a flow run": lambda db: search.task_runs(db, OF_RUN, limit=50),
    "task runs of a flow run, counted": lambda db: search.count_task_runs(db, OF_RUN),
    "task runs of flow runs, counted": lambda db: dashboard.count_task_runs(db, [SOME]),
    "usual lengths": lambda db: run_figures.usual_lengths(db, flow_ids=[SOME], deployment_ids=[SOME]),
    "task runs by state": lambda db: run_figures.TaskTallies().read(db, [SOME]),
    "failures by cause": lambda db: run_parts.failures(db, SOME),
    "task runs by call site": lambda db: run_parts.groups(db, SOME),
    "what is around a task run": lambda db: run_parts.surroundings(db, SOME),
    "list of flow runs": lambda db: run_search.flow_runs(
        db, [], TaskTallies(), hide_subflows=True, sort="STARTED_DESC", limit=50, cursor=f"{SOME} 1700000000"
    ),
    "list of flow runs by name": lambda db: run_search.flow_runs(
        db, [], TaskTallies(), hide_subflows=False, sort="NAME_ASC", limit=50, cursor=f"{SOME} x"
    ),
    "list of flow runs with many tasks": lambda db: run_search.flow_runs(
        db,
        [Term("tasks", at_least=100)],
        TaskTallies(),
        hide_subflows=True,
        sort="STARTED_DESC",
        limit=50,
        cursor=None,
    ),
    "list of task runs": lambda db: run_search.task_runs(
        db, [], sort="STARTED_DESC", limit=50, cursor=f"{SOME} 1700000000"
    ),
    "log lines of all runs": lambda db: log_search.find(
        db, LogQuery(text="x"), _no_finder, newest_first=True, limit=50
    ),
    "errors of all runs": lambda db: log_search.find(
        db, LogQuery(levels=["error"]), _no_finder, newest_first=True, limit=50
    ),
    "log lines of all runs of a day": lambda db: log_search.find(
        db, LogQuery(after=DAY.after_, before=DAY.before_), _no_finder, newest_first=False, limit=50
    ),
    "log lines of one run": lambda db: log_search.find(
        db, LogQuery(flow_run_ids=[SOME]), _no_finder, newest_first=False, limit=50
    ),
    "log lines of all runs, counted": lambda db: log_summary.read(db, LogQuery(), 60),
    "newest log lines": lambda db: log_search.newer_than(db, LogQuery(), _no_finder, 7, 50),
    "flow runs that changed": lambda db: live_rows.flow_runs(db, [SOME]),
    "journals of watched runs": lambda db: live_rows.marks(db, [SOME]),
    "task runs of a watched run, counted": lambda db: live_rows.task_counts(db, SOME),
    "missed lines of a log": lambda db: live_rows.lines_after(db, SOME, 7, 100),
    "first event": live_rows.first_event,
    "graph": lambda db: run_graph.read(db, SOME),
    "graph as columns": lambda db: graph_rows.read(db, SOME, {}),
    "log of a flow run": lambda db: logs.read(db, flow_run_id=SOME),
    "log of a flow run, searched": lambda db: search.logs(
        db, LogFilter(flow_run_id=Ids([SOME])), sort="TIMESTAMP_ASC"
    ),
    "log of a task run": lambda db: search.logs(db, LogFilter(task_run_id=IdsOrNone(any_=[SOME]))),
    "artifacts of a key": lambda db: artifacts.find(db, ArtifactFilter(key=Key(any_=["x"]))),
    "artifacts of a flow run": lambda db: artifacts.find(db, ArtifactFilter(flow_run_id=Ids([SOME]))),
    "newest artifact of a key": lambda db: artifacts.latest(db, "x"),
    "block documents by name": lambda db: block_documents.find(db, limit=50),
    "newest runs of deployments": lambda db: recent_runs.of_deployments(db, [SOME], 20),
    "newest runs of flows": lambda db: recent_runs.of_flows(db, [SOME], 20),
    "tasks of the newest runs of a flow": lambda db: recent_runs.tasks_of_flow(db, SOME),
    "what is going to start": lambda db: upcoming.read(db, [DAY.after_, DAY.before_]),  # type: ignore[list-item]
    "what the first page shows": lambda db: overview.read(db, 6, 180),
    "what needs a person": lambda db: attention.causes(db),
    "variables by name": lambda db: variables.find(db, limit=50),
}
BIG = ("flow_run", "task_run", "log", "artifact", "flow_run_state", "run_lease", "event")


@pytest.mark.parametrize("name", LOOKS)
async def test_no_query_reads_a_whole_table(db: Database, name: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        with suppress(NotFound):
            await LOOKS[name](db)
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", note)
    assert asked
    for statement, parameters in asked:
        async with db.engine.connect() as connection:
            if not db.is_sqlite:
                # On empty tables all plans cost the same: a whole read is what is left without an index.
                await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            explain = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
            rows = await connection.exec_driver_sql(explain + statement, parameters)
            plan = "\n".join(str(row[-1]) for row in rows)
        for table in BIG:
            whole = rf"SCAN {table}(?! USING)" if db.is_sqlite else rf"Seq Scan on {table}\b"
            assert not re.search(whole, plan), f"{statement}\n{plan}"
