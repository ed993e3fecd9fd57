"""Flow runs: beginning, finding, reading and removing them."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    ColumnElement,
    Insert,
    RowMapping,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import LeaseHeld, NotFound
from ..records import HeldLease, Owner
from ..states import FINAL_STATES
from . import flows, leases
from .commits.derive import FlowRunFacts, StateEntry, fold
from .database.announcements import CHANGES, RUNS, announce
from .database.database import Database
from .database.gathering import gathered
from .database.prepared import is_one_of, prepared
from .database.rows import Adopted, Begun, FlowRunRow, FlowRunStateRow, NewFlowRun, RuleDecisionRow
from .database.tables import (
    flow,
    flow_run,
    flow_run_input,
    flow_run_state,
    log,
    rule_decision,
    run_lease,
    task_run,
)
from .database.types import to_micros
from .database.wire_text import json_value, plain_json, plain_text

_HEAVY = ("parameters_pickle", "result")  # columns that are None in lists
FLOW_RUN_COLUMNS = [column for column in flow_run.c if column.name not in _HEAVY]
INSERT_STATE = insert(flow_run_state)
_NEWEST = 200  # how many of the newest runs are searched for the last created one
_MOST_CANDIDATES = 5


async def begin(
    db: Database, new: NewFlowRun, owner: Owner, lease_s: float, parent: HeldLease | None = None
) -> Begun:
    """Record a flow run with its first states and lease it to `owner`, in one transaction.

    An existing run (a replayed sub-flow, or another run with the idempotency key) is returned with `existing`
    set: with a new lease, or without one when it is final or has another id. Raises LeaseHeld when a
    top-level run of that id has a living owner. A sub-flow's lease is taken from any holder, because the
    caller holds its parent, which `parent` must prove; otherwise LeaseLost is raised.
    """
    try:
        return await _begin(db, new, owner, lease_s, parent)
    except IntegrityError:  # another process has just recorded the run: find it now
        return await _begin(db, new, owner, lease_s, parent)


async def adopt(
    db: Database, run_id: UUID, owner: Owner, lease_s: float, dead_epoch: int | None = None
) -> Adopted:
    """Take the lease of a recorded run by `leases.take`, and read the run, in one transaction (which
    concurrent calls may share).

    Raises NotFound, LeaseHeld.
    """
    return await _adopted(db, leases.Taking(run_id, owner, lease_s, dead_epoch))


def _run_of(taking: leases.Taking) -> tuple[UUID]:
    return (taking.run_id,)


@gathered(_run_of)
async def _adopted(db: Database, takings: Sequence[leases.Taking]) -> builtins.list[Adopted | Exception]:
    async with db.write() as connection:
        taken = await leases.take_many_within(db, connection, takings)
        ids = [each.run_id for each in takings]
        found = await connection.execute(_several(db), {"runs": ids})
        runs = {row["id"]: FlowRunRow(**row) for row in found.mappings()}
        for run_id in ids:
            if run_id not in runs:
                raise _missing(run_id)  # and roll back its lease
    return [
        lease if isinstance(lease, LeaseHeld) else Adopted(runs[run_id], lease)
        for run_id, lease in zip(ids, taken, strict=True)
    ]


async def read(db: Database, run_id: UUID) -> FlowRunRow:
    """The flow run with that id, with its pickled parameters and result. Raises NotFound."""
    async with db.read() as connection:
        return await _one(connection, run_id)


async def list(
    db: Database,
    *,
    state_types: Iterable[str] | None = None,
    state_names: Iterable[str] = (),
    flow_names: Iterable[str] | None = None,
    name_like: str | None = None,
    parent_task_run_id: UUID | None = None,
    limit: int = 200,
    offset: int = 0,
) -> builtins.list[FlowRunRow]:
    """Flow runs, newest first, without their pickled parameters and results.

    Runs in a state of one of the types or names; `name_like` is a part of the run's name, in any case.
    """
    statement = _selected(heavy=False).order_by(flow_run.c.expected_start_time.desc(), flow_run.c.id.desc())
    for condition in _conditions(state_types, state_names, flow_names, name_like, parent_task_run_id):
        statement = statement.where(condition)
    async with db.read() as connection:
        rows = await connection.execute(statement.limit(limit).offset(offset))
        return [FlowRunRow(**row) for row in rows.mappings()]


async def find(db: Database, reference: str) -> FlowRunRow:
    """The flow run for a reference by a person: its id, `@last`, its name, or 8 or more digits at the
    beginning or end of its id.

    `@last` is the last created run that is neither a sub-flow run nor made ahead by a schedule. Raises
    NotFound, also when several runs match.
    """
    reference = plain_text(reference.strip())
    async with db.read() as connection:
        if reference == "@last":
            return await _last(connection)
        if (run_id := _as_uuid(reference)) is not None:
            return await _one(connection, run_id)
        for condition in _meanings(reference):
            columns = select(flow_run.c.id, flow_run.c.name, flow_run.c.state_name)
            fitting = (await connection.execute(columns.where(condition).limit(_MOST_CANDIDATES + 1))).all()
            if len(fitting) == 1:
                return await _one(connection, fitting[0].id)
            if fitting:
                raise _ambiguous(reference, fitting)
    raise NotFound(
        f"there is no flow run {reference!r}", hint="heliostat flow-run ls shows the runs there are"
    )


async def history(db: Database, run_id: UUID) -> builtins.list[FlowRunStateRow]:
    """The states that the run went through, in order."""
    statement = _STATES.where(flow_run_state.c.flow_run_id == run_id).order_by(flow_run_state.c.timestamp)
    async with db.read() as connection:
        return [_with_parent(row) for row in (await connection.execute(statement)).mappings()]


async def read_state(db: Database, state_id: UUID) -> FlowRunStateRow:
    """One entry of a run's history. Raises NotFound."""
    async with db.read() as connection:
        statement = _STATES.where(flow_run_state.c.id == state_id)
        row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise NotFound(f"there is no flow run state {state_id}")
    return _with_parent(row)


