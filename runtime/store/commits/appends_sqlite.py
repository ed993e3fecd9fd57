"""A commit on SQLite, with the bare driver, on the writer's thread.

Rows are inserted by statements of many rows: the driver releases the interpreter lock at every step of a
statement, and with a step for each row a busy flow would make each row wait for the lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any
from uuid import UUID

from ...foundation import clock
from ...records import Ack, RunAppend
from ..database.announcements import RUNS, announce_by_sqlite
from ..database.types import to_micros
from ..database.wire_text import json_text, plain_json, plain_text
from .commit_plan import CommitPlan, Hold, plan_commit
from .derive import FlowRunFacts, StateEntry, fold
from .task_columns import COLUMNS, FIXED, KEPT, Block, blocks_of, cache_entries


def write_appends(
    connection: sqlite3.Connection, appends: list[RunAppend], lease_s: float | None
) -> list[Ack]:
    """Everything between BEGIN and COMMIT."""
    holds = _holds(connection, {append.run_id for append in appends})
    plan = plan_commit(appends, holds)
    for block in blocks_of(plan.tasks, bytes.hex):
        _upsert_tasks(connection, block)
    _write_transitions(connection, plan)
    _insert_logs(connection, plan)
    _insert_decisions(connection, plan)
    _file_in_cache(connection, plan)
    _advance_leases(connection, plan, lease_s)
    _tell_of_free_slots(connection, plan)
    return plan.acks


def _holds(connection: sqlite3.Connection, run_ids: Iterable[UUID]) -> dict[UUID, Hold]:
    ids = [run_id.hex for run_id in run_ids]
    found: dict[UUID, Hold] = {}
    for some in _slices(ids, 500):
        rows = connection.execute(
            f"SELECT run_id, epoch, owner, last_seq FROM run_lease WHERE run_id IN ({_marks(len(some))})",
            some,
        )
        for run_id, epoch, owner, last_seq in rows:
            found[UUID(run_id)] = Hold(epoch, UUID(owner) if owner else None, last_seq)
    return found


def _upsert_tasks(connection: sqlite3.Connection, block: Block) -> None:
    rows, columns = block
    shape = tuple(isinstance(column, list) for column in columns)
    shared = [column for column in columns if not isinstance(column, list)]
    varying: list[list[Any]] = [column for column in columns if isinstance(column, list)]
    at = 0
    for size in _sizes(rows):
        cells = chain.from_iterable(zip(*(column[at : at + size] for column in varying), strict=True))
        connection.execute(_upsert_sql(shape, size), [*shared, *cells])
        at += size


def _sizes(rows: int) -> Iterable[int]:
    """Statement sizes that add up to `rows`; few different ones, so that statements stay prepared."""
    size = 128
    while rows:
        while size > rows:
            size //= 2
        yield size
        rows -= size


@lru_cache(maxsize=512)
def _upsert_sql(shape: tuple[bool, ...], rows: int) -> str:
    names = ", ".join(name for name, _ in COLUMNS)
    shared_count = shape.count(False)
    varying_count = shape.count(True)
    lines: list[str] = []
    for row in range(rows):
        shared, varying = 0, shared_count + row * varying_count
        cells: list[str] = []
        for (_, kind), varies in zip(COLUMNS, shape, strict=True):
            if varies:
                varying += 1
                cells.append(_cell(varying, kind))
            else:
                shared += 1
                cells.append(_cell(shared, kind))
        lines.append(f"({', '.join(cells)})")
    changes = ", ".join(
        f"{name} = coalesce(excluded.{name}, task_run.{name})"
        if name in KEPT
        else f"{name} = excluded.{name}"
        for name, _ in COLUMNS
        if name not in FIXED
    )
    return (
        f"INSERT INTO task_run ({names}) VALUES {', '.join(lines)} ON CONFLICT (id) DO UPDATE SET {changes} "
        "WHERE (task_run.epoch, task_run.seq) < (excluded.epoch, excluded.seq)"
    )


def _cell(position: int, kind: str) -> str:
    return f"CAST(?{position} * 1e6 + 0.5 AS INTEGER)" if kind == "time" else f"?{position}"


_FACTS = (
    "version, state_id, state_type, state_name, state_timestamp, run_count, total_run_time, "
    "expected_start_time, next_scheduled_start_time, start_time, end_time, result_kind, result, error"
)
_READ_FACTS = f"SELECT {_FACTS}, json_extract(empirical_policy, '$.resuming') FROM flow_run WHERE id = ?"
_HAS_RESUMED = (
    "UPDATE flow_run SET empirical_policy = json_set(empirical_policy, '$.resuming', json('false')) "
    "WHERE id = ?"
)


def _write_transitions(connection: sqlite3.Connection, plan: CommitPlan) -> None:
    for run_id, transitions in plan.transitions.items():
        row = connection.execute(_READ_FACTS, (run_id.hex,)).fetchone()
        if row is None:
            continue
        version, state_id, *rest, resuming = row
        facts = FlowRunFacts(
            run_id, version, UUID(state_id) if state_id else None, *rest, resuming=bool(resuming)
        )
        insert_states(connection, fold(facts, transitions))
        if resuming and not facts.resuming:
            connection.execute(_HAS_RESUMED, (run_id.hex,))
        connection.execute(
            f"UPDATE flow_run SET ({_FACTS}, updated) = ({_marks(15)}) WHERE id = ?",
            (
                facts.version,
                facts.state_id.hex if facts.state_id else None,
                facts.state_type,
                facts.state_name,
                facts.state_timestamp,
                facts.run_count,
                facts.total_run_time,
                facts.expected_start_time,
                facts.next_scheduled_start_time,
                facts.start_time,
                facts.end_time,
                facts.result_kind,
                facts.result,
                None if facts.error is None else plain_json(facts.error),
                facts.state_timestamp,
                run_id.hex,
            ),
        )


def _tell_of_free_slots(connection: sqlite3.Connection, plan: CommitPlan) -> None:
    """Announce free slots to the services that start runs; runs without a pool take no slots."""
    for run_id in plan.given_up():
        in_pool = "SELECT 1 FROM flow_run WHERE id = ? AND work_queue_id IS NOT NULL"
        if connection.execute(in_pool, (run_id.hex,)).fetchone() is not None:
            announce_by_sqlite(connection, RUNS)
            return


def insert_states(connection: sqlite3.Connection, entries: Sequence[StateEntry]) -> None:
    """Add entries to flow runs' histories."""
    connection.executemany(
        "INSERT INTO flow_run_state (id, flow_run_id, type, name, timestamp, message, details, result_kind) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        [
            (
                entry.transition.state_id.hex,
                entry.flow_run_id.hex,
                entry.transition.state_type,
                entry.transition.state_name,
                entry.timestamp,
                None if entry.transition.message is None else plain_text(entry.transition.message),
                json_text(entry.transition.details),
                entry.transition.result_kind,
            )
            for entry in entries
        ],
    )


