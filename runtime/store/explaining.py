"""Why a run waits, read from what is recorded: its state, what it waits for, and who has that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from ..errors import NotFound
from ..rules import PLACEMENT
from ..schedule_slots import LATE_AFTER_S
from ..states import FINAL_STATES, State, StateType
from .claims import HOLDING
from .database import Database
from .rows import FlowRunRow, FlowRunStateRow, LeaseRow
from .setup_tables import concurrency_limit
from .slot_reasons import full_tags
from .tables import (
    deployment,
    flow,
    flow_run,
    flow_run_state,
    rule_decision,
    run_lease,
    work_pool,
    work_queue,
)
from .work_pools import OCCUPYING
from .work_pools import selected as selected_pools
from .work_queues import POLLED_WITHIN_S

_HOLDERS_SHOWN = 10

ExecutorNote = Callable[[FlowRunRow, LeaseRow, datetime], str | None]
"""Says what is wrong with the holder of a run's lease; None when nothing is."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a run waits for. `holders` are runs that have what it needs."""

    code: str
    text: str
    since: datetime | None = None
    hint: str | None = None
    holders: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a run is where it is: in one line, and reason by reason, the one to mend first in front."""

    summary: str
    reasons: list[Reason]
    state_type: str | None
    state_name: str | None
    state_message: str | None
    state_since: datetime | None
    scheduled_for: datetime | None


async def explain(db: Database, run_id: UUID, executor_note: ExecutorNote | None = None) -> Explanation:
    """Why the run waits, or what it does. `executor_note` says what is wrong with who executes it, as far as
    that can be seen from where it is asked. Raises NotFound.
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
            note = executor_note(run, lease, now)
        reasons = await _reasons(db, connection, run, state, lease, now, note)
        last_word = await _last_word(connection, run)
    if last_word is not None and run.state_type == "SCHEDULED":
        reasons.append(last_word)
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
        return [_paused(run, state)]
    if run.state_type in HOLDING:
        if lease is not None and executor_note is not None:
            return [Reason("dead-executor", executor_note, lease.until)]
        full = [
            Reason(
                "tag-limit",
                tag.text,
                tag.since,
                "raise the limit, or wait for those who hold its slots",
                tag.holders,
            )
            for tag in await full_tags(db, connection, run.id)
        ]
        return [*_executor(run, lease), *await _unplaced(connection, run), *full]
    if run.state_type != "SCHEDULED":
        return []
    due_at = run.next_scheduled_start_time or now
    if due_at > now:
        return [_not_due(run, state, due_at, now)]
    reasons = [reason async for reason in _place(db, connection, run, now)]
    reasons += [reason async for reason in _limits(connection, run)]
    if state is not None and state.message and run.state_name == "Scheduled" and not run.auto_scheduled:
        reasons.insert(0, Reason("last-attempt", state.message, state.timestamp))
    late_s = (now - due_at).total_seconds()
    if not reasons and run.work_queue_id is not None and late_s >= LATE_AFTER_S:
        text = "nobody has claimed it: is the server that keeps its pool up, and Ray?"
        reasons.append(Reason("no-keeper", text, due_at, "heliostat ray status"))
    if late_s >= LATE_AFTER_S:
        reasons.append(Reason("late", f"it is {late_s:.0f} s late", due_at))
    return reasons


def _not_due(run: FlowRunRow, state: FlowRunStateRow | None, due_at: datetime, now: datetime) -> Reason:
    in_s = (due_at - now).total_seconds()
    message = f" ({state.message})" if state is not None and state.message else ""
    if run.state_name == "AwaitingRetry":
        return Reason("awaiting-retry", f"it is tried again in {in_s:.0f} s{message}", run.state_timestamp)
    if run.state_name == "AwaitingConcurrencySlot":
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


