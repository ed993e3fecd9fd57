"""What a commit must write, computed from appends and leases before any row is touched. No SQL here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from ...foundation.errors import JournalGap
from ...records import Ack, FlowRunTransition, LogBatch, LogLine, RuleDecision, RunAppend, TaskRunBatch

_TAKES_SLOT = ("PENDING", "RUNNING")


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds a run and how far its journal goes."""

    epoch: int
    owner: UUID | None
    last_seq: int


@dataclass(frozen=True, slots=True)
class NumberedBatch:
    """Task runs with the event number of the first; the others follow without a gap."""

    batch: TaskRunBatch
    first_seq: int
    epoch: int


@dataclass(slots=True)
class CommitPlan:
    """Everything that one transaction writes."""

    acks: list[Ack] = field(default_factory=list[Ack])
    tasks: list[NumberedBatch] = field(default_factory=list[NumberedBatch])
    transitions: dict[UUID, list[FlowRunTransition]] = field(
        default_factory=dict[UUID, list[FlowRunTransition]]
    )
    decisions: list[tuple[UUID, RuleDecision]] = field(default_factory=list[tuple[UUID, RuleDecision]])
    logs: list[tuple[UUID, LogLine]] = field(default_factory=list[tuple[UUID, LogLine]])
    last_seqs: dict[UUID, int] = field(default_factory=dict[UUID, int])
    released: set[UUID] = field(default_factory=set[UUID])

    def given_up(self) -> list[UUID]:
        """The runs that no longer take a slot of a pool, or wait for one."""
        return [run for run, moves in self.transitions.items() if moves[-1].state_type not in _TAKES_SLOT]


def plan_commit(appends: list[RunAppend], holds: Mapping[UUID, Hold]) -> CommitPlan:
    """Decide for each append: fenced, already recorded, or to be written.

    Raises JournalGap when events are missing between what the database has and what an append starts with.
    """
    plan = CommitPlan()
    for append in appends:
        hold = holds.get(append.run_id)
        if hold is None or (hold.epoch, hold.owner) != (append.epoch, append.owner):
            known = hold.last_seq if hold else 0
            # The append that released the lease may be sent again when its answer was lost: it is not fenced.
            returned = hold is not None and hold.owner is None and hold.epoch == append.epoch
            plan.acks.append(Ack(append.run_id, known, fenced=not (returned and append.last_seq <= known)))
            continue
        last_seq = plan.last_seqs.get(append.run_id, hold.last_seq)
        if append.first_seq > last_seq + 1:
            raise JournalGap(
                f"run {append.run_id}: the database has events up to {last_seq}, "
                f"the append starts at {append.first_seq}"
            )
        last_seq = _take_records(plan, append, last_seq)
        plan.last_seqs[append.run_id] = last_seq
        plan.acks.append(Ack(append.run_id, last_seq))
    return plan


def _take_records(plan: CommitPlan, append: RunAppend, last_seq: int) -> int:
    """Add the records that the database does not have yet; returns the last event number."""
    run_id = append.run_id
    seq = append.first_seq
    for record in append.records:
        first, seq = seq, seq + len(record)
        if seq - 1 <= last_seq:
            continue
        match record:
            case TaskRunBatch():
                # A batch that is partly recorded is written whole: rows that are not newer change nothing.
                plan.tasks.append(NumberedBatch(record, first, append.epoch))
            case FlowRunTransition():
                plan.transitions.setdefault(run_id, []).append(record)
                if record.release:
                    plan.released.add(run_id)
            case RuleDecision():
                plan.decisions.append((run_id, record))
            case LogBatch():
                plan.logs.extend((run_id, line) for line in record.lines)
    return max(last_seq, seq - 1)