def _insert_logs(connection: sqlite3.Connection, plan: CommitPlan) -> None:
    for some in _slices(plan.logs, 128):
        cells = [
            cell
            for run_id, line in some
            for cell in (
                run_id.hex,
                line.task_run_id.hex if line.task_run_id else None,
                to_micros(line.at),
                line.level,
                plain_text(line.logger),
                plain_text(line.message),
            )
        ]
        rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(some))
        connection.execute(
            f"INSERT INTO log (flow_run_id, task_run_id, timestamp, level, name, message) VALUES {rows}",
            cells,
        )


def _insert_decisions(connection: sqlite3.Connection, plan: CommitPlan) -> None:
    if not plan.decisions:
        return
    connection.executemany(
        "INSERT INTO rule_decision "
        "(flow_run_id, task_run_id, timestamp, rule, outcome, reason, from_type, to_type, to_name) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                run_id.hex,
                said.task_run_id.hex if said.task_run_id else None,
                to_micros(said.at),
                said.rule,
                said.outcome,
                plain_text(said.reason),
                said.from_type,
                said.to_type,
                said.to_name,
            )
            for run_id, said in plan.decisions
        ],
    )


def _file_in_cache(connection: sqlite3.Connection, plan: CommitPlan) -> None:
    entries = cache_entries(plan.tasks)
    if not entries:
        return
    connection.executemany(
        "INSERT INTO cache (key, result_kind, result, created, expires) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (key) DO UPDATE SET result_kind = excluded.result_kind, result = excluded.result, "
        "created = excluded.created, expires = excluded.expires",
        [
            (key, kind, result, to_micros(created), None if expires is None else to_micros(expires))
            for key, kind, result, created, expires in entries
        ],
    )


def _advance_leases(connection: sqlite3.Connection, plan: CommitPlan, lease_s: float | None) -> None:
    now = to_micros(clock.epoch_s())
    until = None if lease_s is None else now + to_micros(lease_s)
    for run_id, last_seq in plan.last_seqs.items():
        if run_id in plan.released:
            connection.execute(
                "UPDATE run_lease SET last_seq = ?, until = ?, owner = NULL WHERE run_id = ?",
                (last_seq, now, run_id.hex),
            )
        else:
            connection.execute(
                "UPDATE run_lease SET last_seq = ?, until = coalesce(?, until) WHERE run_id = ?",
                (last_seq, until, run_id.hex),
            )


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _slices(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