def _executor(run: FlowRunRow, lease: LeaseRow | None) -> list[Reason]:
    """Who works on it, and whether that one lives."""
    if lease is None or lease.owner is None:
        if run.state_type == "CANCELLING":
            text = "it is being cancelled; whoever executes it has not confirmed that yet"
            return [Reason("cancelling", text, run.state_timestamp)]
        if run.state_type == "PENDING":
            return [Reason("starting", "somebody has taken it and has not begun", run.state_timestamp)]
        return []
    who = f"process {lease.pid} on {lease.host}"
    if lease.lapsed:
        text = f"{who} has been silent since its lease ended at {lease.until:%H:%M:%S} UTC"
        return [Reason("dead-executor", f"{text}: it is about to be given to another one", lease.until)]
    if run.state_type == "CANCELLING":
        return [Reason("cancelling", f"it is being cancelled by {who}", run.state_timestamp)]
    if run.state_type == "PENDING":
        text = f"{who} has taken it and prepares its start (lease until {lease.until:%H:%M:%S} UTC)"
        return [Reason("starting", text, run.state_timestamp)]
    return []


async def _place(
    db: Database, connection: AsyncConnection, run: FlowRunRow, now: datetime
) -> AsyncGenerator[Reason]:
    """What is wrong with where it waits."""
    if run.deployment_id is None:
        yield Reason("no-deployment", "it belongs to no deployment, so nobody but a client of it starts it")
        return
    there = select(deployment.c.id).where(deployment.c.id == run.deployment_id)
    if await connection.scalar(there) is None:
        yield Reason("deployment-deleted", "its deployment was deleted, so nobody starts it")
        return
    if run.work_queue_id is None:
        served = select(deployment.c.last_polled).where(deployment.c.id == run.deployment_id)
        last = await connection.scalar(served)
        if last is None or (now - last).total_seconds() > POLLED_WITHIN_S:
            text = "its deployment has no work pool, and no process that serves it asks for its runs"
            yield Reason("no-worker", text, last, "start the script that serves it, or give it a work pool")
        return
    queue = (
        (await connection.execute(select(work_queue).where(work_queue.c.id == run.work_queue_id)))
        .mappings()
        .first()
    )
    if queue is None:
        yield Reason(
            "no-such-queue", "its work queue was deleted", None, "move its deployment to another one"
        )
        return
    of_queue = work_pool.c.id == queue["work_pool_id"]
    pool = (await connection.execute(selected_pools(db).where(of_queue))).mappings().one()
    if pool["is_paused"]:
        hint = f"heliostat work-pool resume {pool['name']}"
        yield Reason("pool-paused", f"work pool {pool['name']!r} is paused", pool["updated"], hint)
    if queue["is_paused"]:
        hint = f"heliostat work-queue resume {queue['name']} --pool {pool['name']}"
        yield Reason("queue-paused", f"work queue {queue['name']!r} is paused", queue["updated"], hint)
    polled: datetime | None = queue["last_polled"]
    is_polled = polled is not None and (now - polled).total_seconds() <= POLLED_WITHIN_S
    if pool["status"] == "NOT_READY" and not is_polled and pool["type"] != "ray":
        text = f"no worker of work pool {pool['name']!r} is online"
        yield Reason("no-worker", text, polled, f"heliostat worker start --pool {pool['name']}")


