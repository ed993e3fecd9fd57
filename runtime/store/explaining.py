"""Explains from the records why a run waits: its state, what it waits for, and which runs have that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..rules.deciding import PLACEMENT
from ..scheduling.schedule_slots import LATE_AFTER_S
from ..states import FINAL_STATES, State, StateType
from . import leases
from .database.database import Database
from .database.rows import HOLDING, FlowRunRow, FlowRunStateRow, LeaseRow
from .database.tables import flow, flow_run, flow_run_state, rule_decision, work_pool
from .place_reasons import Reason, limits, of_place
from .slot_reasons import full_tags
from .work_pools import selected as selected_pools

__all__ = ["Explanation", "ExecutorNote", "Reason", "explain"]

_AWAITS_SLOT = "AwaitingConcurrencySlot"
ExecutorNote = Callable[[FlowRunRow, LeaseRow], str | None]
"""Tells what is wrong with the holder of a run's lease; None when nothing is."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a run is in its state: a summary in one line, and the reasons, the most important first."""

    summary: str
    reasons: list[Reason]
    state_type: str | None
    state_name: str | None
    state_message: str | None
    state_since: datetime | None
    scheduled_for: datetime | None


async def explain(db: Database, run_id: UUID, executor_note: ExecutorNote | None = None) -> Explanation:
    """Why the run waits, or what it does. `executor_note` tells what is wrong with its executor, if this
    process can see that. Raises NotFound.
    """
    now = await db.time()
    async with db.read() as connection:
        found = await connection.execute(
            select(flow_run, flow.c.name.label("flow_name"))
            .join(flow, flow.c.id == flow_run.c.flow_id)
            .where(flow_run.c.id == run_id)
        )
        row = found.mappings().first()
        if row is None:
            raise NotFound(f"there is no flow run {run_id}")
        run = FlowRunRow(**row)
        state = await _state(connection, run)
        lease = await _lease(db, connection, run_id)
        note = None
        if lease is not None and lease.owner is not None and executor_note is not None:
            note = executor_note(run, lease)
        reasons = await _reasons(db, connection, run, state, lease, now, note)
        refusal = await _last_refusal(connection, run)
    if refusal is not None and run.state_type == "SCHEDULED":
        reasons.append(refusal)
    return Explanation(
        summary=_summary(run, reasons),
        reasons=reasons,
        state_type=run.state_type,
        state_name=run.state_name,
        state_message=None if state is None else state.message,
        state_since=run.state_timestamp,
        scheduled_for=run.next_scheduled_start_time,
    )


async def _reasons(
    db: Database,
    connection: AsyncConnection,
    run: FlowRunRow,
    state: FlowRunStateRow | None,
    lease: LeaseRow | None,
    now: datetime,
    executor_note: str | None,
) -> list[Reason]:
    if run.state_type == "PAUSED":
        reasons = [_paused(run, state)]
        if lease is not None and executor_note is not None and run.state_name != "Suspended":
            reasons.append(Reason("dead-executor", executor_note, lease.until))
        return reasons
    if run.state_type in HOLDING:
        if lease is not None and executor_note is not None:
            return [Reason("dead-executor", executor_note, lease.until)]
        full = [
            Reason(
                "tag-limit",
                tag.text,
                tag.since,
                "raise the limit, or wait for the runs that hold its slots",
                tag.holders,
            )
            for tag in await full_tags(db, connection, run.id)
        ]
        taken = await _executor(db, connection, run, lease, now)
        return [*taken, *await _unplaced(connection, run), *full]
    if run.state_type != "SCHEDULED":
        return []
    if lease is not None and executor_note is not None:
        return [Reason("dead-executor", executor_note, lease.until)]
    due_at = run.next_scheduled_start_time or now
    if due_at > now:
        full = [each async for each in limits(connection, run)] if run.state_name == _AWAITS_SLOT else []
        return [_not_due(run, state, due_at, now), *full]
    if lease is not None and lease.owner is not None and not lease.lapsed:
        text = f"process {lease.pid} on {lease.host} will try it again"
        return [Reason("kept-by-process", text, run.state_timestamp)]
    if run.empirical_policy.get("retry_type") == "in_process" and (lease is None or lease.owner is None):
        text = "its client will try it again in its own process, so no worker gets it"
        hint = f"if that client is gone: heliostat flow-run set-state {run.id} failed"
        return [Reason("kept-by-process", text, run.state_timestamp, hint)]
    reasons = await of_place(db, connection, run, due_at, now)
    if state is not None and state.message and run.state_name == "Scheduled" and not run.auto_scheduled:
        reasons.insert(0, Reason("last-attempt", state.message, state.timestamp))
    late_s = (now - due_at).total_seconds()
    if not reasons and run.work_queue_id is not None and late_s >= LATE_AFTER_S:
        text = "it has not been claimed: do the server of its pool and Ray run?"
        reasons.append(Reason("no-keeper", text, due_at, "heliostat ray status"))
    if late_s >= LATE_AFTER_S:
        reasons.append(Reason("late", f"it is {late_s:.0f} s late", due_at))
    return reasons


def _not_due(run: FlowRunRow, state: FlowRunStateRow | None, due_at: datetime, now: datetime) -> Reason:
    in_s = (due_at - now).total_seconds()
    message = f" ({state.message})" if state is not None and state.message else ""
    if run.state_name == "AwaitingRetry":
        return Reason("awaiting-retry", f"it is tried again in {in_s:.0f} s{message}", run.state_timestamp)
    if run.state_name == _AWAITS_SLOT:
        return Reason(
            "deployment-limit", f"it asks for a slot again in {in_s:.0f} s{message}", run.state_timestamp
        )
    return Reason("not-due", f"it is scheduled for {due_at:%Y-%m-%d %H:%M:%S} UTC, in {in_s:.0f} s{message}")


