"""Task runs that remote clients record one by one: tracking runs of sub-flows and background tasks.

Their states, with the clients' details, are stored in the row's timeline.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..foundation.ids import uuid7
from ..rules.deciding import Kind, RunFacts, Verdict, decide
from ..states import NO_VALUE, State, StateType
from . import state_cache, tag_slots
from .background_runs import put_within
from .concurrency_limits import TAG_PREFIX
from .database.announcements import CHANGES, announce
from .database.database import Database
from .database.rows import NO_FLOW_RUN, TaskRunRow, TaskRunState
from .database.tables import flow_run, log, task_run
from .database.wire_text import json_value, plain_text
from .decision_trail import record_trail, trail_of
from .recorded_states import is_persisted, kept_data, read_state_within
from .task_runs import states_of, task_run_row

_PAUSE = ("pause_timeout", "pause_reschedule")


@dataclass(frozen=True, slots=True)
class NewTaskRun:
    """A task run to be recorded. `id` None: an id next to the flow run's other task runs is made."""

    id: UUID | None
    flow_run_id: UUID | None
    task_key: str
    dynamic_key: str
    name: str
    tags: Sequence[str]
    labels: Mapping[str, Any]
    policy: Mapping[str, Any]
    task_version: str | None
    task_inputs: Mapping[str, Any]
    cache_key: str | None
    cache_expiration: Any


@dataclass(frozen=True, slots=True)
class Proposed:
    """The result of a proposal; `run` is the task run afterwards."""

    verdict: Verdict
    run: TaskRunRow
    written: bool


async def create(db: Database, new: NewTaskRun, first: State) -> tuple[TaskRunRow, bool]:
    """Record a task run in its first state; returns it and whether it was created. An existing one with its
    id, or its flow run, task key and dynamic key, is returned. Raises NotFound (the flow run).
    """
    try:
        return await _create(db, new, first)
    except IntegrityError:  # another process has just recorded it: find it now
        return await _create(db, new, first)


async def rename(db: Database, task_run_id: UUID, name: str) -> None:
    """Give a task run another name. Raises NotFound."""
    async with db.write() as connection:
        statement = update(task_run).where(task_run.c.id == task_run_id).values(name=plain_text(name))
        if not (await connection.execute(statement)).rowcount:
            raise _missing(task_run_id)
        await announce(connection, CHANGES)


async def delete(db: Database, task_run_id: UUID) -> None:
    """Remove a task run and its log lines. Raises NotFound."""
    async with db.write() as connection:
        gone = await connection.execute(sql_delete(task_run).where(task_run.c.id == task_run_id))
        if not gone.rowcount:
            raise _missing(task_run_id)
        await connection.execute(sql_delete(log).where(log.c.task_run_id == task_run_id))
        await announce(connection, CHANGES)


async def propose(db: Database, task_run_id: UUID, proposed: State, *, force: bool = False) -> Proposed:
    """Judge a proposed state by the rules and write what they allow, with their decisions. Raises
    NotFound.
    """
    async with db.write() as connection:
        return await propose_within(db, connection, task_run_id, proposed, force=force)


async def propose_within(
    db: Database, connection: AsyncConnection, task_run_id: UUID, proposed: State, *, force: bool = False
) -> Proposed:
    """`propose` within a larger transaction."""
    row = await _locked(connection, task_run_id)
    if row is None:
        raise _missing(task_run_id)
    flow = await _flow_facts(connection, row.flow_run_id)
    current = states_of(row)[-1]
    facts = _facts_for_rules(row, current, proposed, flow)
    if proposed.is_running() and not force:
        facts = replace(facts, cached=await state_cache.kept_within(db, connection, proposed))
    begins = proposed.is_running() and not force and current.type != StateType.RUNNING
    had_slots = False
    if begins and row.tags:
        had_slots = await tag_slots.holds_within(connection, task_run_id)
        facts = await _with_tag_slots(db, connection, row, facts)
    kind: Kind = "background-run" if proposed.details.get("deferred") else "task-run"
    verdict = decide(kind, state_of(current), proposed, facts, force=force)
    await record_trail(connection, trail_of(row.flow_run_id, task_run_id, current, proposed, verdict))
    became = verdict.state_to_write or state_of(current)
    # Only Running needs slots; slots that the client took before stay with it.
    if row.tags and not became.is_running() and (verdict.state_to_write is not None or not had_slots):
        await tag_slots.release_within(db, connection, task_run_id)
    if verdict.state_to_write is None:
        return Proposed(verdict, row, False)
    # A row of a journal is numbered from 1 on and keeps the journal's epoch.
    begun = verdict.state_to_write.is_running() and not force and not row.seq
    epoch = flow.run_count if flow is not None and begun else row.epoch
    reset: int | None = verdict.changes.get("run_count")
    await _write(connection, row, verdict.state_to_write, epoch, reset)
    if verdict.state_to_write.is_completed() and verdict.state_to_write is not facts.cached:
        await state_cache.keep_within(db, connection, verdict.state_to_write)
    if row.flow_run_id == NO_FLOW_RUN and _waits_for_a_worker(verdict.state_to_write):
        await put_within(db, connection, task_run_id, row.task_key)
    return Proposed(verdict, await _one(connection, task_run_id), True)