async def _limits(connection: AsyncConnection, run: FlowRunRow) -> AsyncGenerator[Reason]:
    """Limits that are reached, and by whom."""
    if run.deployment_id is not None:
        table = deployment.c
        found = await connection.execute(
            select(
                table.concurrency_limit,
                table.name,
                concurrency_limit.c.id.label("shared_id"),
                concurrency_limit.c.name.label("shared_name"),
                concurrency_limit.c.slot_limit,
            )
            .outerjoin(
                concurrency_limit,
                (concurrency_limit.c.id == table.global_concurrency_limit_id) & concurrency_limit.c.active,
            )
            .where(table.id == run.deployment_id)
        )
        owner = found.first()
        if owner is not None and owner.shared_id is not None:
            sharing = select(table.id).where(table.global_concurrency_limit_id == owner.shared_id)
            held = flow_run.c.state_type.in_(HOLDING) & flow_run.c.deployment_id.in_(sharing)
            name = f"concurrency limit {owner.shared_name!r}"
            if reason := await _full(connection, "deployment-limit", name, owner.slot_limit, held):
                yield reason
        if owner is not None and owner.concurrency_limit is not None:
            held = flow_run.c.state_type.in_(HOLDING) & (flow_run.c.deployment_id == run.deployment_id)
            name = f"deployment {owner.name!r}"
            if reason := await _full(connection, "deployment-limit", name, owner.concurrency_limit, held):
                yield reason
    if run.work_queue_id is None:
        return
    joined = await connection.execute(
        select(
            work_queue.c.name,
            work_queue.c.concurrency_limit,
            work_pool.c.id.label("pool_id"),
            work_pool.c.name.label("pool_name"),
            work_pool.c.concurrency_limit.label("pool_limit"),
        )
        .join(work_pool, work_pool.c.id == work_queue.c.work_pool_id)
        .where(work_queue.c.id == run.work_queue_id)
    )
    place = joined.first()
    if place is None:
        return
    occupying = flow_run.c.state_type.in_(OCCUPYING)
    if place.concurrency_limit is not None:
        held = occupying & (flow_run.c.work_queue_id == run.work_queue_id)
        name = f"work queue {place.name!r}"
        if reason := await _full(connection, "queue-limit", name, place.concurrency_limit, held):
            yield reason
    if place.pool_limit is not None:
        queues = select(work_queue.c.id).where(work_queue.c.work_pool_id == place.pool_id)
        held = occupying & flow_run.c.work_queue_id.in_(queues)
        name = f"work pool {place.pool_name!r}"
        if reason := await _full(connection, "pool-limit", name, place.pool_limit, held):
            yield reason


async def _full(
    connection: AsyncConnection, code: str, name: str, limit: int, held: ColumnElement[bool]
) -> Reason | None:
    counted = await connection.scalar(select(func.count()).select_from(flow_run).where(held)) or 0
    if counted < limit:
        return None
    table = flow_run.c
    rows = await connection.execute(
        select(table.id, table.name, table.state_name, table.state_timestamp)
        .where(held)
        .order_by(table.state_timestamp)
        .limit(_HOLDERS_SHOWN)
    )
    holders = [{"id": str(row.id), "name": row.name, "state_name": row.state_name} for row in rows]
    names = ", ".join(holder["name"] for holder in holders[:3])
    more = "" if counted <= 3 else f" and {counted - 3} more"
    by = f"; held by {names}{more}" if holders else ""
    return Reason(code, f"the limit of {name} is reached ({counted} of {limit}){by}", None, None, holders)


async def _state(connection: AsyncConnection, run: FlowRunRow) -> FlowRunStateRow | None:
    statement = select(flow_run_state).where(flow_run_state.c.id == run.state_id)
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else FlowRunStateRow(**row)


async def _lease(db: Database, connection: AsyncConnection, run_id: UUID) -> LeaseRow | None:
    statement = select(run_lease, (run_lease.c.until <= db.now()).label("lapsed"))
    row = (await connection.execute(statement.where(run_lease.c.run_id == run_id))).mappings().first()
    if row is None:
        return None
    facts = dict(row)
    facts["lapsed"] = bool(facts["lapsed"])
    return LeaseRow(**facts)


async def _unplaced(connection: AsyncConnection, run: FlowRunRow) -> list[Reason]:
    """Calls of the run that no node of the cluster could execute when they were sent."""
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


async def _last_word(connection: AsyncConnection, run: FlowRunRow) -> Reason | None:
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
        return f"{name} is due and nothing holds it: it is started as soon as its pool looks."
    return f"{name} is {run.state_name}; nothing keeps it."