async def decisions(db: Database, run_id: UUID, limit: int = 1000) -> builtins.list[RuleDecisionRow]:
    """The decisions of rules about transitions of the run and its task runs, in order."""
    statement = (
        select(rule_decision)
        .where(rule_decision.c.flow_run_id == run_id)
        .order_by(rule_decision.c.id)
        .limit(limit)
    )
    async with db.read() as connection:
        return [RuleDecisionRow(**row) for row in (await connection.execute(statement)).mappings()]


async def delete(db: Database, run_id: UUID) -> int:
    """Remove a flow run and its sub-flow runs with all their records. Returns the number of runs.

    A process that still executes it finds its next write fenced. Raises NotFound.
    """
    async with db.write() as connection:
        doomed = await _with_descendants(connection, run_id)
        if not doomed:
            raise NotFound(f"there is no flow run {run_id}")
        for column in (
            run_lease.c.run_id,
            log.c.flow_run_id,
            rule_decision.c.flow_run_id,
            task_run.c.flow_run_id,
            flow_run_state.c.flow_run_id,
            flow_run_input.c.flow_run_id,
            flow_run.c.id,
        ):
            for some in _slices(doomed, 500):
                await connection.execute(sql_delete(column.table).where(column.in_(some)))
        await announce(connection, RUNS, CHANGES)
    return len(doomed)


async def _begin(
    db: Database, new: NewFlowRun, owner: Owner, lease_s: float, parent: HeldLease | None
) -> Begun:
    async with db.write() as connection:
        await leases.prove(connection, parent, new.id)
        known = await _known(connection, new)
        if known is not None:
            return await _begin_again(db, connection, known, new, owner, lease_s)
        flow_row = await flows.get_or_create_within(db, connection, new.flow_name, new.flow_tags)
        facts = FlowRunFacts(new.id)
        facts.expected_start_time = None if new.expected_start is None else to_micros(new.expected_start)
        entries = fold(facts, new.transitions)
        await connection.execute(insert_flow_run(db), new_flow_run_row(new, flow_row.id, facts))
        await connection.execute(INSERT_STATE, [state_row(entry) for entry in entries])
        lease = await leases.take_within(db, connection, new.id, owner, lease_s)
        return Begun(await _one(connection, new.id), lease)


