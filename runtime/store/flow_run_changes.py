"""Flow runs that other processes execute: recording them, changing them, and proposing states for them.

One transaction judges a proposal by the rules, writes it and its consequences, so that of two concurrent
proposals the second sees the effects of the first.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, Select, Update, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation.errors import NotFound
from ..rules.deciding import RunFacts, Verdict, decide
from ..states import State, StateType
from . import new_runs, search
from .commits.derive import FlowRunFacts, apply, fold
from .database.announcements import CHANGES, COMMANDS, RUNS, announce
from .database.database import Database
from .database.gathering import gathered
from .database.prepared import is_one_of, prepared
from .database.rows import OCCUPYING, FlowRunStateRow, NewFlowRun
from .database.tables import flow, flow_run, flow_run_state
from .database.types import from_micros, to_micros
from .database.wire_text import data_value, json_value, plain_text
from .decision_trail import record_trail, trail_of
from .deployment_slots import admitted, lock_limit
from .fences import Fence
from .flow_runs import INSERT_STATE, insert_flow_run, new_flow_run_row, state_row
from .future_runs import orphaned
from .recorded_states import data_of, is_persisted, kept_data, read_state_within, transition_of
from .search import FlowRunAndState
from .task_run_changes import follow_child
from .work_queues import place_within

_FACTS = (
    "version",
    "state_id",
    "state_type",
    "state_name",
    "state_timestamp",
    "run_count",
    "total_run_time",
    "expected_start_time",
    "next_scheduled_start_time",
    "start_time",
    "end_time",
    "result_kind",
    "result",
)
_MOMENTS = frozenset(
    {"state_timestamp", "expected_start_time", "next_scheduled_start_time", "start_time", "end_time"}
)
_FLOW = select(flow.c.id).where(flow.c.id == bindparam("flow"))
_POLICY_FACTS = ("pause_keys", "resuming", "retry_type")


@dataclass(frozen=True, slots=True)
class Proposed:
    """The result of a proposal; `state` is the run's state afterwards."""

    verdict: Verdict
    state: FlowRunStateRow | None
    written: bool


async def create(
    db: Database,
    flow_id: UUID,
    new: NewFlowRun,
    first: State,
    *,
    work_pool_name: str | None = None,
    work_queue_name: str | None = None,
    deployment_id: UUID | None = None,
) -> tuple[FlowRunAndState, bool]:
    """Record a run of a known flow in its first state; returns it and whether it was created.

    An existing run of the flow with that idempotency key is returned. `new.flow_name` and `new.transitions`
    are ignored. With a pool, or a queue of it, the run waits there to be started. `deployment_id`: the
    deployment in whose limit it counts. Raises NotFound when the flow or pool does not exist.
    """
    place = (work_pool_name, work_queue_name)
    is_alone = deployment_id is None and new.parent_task_run_id is None
    if new.idempotency_key is None and place == (None, None) and is_alone:
        recorded = await new_runs.record(db, *_new_rows(flow_id, new, first), is_due=first.is_scheduled())
        if recorded is None:
            raise NotFound(f"there is no flow {flow_id}")
        return recorded, True
    try:
        run_id, made = await _create(db, flow_id, new, first, place, deployment_id)
    except IntegrityError:  # another process has just recorded the run: find it now
        run_id, made = await _create(db, flow_id, new, first, place, deployment_id)
    return await search.one_flow_run(db, run_id), made


async def change(db: Database, run_id: UUID, values: Mapping[str, Any]) -> None:
    """Set columns of a run: name, flow_version, parameters, empirical_policy, tags, infrastructure_pid,
    job_variables. Raises NotFound.
    """
    data = ("parameters", "job_variables")
    cleaned = {
        name: data_value(value, name) if name in data else json_value(value) for name, value in values.items()
    }
    async with db.write() as connection:
        statement = update(flow_run).where(flow_run.c.id == run_id).values(**cleaned, updated=db.now())
        if not (await connection.execute(statement)).rowcount:
            raise _missing(run_id)
        await announce(connection, CHANGES)


