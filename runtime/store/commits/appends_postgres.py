"""A commit on Postgres, with the bare driver: one INSERT ... SELECT FROM unnest(...) for each block."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID  # pyright: ignore

from ...records import Ack, RunAppend
from ..database.announcements import RUNS, announce_by_asyncpg
from ..database.wire_text import json_text, plain_json, plain_text
from .commit_plan import CommitPlan, Hold, plan_commit
from .derive import FlowRunFacts, StateEntry, fold
from .task_columns import COLUMNS, FIXED, KEPT, Block, blocks_of, cache_entries

# Driver types by the kinds of COLUMNS, and how a value of the type becomes that of the column.
_TYPES = {
    "uuid": "uuid",
    "time": "float8",
    "bigint": "bigint",
    "int": "int",
    "text": "text",
    "json": "text",
    "bytes": "bytea",
}
_BECOMES = {"time": "to_timestamp({})", "json": "{}::jsonb"}


async def write_appends(connection: Any, appends: list[RunAppend], lease_s: float | None) -> list[Ack]:
    """Everything between BEGIN and COMMIT."""
    holds = await _holds(connection, {append.run_id for append in appends})
    plan = plan_commit(appends, holds)
    for block in blocks_of(plan.tasks, DriverUUID):
        await _upsert_tasks(connection, block)
    await _write_transitions(connection, plan)
    await _insert_logs(connection, plan)
    await _insert_decisions(connection, plan)
    await _file_in_cache(connection, plan)
    await _advance_leases(connection, plan, lease_s)
    await _tell_of_free_slots(connection, plan)
    return plan.acks


async def _holds(connection: Any, run_ids: Iterable[UUID]) -> dict[UUID, Hold]:
    """The leases, locked until the end: a takeover waits for this commit, or is seen by it."""
    rows = await connection.fetch(
        "SELECT run_id, epoch, owner, last_seq FROM run_lease WHERE run_id = ANY($1::uuid[]) "
        "ORDER BY run_id FOR NO KEY UPDATE",
        list(run_ids),
    )
    return {row[0]: Hold(row[1], row[2], row[3]) for row in rows}


async def _upsert_tasks(connection: Any, block: Block) -> None:
    _, columns = block
    shape = tuple(isinstance(column, list) for column in columns)
    await connection.execute(_upsert_sql(shape), *columns)


@lru_cache(maxsize=512)
def _upsert_sql(shape: tuple[bool, ...]) -> str:
    names = ", ".join(name for name, _ in COLUMNS)
    arrays: list[str] = []
    array_names: list[str] = []
    cells: list[str] = []
    for position, ((name, kind), varies) in enumerate(zip(COLUMNS, shape, strict=True), start=1):
        if varies:
            arrays.append(f"${position}::{_TYPES[kind]}[]")
            array_names.append(name)
            value = f"u.{name}"
        else:
            value = f"${position}::{_TYPES[kind]}"
        cells.append(_BECOMES.get(kind, "{}").format(value))
    changes = ", ".join(
        f"{name} = coalesce(excluded.{name}, task_run.{name})"
        if name in KEPT
        else f"{name} = excluded.{name}"
        for name, _ in COLUMNS
        if name not in FIXED
    )
    return (
        f"INSERT INTO task_run ({names}) SELECT {', '.join(cells)} "
        f"FROM unnest({', '.join(arrays)}) AS u({', '.join(array_names)}) "
        f"ON CONFLICT (id) DO UPDATE SET {changes} "
        "WHERE (task_run.epoch, task_run.seq) < (excluded.epoch, excluded.seq)"
    )


_MICROS = "(extract(epoch FROM {0}) * 1000000)::bigint"
_MOMENT = "to_timestamp({0}::bigint / 1000000.0)"

_READ_FACTS = (
    "SELECT id, version, state_id, state_type, state_name, "
    f"{_MICROS.format('state_timestamp')}, run_count, total_run_time, "
    f"{_MICROS.format('expected_start_time')}, {_MICROS.format('next_scheduled_start_time')}, "
    f"{_MICROS.format('start_time')}, {_MICROS.format('end_time')}, "
    "coalesce(empirical_policy ->> 'resuming' = 'true', false) "
    "FROM flow_run WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
)
_UPDATE_FACTS = (
    "UPDATE flow_run SET version = $2, state_id = $3, state_type = $4, state_name = $5, "
    f"state_timestamp = {_MOMENT.format('$6')}, updated = {_MOMENT.format('$6')}, run_count = $7, "
    f"total_run_time = $8, expected_start_time = {_MOMENT.format('$9')}, "
    f"next_scheduled_start_time = {_MOMENT.format('$10')}, start_time = {_MOMENT.format('$11')}, "
    f"end_time = {_MOMENT.format('$12')}, result_kind = $13, result = $14, "
    "error = $15::text::jsonb WHERE id = $1"
)
_HAVE_RESUMED = (
    """UPDATE flow_run SET empirical_policy = empirical_policy || '{"resuming": false}'::jsonb """
    "WHERE id = ANY($1::uuid[])"
)
_INSERT_STATE = (
    "INSERT INTO flow_run_state (id, flow_run_id, type, name, timestamp, message, details, result_kind) "
    f"VALUES ($1, $2, $3, $4, {_MOMENT.format('$5')}, $6, $7::text::jsonb, $8) ON CONFLICT (id) DO NOTHING"
)


async def _write_transitions(connection: Any, plan: CommitPlan) -> None:
    if not plan.transitions:
        return
    entries: list[StateEntry] = []
    updates: list[tuple[Any, ...]] = []
    resumed: list[UUID] = []
    for row in await connection.fetch(_READ_FACTS, list(plan.transitions)):
        *columns, resuming = row
        facts = FlowRunFacts(*columns, resuming=resuming)
        entries += fold(facts, plan.transitions[facts.id])
        if resuming and not facts.resuming:
            resumed.append(facts.id)
        updates.append(
            (
                facts.id,
                facts.version,
                facts.state_id,
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
            )
        )
    await connection.executemany(_INSERT_STATE, [_state_row(entry) for entry in entries])
    await connection.executemany(_UPDATE_FACTS, updates)
    if resumed:
        await connection.execute(_HAVE_RESUMED, resumed)


def _state_row(entry: StateEntry) -> tuple[Any, ...]:
    new = entry.transition
    return (
        new.state_id,
        entry.flow_run_id,
        new.state_type,
        new.state_name,
        entry.timestamp,
        None if new.message is None else plain_text(new.message),
        json_text(new.details),
        new.result_kind,
    )


async def _tell_of_free_slots(connection: Any, plan: CommitPlan) -> None:
    """Announce free slots to the services that start runs; runs without a pool take no slots."""
    given_up = plan.given_up()
    in_pool = "SELECT 1 FROM flow_run WHERE id = ANY($1::uuid[]) AND work_queue_id IS NOT NULL LIMIT 1"
    if given_up and await connection.fetchval(in_pool, given_up):
        await announce_by_asyncpg(connection, RUNS)


async def _insert_logs(connection: Any, plan: CommitPlan) -> None:
    if not plan.logs:
        return
    await connection.execute(
        "INSERT INTO log (flow_run_id, task_run_id, timestamp, level, name, message) "
        "SELECT flow_run_id, task_run_id, to_timestamp(at), level, name, message FROM unnest("
        "$1::uuid[], $2::uuid[], $3::float8[], $4::int[], $5::text[], $6::text[]) "
        "WITH ORDINALITY AS u(flow_run_id, task_run_id, at, level, name, message, place) ORDER BY place",
        [run_id for run_id, _ in plan.logs],
        [line.task_run_id for _, line in plan.logs],
        [line.at for _, line in plan.logs],
        [line.level for _, line in plan.logs],
        [plain_text(line.logger) for _, line in plan.logs],
        [plain_text(line.message) for _, line in plan.logs],
    )


async def _insert_decisions(connection: Any, plan: CommitPlan) -> None:
    if not plan.decisions:
        return
    await connection.executemany(
        "INSERT INTO rule_decision "
        "(flow_run_id, task_run_id, timestamp, rule, outcome, reason, from_type, to_type, to_name) "
        "VALUES ($1, $2, to_timestamp($3::float8), $4, $5, $6, $7, $8, $9)",
        [
            (
                run_id,
                said.task_run_id,
                said.at,
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


async def _file_in_cache(connection: Any, plan: CommitPlan) -> None:
    entries = sorted(
        cache_entries(plan.tasks)
    )  # in one order everywhere, so that two commits cannot deadlock
    if not entries:
        return
    await connection.execute(
        "INSERT INTO cache (key, result_kind, result, created, expires) "
        "SELECT key, kind, result, to_timestamp(created), to_timestamp(expires) FROM unnest("
        "$1::text[], $2::text[], $3::bytea[], $4::float8[], $5::float8[]) "
        "AS u(key, kind, result, created, expires) "
        "ON CONFLICT (key) DO UPDATE SET result_kind = excluded.result_kind, result = excluded.result, "
        "created = excluded.created, expires = excluded.expires",
        *map(list, zip(*entries, strict=True)),
    )


async def _advance_leases(connection: Any, plan: CommitPlan, lease_s: float | None) -> None:
    if not plan.last_seqs:
        return
    await connection.execute(
        "UPDATE run_lease SET last_seq = u.last_seq, owner = CASE WHEN u.released THEN NULL ELSE owner END, "
        "until = CASE WHEN u.released THEN clock_timestamp() WHEN $4::float8 IS NULL THEN until "
        "ELSE clock_timestamp() + make_interval(secs => $4::float8) END "
        "FROM unnest($1::uuid[], $2::bigint[], $3::bool[]) AS u(run_id, last_seq, released) "
        "WHERE run_lease.run_id = u.run_id",
        list(plan.last_seqs),
        list(plan.last_seqs.values()),
        [run_id in plan.released for run_id in plan.last_seqs],
        lease_s,
    )
