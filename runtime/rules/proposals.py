"""What rules get and return: a proposed state with facts about its run, and a decision with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..states import State, StateType

Kind = Literal["flow-run", "task-run", "background-run"]
ANY_STATE = frozenset(StateType)

PLACEMENT = "placement"
"""The rule name under which it is recorded that calls of a run wait for a node with what they require."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What rules know about a run besides its states. The defaults describe a plain run without retries."""

    run_count: int = 0  # how often the run has been RUNNING
    retries: int = 0
    retry_delay_s: float = 0.0  # before the next attempt, jitter included
    has_deployment: bool = False
    is_subflow: bool = False
    result_persisted: bool = False  # the result of the current state
    proposal_has_result: bool = False  # the proposed state has a persisted result
    infrastructure_pid: str | None = None
    pause_keys: frozenset[str] = frozenset()  # keys that were used already
    resuming: bool = False  # the next RUNNING continues after a pause
    retry_type: str | None = None  # "in_process", "reschedule"
    has_flow: bool = True  # task runs: made inside a flow run
    flow_state: StateType | None = None  # task runs: the state of their flow run
    flow_pause: Mapping[str, Any] = field(default_factory=dict[str, Any])  # details of the flow run's pause
    flow_run_count: int = 0  # task runs: how often that flow run has been RUNNING
    flow_run_run_count: int = 0  # task runs: that count when this task run was last decided
    cached: State | None = None  # task runs: the state stored under the proposal's cache key
    full_tag: str | None = None  # task runs: a tag whose limit has no free slot
    full_tag_limit: int = 0  # how many slots that limit has
    full_tag_retry_s: float = 0.0  # seconds until a slot may be free


@dataclass(frozen=True, slots=True)
class Accept:
    """Write the proposal, or `state`, which is the proposal with additions."""

    rule: str
    state: State | None = None
    reason: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])  # of the run, by RunFacts' names
    outcome: ClassVar[str] = "ACCEPT"


@dataclass(frozen=True, slots=True)
class Reject:
    """Write `state` instead of the proposal, or nothing when it is None: the run keeps its current state."""

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
    """A state that a client or the engine wants a run to have."""

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
    """The decision about a proposal. `trail`: (rule, outcome, reason) of rules with a say; the last
    decided.
    """

    decision: Decision
    state_to_write: State | None
    trail: list[tuple[str, str, str]]
    changes: dict[str, Any] = field(default_factory=dict[str, Any])  # of the run, by RunFacts' names


class Rule:
    """One reason to change or refuse transitions. `from_types` may hold None for runs without a state."""

    name: ClassVar[str]
    from_types: ClassVar[frozenset[StateType | None]]
    to_types: ClassVar[frozenset[StateType]] = ANY_STATE

    def check(self, proposal: Proposal) -> Decision:
        raise NotImplementedError

    def accept(self) -> Accept:
        return Accept(self.name)