async def merge_labels(db: Database, run_id: UUID, labels: Mapping[str, Any]) -> None:
    """Add labels to a run, replacing those with equal names. Raises NotFound."""
    async with db.write() as connection:
        statement = select(flow_run.c.labels).where(flow_run.c.id == run_id).with_for_update()
        known = (await connection.execute(statement)).first()
        if known is None:
            raise _missing(run_id)
        merged = {**known[0], **json_value(dict(labels))}
        await connection.execute(
            update(flow_run).where(flow_run.c.id == run_id).values(labels=merged, updated=db.now())
        )
        await announce(connection, CHANGES)


async def propose(
    db: Database, run_id: UUID, proposed: State, *, force: bool = False, fence: Fence | None = None
) -> Proposed:
    """Judge a proposed state by the rules and write what they allow, with their decisions, in one transaction
    (which concurrent calls may share).

    `proposed.data` is the proposer's description of the result, as JSON. A sub-flow's tracking task run gets
    the state, too. Services of a server pass a fence: unless it holds, StaleState is raised and nothing
    changed. Raises NotFound.
    """
    proposal = _Proposal(run_id, proposed, force)
    if fence is None:
        return await _judged(db, proposal)
    async with db.write() as connection:
        await fence.check(db, connection, run_id)  # the lease first, in the order of journals
        [became] = await _judge_within(db, connection, [proposal])
        if isinstance(became, Exception):
            raise became
        return became


class _Proposal(NamedTuple):
    run_id: UUID
    state: State
    force: bool

    @property
    def asks_for_a_slot(self) -> bool:
        return self.state.is_pending() and not self.force


def _subjects(proposal: _Proposal) -> tuple[Hashable, ...]:
    # Of two proposals that need a slot the second must see that the first has taken one.
    return (proposal.run_id, "slot") if proposal.asks_for_a_slot else (proposal.run_id,)


@gathered(_subjects)
async def _judged(db: Database, proposals: Sequence[_Proposal]) -> list[Proposed | Exception]:
    """Judge proposals for different runs; returns the result of each."""
    async with db.write() as connection:
        return await _judge_within(db, connection, proposals)


async def _judge_within(
    db: Database, connection: AsyncConnection, proposals: Sequence[_Proposal]
) -> list[Proposed | Exception]:
    became: list[Proposed | Exception] = []
    writes: list[_Write] = []
    trail: list[dict[str, Any]] = []
    topics: set[str] = set()
    for each in proposals:
        if each.asks_for_a_slot:
            await lock_limit(connection, each.run_id)
    runs = await _locked(db, connection, [each.run_id for each in proposals])
    for run_id, proposed, force in proposals:
        run = runs.get(run_id)
        if run is None:
            became.append(_missing(run_id))
            continue
        current = await _present_state(connection, run)
        verdict = _verdict(run, current, proposed, force)
        if not force:
            verdict = await admitted(db, connection, run, verdict)
        trail += trail_of(run_id, None, current, proposed, verdict)
        state = verdict.state_to_write
        parent = {} if run["parent_task_run_id"] is None else {"task_run_id": str(run["parent_task_run_id"])}
        if state is None:
            kept = replace(current, details={**current.details, **parent}) if current and parent else current
            became.append(Proposed(verdict, kept, False))
            continue
        if parent:
            state = replace(state, details={**state.details, **parent})
        write = _write_of(run, state, verdict.changes)
        writes.append(write)
        topics.update(_topics(current, state, force))
        became.append(Proposed(verdict, write.written, True))
    await _keep(db, connection, trail, writes)
    for write in writes:
        await tell_parent_within(db, connection, write.parent_task_run_id, write.run["run"], write.proposed)
    await announce(connection, *sorted(topics))
    return became