async def follow_child(
    db: Database, connection: AsyncConnection, task_run_id: UUID, child_id: UUID, state: State
) -> None:
    """Give a tracking task run the state of its sub-flow run, without asking rules."""
    row = await _locked(connection, task_run_id)
    if row is not None:
        details = {**state.details, "child_flow_run_id": str(child_id)}
        await _write(connection, row, replace(state, details=details, id=uuid7()), row.epoch, None)


def state_of(row: TaskRunState) -> State:
    """A recorded state in the form for the rules."""
    return State(StateType(row.type), row.name, row.message, row.data, dict(row.details), row.timestamp)


async def _create(db: Database, new: NewTaskRun, first: State) -> tuple[TaskRunRow, bool]:
    flow_run_id = new.flow_run_id or NO_FLOW_RUN
    async with db.write() as connection:
        same = (
            (task_run.c.flow_run_id == flow_run_id)
            & (task_run.c.task_key == plain_text(new.task_key))
            & (task_run.c.dynamic_key == plain_text(new.dynamic_key))
        )
        known = await connection.scalar(select(task_run.c.id).where(same))
        if known is None and new.id is not None:
            known = await connection.scalar(select(task_run.c.id).where(task_run.c.id == new.id))
        if known is not None:
            return await _one(connection, known), False
        task_run_id = new.id or _id_beside(flow_run_id)
        inherited: dict[str, Any] = {}
        if new.flow_run_id is not None:
            of_flow_run = select(flow_run.c.labels).where(flow_run.c.id == flow_run_id)
            whose = (await connection.execute(of_flow_run)).first()
            if whose is None:
                raise NotFound(f"there is no flow run {flow_run_id}")
            inherited = {**(whose[0] or {}), "prefect.flow-run.id": str(flow_run_id)}
        at = first.timestamp
        await connection.execute(
            insert(task_run).values(
                id=task_run_id,
                flow_run_id=flow_run_id,
                expected_start_time=(first.is_scheduled() and first.moment("scheduled_time")) or at,
                start_time=at if first.is_running() or first.is_final() else None,
                end_time=at if first.is_final() else None,
                epoch=0,
                seq=0,
                run_count=int(first.is_running()),
                task_key=plain_text(new.task_key),
                dynamic_key=plain_text(new.dynamic_key),
                task_name=plain_text(new.name),
                name=plain_text(new.name),
                state_type=first.type.value,
                state_name=plain_text(first.name),
                message=_plain(first.message),
                tags=list(dict.fromkeys(plain_text(tag) for tag in new.tags)),
                labels=json_value({**inherited, **new.labels}),
                policy=json_value(dict(new.policy)),
                task_version=_plain(new.task_version),
                task_inputs=json_value(dict(new.task_inputs)),
                cache_key=_plain(new.cache_key),
                cache_expiration=new.cache_expiration,
                timeline=[_entry(first)],
            )
        )
        if new.flow_run_id is None and _waits_for_a_worker(first):
            await put_within(db, connection, task_run_id, new.task_key)
        await announce(connection, CHANGES)
        return await _one(connection, task_run_id), True


def _waits_for_a_worker(state: State) -> bool:
    return state.type is StateType.SCHEDULED and bool(state.details.get("deferred"))


def _id_beside(flow_run_id: UUID) -> UUID:
    """A new id among those of the flow run's task runs, which begin like its own id."""
    if flow_run_id == NO_FLOW_RUN:
        return uuid7()
    return UUID(int=(flow_run_id.int >> 80 << 80) | (uuid7().int & ((1 << 80) - 1)))


async def _locked(connection: AsyncConnection, task_run_id: UUID) -> TaskRunRow | None:
    statement = select(task_run).where(task_run.c.id == task_run_id).with_for_update()
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else task_run_row(row)


async def _one(connection: AsyncConnection, task_run_id: UUID) -> TaskRunRow:
    statement = select(task_run).where(task_run.c.id == task_run_id)
    return task_run_row((await connection.execute(statement)).mappings().one())


class _FlowFacts(NamedTuple):
    """What the rules need of a task run's flow run."""

    state_type: StateType | None
    run_count: int
    pause: Mapping[str, Any]  # details of its pause


