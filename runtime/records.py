"""What the engine gives the journal: plain records, columnar where there are many of a kind.

Every record belongs to one flow run. The journal numbers the events inside (`len(record)` of them) and always
commits them in order. Columns are sequences with one entry for each item, or a scalar when all are equal.
Times are seconds since 1970 (`clock.epoch_s`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

HeldLease = tuple[UUID, int, UUID]
"""What its holder knows of a lease: the run's id, the epoch, the owner's id."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that executes runs. `process_started` (epoch seconds) tells a reused pid."""

    id: UUID
    host: str
    pid: int
    process_started: float


@dataclass(frozen=True, slots=True)
class CallSite:
    """One task called from one scope of one run: what all its task runs have in common."""

    flow_run_id: UUID
    scope: str  # path of the enclosing calls, "" in the flow's body
    task_key: str  # stable name of the task function, e.g. "clean-1a2b3c4d"
    task_name: str  # what people read; a run's default name is f"{task_name}-{index}"
    base: int  # ids.task_run_base of the three above
    tags: tuple[str, ...] = ()
    policy: dict[str, Any] = field(default_factory=dict[str, Any])  # the standard's TaskRunPolicy fields
    task_version: str | None = None

    def dynamic_key(self, index: int) -> str:
        """The index within the scope, as the standard's `dynamic_key`."""
        return f"{self.scope}{index}"


@dataclass(slots=True)
class TaskRunBatch:
    """The present state of some task runs of one call site: inserted, or updated where they exist.

    `state_types` are StateType values as text. `timelines` hold the JSON text `[[type, name, epoch_s,
    message|null], ...]` and are None for the ordinary path (Pending at `expected`, Running at `starts`, then
    the state at `ends`). `results` are serialized inline values; `result_kinds` says where each value is:
    "none" (the value is None), "inline", "stored" (`results` holds the storage key as UTF-8), "memory" (only
    in the object store), or None while there is no result.
    """

    site: CallSite
    indexes: Sequence[int]
    state_types: Sequence[str] | str
    state_names: Sequence[str] | str
    expected: Sequence[float] | float
    starts: Sequence[float | None]
    ends: Sequence[float | None]
    run_counts: Sequence[int] | int = 1
    messages: Sequence[str | None] | None = None
    timelines: Sequence[str | None] | None = None
    result_kinds: Sequence[str | None] | str | None = None
    results: Sequence[bytes | None] | None = None
    input_hashes: Sequence[bytes | None] | None = None  # 8 bytes each
    cache_keys: Sequence[str | None] | None = None  # stored in the cache, too, when the result is durable
    cache_expirations: Sequence[float | None] | None = None
    errors: Sequence[str | None] | None = None  # JSON text: {"type", "message", "traceback", "cause"}
    names: Sequence[str | None] | None = None  # custom run names; None means the default name
    task_inputs: Sequence[str | None] | None = None  # JSON text in the standard's form; None means {}
    node: str | None = None
    pid: int | None = None

    def __len__(self) -> int:
        return len(self.indexes)


@dataclass(slots=True)
class FlowRunTransition:
    """A flow run's new state, already accepted by the rules. `release` also gives up the lease."""

    state_id: UUID
    state_type: str
    state_name: str
    at: float
    message: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])  # the standard's StateDetails fields
    result_kind: str | None = None
    result: bytes | None = None
    error: str | None = None
    release: bool = False

    def __len__(self) -> int:
        return 1


@dataclass(slots=True)
class RuleDecision:
    """What a rule decided about a proposed transition of this run (or of one of its task runs), and why."""

    at: float
    rule: str
    outcome: str  # ACCEPT, REJECT, WAIT, ABORT
    reason: str
    from_type: str | None
    to_type: str
    to_name: str
    task_run_id: UUID | None = None

    def __len__(self) -> int:
        return 1


@dataclass(slots=True)
class LogLine:
    """One line of a flow's or task's log."""

    at: float
    level: int
    logger: str
    message: str
    task_run_id: UUID | None = None


@dataclass(slots=True)
class LogBatch:
    """Some log lines of one run, in the order in which they were written."""

    lines: list[LogLine]

    def __len__(self) -> int:
        return 1


Record = TaskRunBatch | FlowRunTransition | RuleDecision | LogBatch


@dataclass(slots=True)
class RunAppend:
    """Records of one run to be written to the database: events `first_seq .. last_seq`, in order."""

    run_id: UUID
    epoch: int
    owner: UUID
    first_seq: int
    records: list[Record]

    @property
    def last_seq(self) -> int:
        return self.first_seq + sum(map(len, self.records)) - 1


@dataclass(frozen=True, slots=True)
class Ack:
    """The database's answer to an append: durable up to `seq`; `fenced` when another owner holds the run."""

    run_id: UUID
    seq: int
    fenced: bool = False


# Machines keep pickled records of earlier versions, under the name that this module had then.
sys.modules.setdefault("heliostat.runtime.journal.records", sys.modules[__name__])