async def _known(connection: AsyncConnection, new: NewFlowRun) -> FlowRunRow | None:
    row = (await connection.execute(_selected().where(flow_run.c.id == new.id))).mappings().first()
    if row is None and new.idempotency_key is not None:
        same = (flow.c.name == new.flow_name) & (flow_run.c.idempotency_key == new.idempotency_key)
        row = (await connection.execute(_selected().where(same))).mappings().first()
    return None if row is None else FlowRunRow(**row)


async def _begin_again(
    db: Database,
    connection: AsyncConnection,
    known: FlowRunRow,
    new: NewFlowRun,
    owner: Owner,
    lease_s: float,
) -> Begun:
    if known.id != new.id or known.state_type in FINAL_STATES:
        return Begun(known, None, existing=True)
    force = new.parent_task_run_id is not None
    lease = await leases.take_within(db, connection, known.id, owner, lease_s, force)
    return Begun(known, lease, existing=True)


@prepared
def insert_flow_run(db: Database) -> Insert:
    """The statement that records a run; executed with its columns."""
    return insert(flow_run).values(created=db.now(), updated=db.now())


def new_flow_run_row(new: NewFlowRun, flow_id: UUID, facts: FlowRunFacts) -> dict[str, Any]:
    """The columns of a new flow run, without the time of recording."""
    return {
        "id": new.id,
        "flow_id": flow_id,
        "name": plain_text(new.name),
        "version": facts.version,
        "state_id": facts.state_id,
        "state_type": facts.state_type,
        "state_name": facts.state_name,
        "state_timestamp": _seconds(facts.state_timestamp),
        "run_count": facts.run_count,
        "total_run_time": facts.total_run_time,
        "expected_start_time": _seconds(facts.expected_start_time),
        "next_scheduled_start_time": _seconds(facts.next_scheduled_start_time),
        "start_time": _seconds(facts.start_time),
        "end_time": _seconds(facts.end_time),
        "parameters": json_value(new.parameters),
        "parameters_pickle": new.parameters_pickle,
        "context": json_value(new.context),
        "tags": json_value(builtins.list(dict.fromkeys(new.tags))),
        "labels": json_value(new.labels),
        "empirical_policy": json_value(new.empirical_policy),
        "created_by": json_value(new.created_by),
        "flow_version": _plain(new.flow_version),
        "entrypoint": new.entrypoint,
        "code_revision": new.code_revision,
        "idempotency_key": _plain(new.idempotency_key),
        "parent_task_run_id": new.parent_task_run_id,
        "auto_scheduled": new.auto_scheduled,
        "job_variables": json_value(new.job_variables),
        "result_kind": facts.result_kind,
        "result": facts.result,
        "error": None if facts.error is None else orjson.loads(plain_json(facts.error)),
    }


def _plain(text: str | None) -> str | None:
    return None if text is None else plain_text(text)


def state_row(entry: StateEntry) -> dict[str, Any]:
    """The columns of one entry of a run's history."""
    new = entry.transition
    return {
        "id": new.state_id,
        "flow_run_id": entry.flow_run_id,
        "type": new.state_type,
        "name": new.state_name,
        "timestamp": _seconds(entry.timestamp),
        "message": None if new.message is None else plain_text(new.message),
        "details": json_value(new.details),
        "result_kind": new.result_kind,
    }


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6


def _selected(heavy: bool = True) -> Select[Any]:
    columns = flow_run.c if heavy else FLOW_RUN_COLUMNS
    return select(*columns, flow.c.name.label("flow_name")).join(flow, flow.c.id == flow_run.c.flow_id)


_ONE = _selected().where(flow_run.c.id == bindparam("run"))
_STATES = select(flow_run_state, flow_run.c.parent_task_run_id).join(
    flow_run, flow_run.c.id == flow_run_state.c.flow_run_id
)


def _with_parent(row: RowMapping) -> FlowRunStateRow:
    """A state of a sub-flow's run, with the task run that represents it in its parent."""
    facts = dict(row)
    parent = facts.pop("parent_task_run_id")
    if parent is not None:
        facts["details"] = {**facts["details"], "task_run_id": str(parent)}
    return FlowRunStateRow(**facts)


