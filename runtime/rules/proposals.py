"""What rules are asked and answer: a proposed state, facts of its run, and a decision with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..states import State, StateType

Kind = Literal["flow-run", "task-run", "background-run"]
ANY_STATE = frozenset(StateType)

PLACEMENT = "placement"
"""Under this name it is recorded that calls of a run wait for a node that has what they ask for."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What rules know of a run besides its states. The defaults are those of a plain run without retries."""

    run_count: int = 0  # how often it has been RUNNING
    retries: int = 0
    retry_delay_s: float = 0.0  # before the next attempt, jitter included
    has_deployment: bool = False
    is_subflow: bool = False
    result_persisted: bool = False  # of the current state
    proposal_has_result: bool = False  # persisted, of the proposed state
    infrastructure_pid: str | None = None
    pause_keys: frozenset[str] = frozenset()  # used already
    resuming: bool = False  # the next RUNNING goes on after a pause
    retry_type: str | None = None  # "in_process", "reschedule"
    has_flow: bool = True  # task runs: made inside a flow run
    flow_state: StateType | None = None  # task runs: of the flow run that they belong to
    flow_pause: Mapping[str, Any] = field(default_factory=dict[str, Any])  # details of its pause
    flow_run_count: int = 0  # task runs: how often that flow run has been RUNNING
    flow_run_run_count: int = 0  # task runs: the same when this task run was last decided on
    cached: State | None = None  # task runs: what was kept under the cache key of the proposal
    full_tag: str | None = None  # task runs: one of its tags whose limit has no free slot
    full_tag_limit: int = 0  # how many slots there are
    full_tag_retry_s: float = 0.0  # when one may be free


@dataclass(frozen=True, slots=True)
class Accept:
    """Write the proposal, or `state` in its place (the same with additions)."""

    rule: str
    state: State | None = None
    reason: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])  # of the run, by RunFacts' names
    outcome: ClassVar[str] = "ACCEPT"


@dataclass(frozen=True, slots=True)
class Reject:
    """Write `state` instead of the proposal, or nothing when it is None: the run keeps the one it has."""

    rule: str
    state: State | None
    reason: str
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    outcome: ClassVar[str] = "REJECT"


@dataclass(frozen=True, slots=True)
class Wait:
    """Write nothing; propose again after `delay_s`."""

    rule: str
    delay_s: float
    reason: str
    outcome: ClassVar[str] = "WAIT"


@dataclass(frozen=True, slots=True)
class Abort:
    """Write nothing and give up."""

    rule: str
    reason: str
    outcome: ClassVar[str] = "ABORT"


Decision = Accept | Reject | Wait | Abort


@dataclass(frozen=True, slots=True)
class Proposal:
    """A state that someone wants a run to have."""

    current: State | None
    proposed: State
    facts: RunFacts

    @property
    def now_current(self) -> State:
        """The current state, for rules that are asked only when there is one."""
        assert self.current is not None
        return self.current


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a proposal. `trail`: (rule, outcome, reason) of rules that spoke; the last decided."""

    decision: Decision
    state_to_write: State | None
    trail: list[tuple[str, str, str]]
    changes: dict[str, Any] = field(default_factory=dict[str, Any])  # of the run, by RunFacts' names


class Rule:
    """One reason to change or refuse some arrows. `from_types` may hold None for runs without a state."""

    name: ClassVar[str]
    from_types: ClassVar[frozenset[StateType | None]]
    to_types: ClassVar[frozenset[StateType]] = ANY_STATE

    def check(self, proposal: Proposal) -> Decision:
        raise NotImplementedError

    def accept(self) -> Accept:
        return Accept(self.name)