def _paused(run: FlowRunRow, state: FlowRunStateRow | None) -> Reason:
    details = {} if state is None else state.details
    until = State(StateType.PAUSED, details=dict(details)).moment("pause_timeout")
    end = "" if until is None else f"; it fails if that is not done by {until:%Y-%m-%d %H:%M:%S} UTC"
    word = "suspended" if run.state_name == "Suspended" else "paused"
    if details.get("run_input_keyset"):
        return Reason(
            "waits-for-input",
            f"it is {word} and waits for input{end}",
            run.state_timestamp,
            f"heliostat flow-run resume {run.id}",
        )
    return Reason(
        "paused",
        f"it is {word} until it is resumed{end}",
        run.state_timestamp,
        f"heliostat flow-run resume {run.id}",
    )


async def _executor(
    db: Database, connection: AsyncConnection, run: FlowRunRow, lease: LeaseRow | None, now: datetime
) -> list[Reason]:
    """The process that executes the run, and whether it lives."""
    if lease is None or lease.owner is None:
        if run.state_type == "CANCELLING":
            text = "it is being cancelled; its process has not confirmed that yet"
            return [Reason("cancelling", text, run.state_timestamp)]
        if run.state_type == "PENDING":
            return [await _taken(db, connection, run, now)]
        return []
    who = f"process {lease.pid} on {lease.host}"
    if lease.lapsed:
        text = f"{who} has been silent since its lease ended at {lease.until:%H:%M:%S} UTC"
        return [Reason("dead-executor", f"{text}: it will soon be given to another process", lease.until)]
    if run.state_type == "CANCELLING":
        return [Reason("cancelling", f"it is being cancelled by {who}", run.state_timestamp)]
    if run.state_type == "PENDING":
        text = f"{who} has taken it and prepares its start (lease until {lease.until:%H:%M:%S} UTC)"
        return [Reason("starting", text, run.state_timestamp)]
    return []


async def _taken(db: Database, connection: AsyncConnection, run: FlowRunRow, now: datetime) -> Reason:
    """The reason for a run that was taken without a lease, by a worker or another client."""
    ago = "" if run.state_timestamp is None else f" {(now - run.state_timestamp).total_seconds():.0f} s ago"
    if run.work_pool_id is not None:
        found = await connection.execute(selected_pools(db).where(work_pool.c.id == run.work_pool_id))
        pool = found.mappings().first()
        if pool is not None and pool["status"] == "NOT_READY" and pool["type"] != "ray":
            text = (
                f"a worker took it{ago} and has not begun it, and no worker of work pool {pool['name']!r} is "
                "online now: the worker that took it is gone"
            )
            return Reason("claimer-gone", text, run.state_timestamp, _again(run))
    return Reason("starting", f"a client took it{ago} and has not begun it", run.state_timestamp)


def _again(run: FlowRunRow) -> str:
    return f"to have it taken again: heliostat flow-run set-state {run.id} scheduled"


async def _state(connection: AsyncConnection, run: FlowRunRow) -> FlowRunStateRow | None:
    statement = select(flow_run_state).where(flow_run_state.c.id == run.state_id)
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else FlowRunStateRow(**row)


async def _lease(db: Database, connection: AsyncConnection, run_id: UUID) -> LeaseRow | None:
    found = await leases.read_many_within(db, connection, [run_id])
    return found[0] if found else None


async def _unplaced(connection: AsyncConnection, run: FlowRunRow) -> list[Reason]:
    """Reasons for calls of the run that no node of the cluster could execute when they were sent."""
    if run.state_type != "RUNNING":
        return []
    decided = rule_decision.c
    statement = (
        select(decided.outcome, decided.reason, decided.timestamp)
        .where(decided.flow_run_id == run.id, decided.rule == PLACEMENT)
        .order_by(decided.id.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    if row is None or row.outcome == "ACCEPT":
        return []
    return [Reason("unplaceable-task", row.reason, row.timestamp, "heliostat ray status")]


async def _last_refusal(connection: AsyncConnection, run: FlowRunRow) -> Reason | None:
    """The last rule that held the run back."""
    statement = (
        select(rule_decision)
        .where(
            rule_decision.c.flow_run_id == run.id,
            rule_decision.c.task_run_id.is_(None),
            rule_decision.c.outcome != "ACCEPT",
        )
        .order_by(rule_decision.c.id.desc())
        .limit(1)
    )
    row: RowMapping | None = (await connection.execute(statement)).mappings().first()
    if row is None:
        return None
    text = f"rule {row['rule']} said {row['outcome']} to {row['to_name']}: {row['reason']}"
    return Reason("rule", text, row["timestamp"])


def _summary(run: FlowRunRow, reasons: Iterable[Reason]) -> str:
    told = [reason.text for reason in reasons if reason.code != "rule"]
    name = f"Flow run {run.name!r} of flow {run.flow_name!r}"
    if told:
        return f"{name} is {run.state_name}: {'; '.join(told)}."
    if StateType(run.state_type or "PENDING") in FINAL_STATES:
        return f"{name} has ended as {run.state_name}."
    if run.state_type == "SCHEDULED":
        return f"{name} is due and nothing holds it: it is started when its pool next claims runs."
    return f"{name} is {run.state_name}; nothing holds it."