async def _one(connection: AsyncConnection, run_id: UUID) -> FlowRunRow:
    row = (await connection.execute(_ONE, {"run": run_id})).mappings().first()
    if row is None:
        raise _missing(run_id)
    return FlowRunRow(**row)


@prepared
def _several(db: Database) -> Select[Any]:
    return _selected().where(is_one_of(db, flow_run.c.id, "runs"))


def _missing(run_id: UUID) -> NotFound:
    return NotFound(f"there is no flow run {run_id}", hint="heliostat flow-run ls shows the runs there are")


async def _last(connection: AsyncConnection) -> FlowRunRow:
    # Ids have the creation time in milliseconds, by the creator's clock, and the key is in their order. Among
    # # the newest, the database's clock tells which was recorded last.
    recent = (
        select(flow_run.c.id, flow_run.c.created)
        .where(flow_run.c.parent_task_run_id.is_(None), ~_is_made_ahead())
        .order_by(flow_run.c.id.desc())
        .limit(_NEWEST)
        .subquery()
    )
    newest = select(recent.c.id).order_by(recent.c.created.desc(), recent.c.id.desc()).limit(1)
    run_id = await connection.scalar(newest)
    if run_id is None:
        raise NotFound("no flow has run yet")
    return await _one(connection, run_id)


def _is_made_ahead() -> ColumnElement[bool]:
    """The condition that a schedule made the run for later: `@last` never means such a run."""
    return and_(flow_run.c.auto_scheduled, func.coalesce(flow_run.c.state_type, "") == "SCHEDULED")


def _conditions(
    state_types: Iterable[str] | None,
    state_names: Iterable[str],
    flow_names: Iterable[str] | None,
    name_like: str | None,
    parent_task_run_id: UUID | None,
) -> Iterable[ColumnElement[bool]]:
    types, names = builtins.list(map(str, state_types or ())), builtins.list(state_names)
    if state_types is not None or names:
        yield or_(flow_run.c.state_type.in_(types), flow_run.c.state_name.in_(names))
    if flow_names is not None:
        yield flow.c.name.in_(builtins.list(flow_names))
    if name_like is not None:
        yield flow_run.c.name.icontains(name_like, autoescape=True)
    if parent_task_run_id is not None:
        yield flow_run.c.parent_task_run_id == parent_task_run_id


def _as_uuid(text: str) -> UUID | None:
    return UUID(text) if re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", text) else None


def _meanings(reference: str) -> Iterable[ColumnElement[bool]]:
    """The conditions that a reference other than a whole id may mean, the most likely first."""
    yield flow_run.c.name == reference
    digits = reference.replace("-", "").lower()
    if re.fullmatch(r"[0-9a-f]{8,31}", digits):
        # Ids of runs made within a minute begin alike, so the end of an id is more distinctive.
        begins = flow_run.c.id.between(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))
        yield or_(begins, func.replace(func.lower(cast(flow_run.c.id, Text)), "-", "").endswith(digits))


def _ambiguous(reference: str, fitting: Sequence[Any]) -> NotFound:
    shown = fitting[:_MOST_CANDIDATES]
    some = ", ".join(f"{run.id} ({run.name}, {run.state_name})" for run in shown)
    more = len(fitting) > len(shown)
    return NotFound(
        f"{reference!r} is ambiguous: {'more than ' if more else ''}{len(shown)} flow runs match: {some}"
        f"{', ...' if more else ''}",
        hint="give the whole id or its last 8 characters",
    )


async def _with_descendants(connection: AsyncConnection, run_id: UUID) -> builtins.list[UUID]:
    """The run and the sub-flow runs below it."""
    found = builtins.list(await connection.scalars(select(flow_run.c.id).where(flow_run.c.id == run_id)))
    level = found
    while level:
        below: builtins.list[UUID] = []
        for some in _slices(level, 500):
            parents = select(task_run.c.id).where(task_run.c.flow_run_id.in_(some))
            children = select(flow_run.c.id).where(flow_run.c.parent_task_run_id.in_(parents))
            below += await connection.scalars(children)
        found = found + below
        level = below
    return found


def _slices(items: builtins.list[UUID], size: int) -> Iterable[builtins.list[UUID]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