async def tell_parent_within(
    db: Database, connection: AsyncConnection, task_run_id: UUID | None, run_id: UUID, state: State
) -> None:
    """Give the task run that represents a sub-flow's run in its parent, if there is one, that run's state."""
    if task_run_id is not None:
        await follow_child(db, connection, task_run_id, run_id, state)


def _verdict(run: RowMapping, current: FlowRunStateRow | None, proposed: State, force: bool) -> Verdict:
    before = None if current is None else state_of(current)
    return decide("flow-run", before, proposed, _facts_for_rules(run, current, proposed), force=force)


async def _locked(
    db: Database, connection: AsyncConnection, run_ids: Sequence[UUID]
) -> dict[UUID, RowMapping]:
    """The existing runs, each with its state, locked until the transaction ends; in the order of their ids,
    so that two groups cannot deadlock.
    """
    found = await connection.execute(_locked_runs(db), {"runs": run_ids})
    return {row["id"]: row for row in found.mappings()}


def state_of(row: FlowRunStateRow) -> State:
    """A recorded state in the form for the rules."""
    return State(
        StateType(row.type), row.name, row.message, row.data, dict(row.details), row.timestamp, row.id
    )


async def _create(
    db: Database,
    flow_id: UUID,
    new: NewFlowRun,
    first: State,
    place: tuple[str | None, str | None],
    deployment_id: UUID | None,
) -> tuple[UUID, bool]:
    run, state = _new_rows(flow_id, new, first)
    async with db.write() as connection:
        if not await connection.scalar(_FLOW, {"flow": flow_id}):
            raise NotFound(f"there is no flow {flow_id}")
        if new.idempotency_key is not None:
            key = plain_text(new.idempotency_key)
            same = (flow_run.c.flow_id == flow_id) & (flow_run.c.idempotency_key == key)
            known = await connection.scalar(select(flow_run.c.id).where(same))
            if known is not None:
                return known, False
        run |= await place_within(db, connection, *place) | {"deployment_id": deployment_id}
        await connection.execute(insert_flow_run(db), run)
        await connection.execute(INSERT_STATE, state)
        if first.is_scheduled():
            await announce(connection, RUNS)
        await tell_parent_within(db, connection, new.parent_task_run_id, new.id, first)
        return new.id, True