async def _flow_facts(connection: AsyncConnection, flow_run_id: UUID) -> _FlowFacts | None:
    """The facts about a flow run; None when it does not exist."""
    columns = flow_run.c
    statement = select(columns.state_type, columns.run_count, columns.state_id)
    row = (await connection.execute(statement.where(columns.id == flow_run_id))).first()
    if row is None:
        return None
    state_type = StateType(row[0]) if row[0] else None
    pause: dict[str, Any] = {}
    if state_type is StateType.PAUSED:
        state = await read_state_within(connection, row[2])
        details = {} if state is None else state.details
        pause = {name: details[name] for name in _PAUSE if name in details}
    return _FlowFacts(state_type, row[1], pause)


def _facts_for_rules(
    row: TaskRunRow, current: TaskRunState, proposed: State, flow: _FlowFacts | None
) -> RunFacts:
    policy = row.policy
    return RunFacts(
        run_count=row.run_count,
        retries=policy.get("retries") or policy.get("max_retries") or 0,
        retry_delay_s=_retry_delay_s(policy, row.run_count),
        result_persisted=row.result_kind in ("inline", "stored") or is_persisted(current.data),
        proposal_has_result=proposed.data is not NO_VALUE and is_persisted(proposed.data),
        has_flow=row.flow_run_id != NO_FLOW_RUN,
        flow_state=flow.state_type if flow else None,
        flow_pause=flow.pause if flow else {},
        flow_run_count=flow.run_count if flow else 0,
        flow_run_run_count=row.epoch,
    )


async def _with_tag_slots(
    db: Database, connection: AsyncConnection, row: TaskRunRow, facts: RunFacts
) -> RunFacts:
    """Take a slot of each limit on the run's tags; the facts name a limit without a free one."""
    _, full = await tag_slots.take_within(db, connection, row.tags, row.id)
    if full is None:
        return facts
    tag = full.name.removeprefix(TAG_PREFIX)
    return replace(facts, full_tag=tag, full_tag_limit=full.limit or 0, full_tag_retry_s=full.retry_after_s)


def _retry_delay_s(policy: Mapping[str, Any], run_count: int) -> float:
    """Seconds before the next attempt: a list has one entry for each, and the last one repeats."""
    delay: Any = policy.get("retry_delay") or policy.get("retry_delay_seconds") or 0.0
    if isinstance(delay, list):
        delays = cast("list[float]", delay)
        delay = delays[min(max(run_count - 1, 0), len(delays) - 1)] if delays else 0.0
    return float(delay) * (1 + random.random() * float(policy.get("retry_jitter_factor") or 0.0))


async def _write(
    connection: AsyncConnection, row: TaskRunRow, state: State, epoch: int, run_count: int | None
) -> None:
    """Add a state to the timeline and to the row."""
    states = states_of(row)
    at = max(state.timestamp.timestamp(), states[-1].timestamp.timestamp() + 1e-6)
    count = (row.run_count if run_count is None else run_count) + int(state.is_running())
    started = row.start_time.timestamp() if row.start_time else None
    if started is None and (state.is_running() or state.is_final()):
        started = at
    # A run that has ended and gets another end keeps its first end time.
    first_end = row.end_time.timestamp() if row.end_time else at
    await connection.execute(
        update(task_run)
        .where(task_run.c.id == row.id)
        .values(
            state_type=state.type.value,
            state_name=plain_text(state.name),
            message=_plain(state.message),
            start_time=started,
            end_time=first_end if state.is_final() else None,
            run_count=count,
            epoch=epoch,
            timeline=[*map(_kept_entry, states), _entry(state, at)],
        )
    )
    await announce(connection, CHANGES)


def _entry(state: State, at: float | None = None) -> list[Any]:
    details = {name: value for name, value in state.details.items() if value is not None}
    more: dict[str, Any] = {"id": str(state.id)}
    if details:
        more["details"] = json_value(details)
    if (data := kept_data(state)) is not None:
        more["data"] = data
    moment = state.timestamp.timestamp() if at is None else at
    message = _plain(state.message)
    return [state.type.value, plain_text(state.name), moment, message, more]


def _kept_entry(state: TaskRunState) -> list[Any]:
    entry: list[Any] = [state.type, state.name, state.timestamp.timestamp(), state.message]
    if state.id is not None:
        entry.append({"id": str(state.id), "details": state.details, "data": state.data})
    return entry


def _plain(text: str | None) -> str | None:
    return None if text is None else plain_text(text)


def _missing(task_run_id: UUID) -> NotFound:
    return NotFound(
        f"there is no task run {task_run_id}",
        hint="heliostat task-run ls --flow-run ID shows those of a run",
    )