def _new_rows(flow_id: UUID, new: NewFlowRun, first: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of a run and of its first state."""
    facts = FlowRunFacts(new.id)
    [entry] = fold(facts, [transition_of(first)])
    return new_flow_run_row(new, flow_id, facts), state_row(entry) | {"data": kept_data(first)}


async def _present_state(connection: AsyncConnection, run: RowMapping) -> FlowRunStateRow | None:
    """The state that a row of `_LOCKED_RUN` came with."""
    if run["state__id"] != run["state_id"]:
        # The run changed while this statement waited for its lock: Postgres joined it with the old state.
        return await read_state_within(connection, run["state_id"])
    if run["state_id"] is None:
        return None
    return FlowRunStateRow(**{each.name: run[f"state__{each.name}"] for each in fields(FlowRunStateRow)})


def _facts_for_rules(run: RowMapping, current: FlowRunStateRow | None, proposed: State) -> RunFacts:
    policy: Mapping[str, Any] = run["empirical_policy"] or {}
    kept = run["result_kind"] in ("inline", "stored")
    return RunFacts(
        run_count=run["run_count"],
        retries=policy.get("retries") or policy.get("max_retries") or 0,
        retry_delay_s=policy.get("retry_delay") or policy.get("retry_delay_seconds") or 0.0,
        has_deployment=run["deployment_id"] is not None and not run["is_orphaned"],
        is_subflow=run["parent_task_run_id"] is not None,
        result_persisted=kept or (current is not None and is_persisted(current.data)),
        proposal_has_result=is_persisted(data_of(proposed)),
        infrastructure_pid=run["infrastructure_pid"],
        pause_keys=frozenset(policy.get("pause_keys") or ()),
        resuming=bool(policy.get("resuming")),
        retry_type=policy.get("retry_type"),
    )


async def write_within(
    db: Database, connection: AsyncConnection, run: RowMapping, state: State, changes: Mapping[str, Any]
) -> FlowRunStateRow:
    """Add a state to the history and the row of a locked run, without asking rules. `changes` are a verdict's
    changes of its policy.
    """
    write = _write_of(run, state, changes)
    await _keep(db, connection, [], [write])
    return write.written


@dataclass(frozen=True, slots=True)
class _Write:
    """A state to be written: its row and the columns of its run, and the state as it will be read."""

    proposed: State
    state: dict[str, Any]
    run: dict[str, Any]
    written: FlowRunStateRow
    parent_task_run_id: UUID | None


def _write_of(run: RowMapping, state: State, changes: Mapping[str, Any]) -> _Write:
    policy: dict[str, Any] = dict(run["empirical_policy"] or {})
    facts = FlowRunFacts(run["id"], **{name: _fact(name, run[name]) for name in _FACTS})
    facts.resuming = bool(policy.get("resuming"))
    entry = apply(facts, transition_of(state))
    policy |= {name: changes[name] for name in _POLICY_FACTS if name in changes}
    if state.is_running() and "resuming" in policy:
        policy["resuming"] = False
    if "pause_keys" in policy:
        policy["pause_keys"] = sorted(policy["pause_keys"] or ())
    row: dict[str, Any] = state_row(entry) | {"data": kept_data(state)}
    columns = {name: _column(name, getattr(facts, name)) for name in _FACTS}
    read: dict[str, Any] = {**row, "data": data_of(state), "timestamp": from_micros(entry.timestamp)}
    return _Write(
        state,
        row,
        columns | {"run": run["id"], "empirical_policy": policy},
        FlowRunStateRow(**read),
        run["parent_task_run_id"],
    )


async def _keep(
    db: Database, connection: AsyncConnection, trail: list[dict[str, Any]], writes: Sequence[_Write]
) -> None:
    await record_trail(connection, trail)
    if writes:
        await connection.execute(INSERT_STATE, [write.state for write in writes])
        await connection.execute(_write_run(db), [write.run for write in writes])


@prepared
def _locked_runs(db: Database) -> Select[Any]:
    return (
        select(
            flow_run,
            *(column.label(f"state__{column.name}") for column in flow_run_state.c),
            orphaned().label("is_orphaned"),
        )
        .outerjoin(flow_run_state, flow_run_state.c.id == flow_run.c.state_id)
        .where(is_one_of(db, flow_run.c.id, "runs"))
        .order_by(flow_run.c.id)
        .with_for_update(of=flow_run)
    )


@prepared
def _write_run(db: Database) -> Update:
    return update(flow_run).where(flow_run.c.id == bindparam("run")).values(error=None, updated=db.now())


def _topics(current: FlowRunStateRow | None, state: State, force: bool) -> list[str]:
    """The topics to announce for a written state: for services that start runs, and for the run's
    executor.
    """
    before = None if current is None else StateType(current.type)
    topics: list[str] = []
    if state.is_scheduled() or (before in OCCUPYING and state.type not in OCCUPYING):
        topics.append(RUNS)
    asks = state.is_cancelling() or state.is_paused() or before in (StateType.CANCELLING, StateType.PAUSED)
    if asks or (before in OCCUPYING and (force or state.is_cancelled())):
        topics.append(COMMANDS)
    return topics


def _fact(name: str, value: Any) -> Any:
    return to_micros(value.timestamp()) if name in _MOMENTS and value is not None else value


def _column(name: str, value: Any) -> Any:
    return value / 1e6 if name in _MOMENTS and value is not None else value


def _missing(run_id: UUID) -> NotFound:
    return NotFound(f"there is no flow run {run_id}", hint="heliostat flow-run ls shows the runs there are")
