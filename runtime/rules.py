"""What a proposed state gets: accepted, replaced, delayed or refused, by few small rules that say why.

The engine and the API call `decide` before they write a state; the caller writes `state_to_write`, updates
the run with `changes` and records the trail. Nothing here reads a database: what a rule must know comes in
as RunFacts. Source of the rules and their order: the standard API's orchestration rules (reference notes,
section 6; the numbers in the docstrings are theirs). Rules about concurrency slots need the database and
live with the pools.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from . import clock
from .states import (
    FINAL_STATES,
    TRANSITIONS,
    AwaitingRetry,
    Cancelled,
    Failed,
    NotReady,
    Retrying,
    State,
    StateType,
)

Kind = Literal["flow-run", "task-run"]
_T = StateType
_ANY = frozenset(StateType)
_LEASE_KEY = "deployment_concurrency_lease_id"

MOST_CACHE_KEY = 2000  # characters; reference notes, section 6

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
    to_types: ClassVar[frozenset[StateType]] = _ANY

    def check(self, proposal: Proposal) -> Decision:
        raise NotImplementedError

    def accept(self) -> Accept:
        return Accept(self.name)


def decide(
    kind: Kind, current: State | None, proposed: State, facts: RunFacts, *, force: bool = False
) -> Verdict:
    """What becomes of the proposal to put a run from `current` into `proposed`.

    Rules are asked in order, each sees what the one before it changed, the first that does not accept
    decides. Then the table of transitions has the last word on what would be written: an arrow that it
    lacks is aborted, also with `force`, which leaves out all rules but the two that protect results and
    empty cancellations.
    """
    proposal = Proposal(current, proposed, facts)
    trail: list[tuple[str, str, str]] = []
    changes: dict[str, Any] = {}
    decision: Decision = Accept("transitions")
    for rule in _rules_for(kind, force, current.type if current else None, proposed.type):
        decision = rule.check(proposal)
        if isinstance(decision, Accept | Reject):
            changes.update(decision.changes)
        if not isinstance(decision, Accept):
            break
        if decision.state is not None:
            proposal = dataclasses.replace(proposal, proposed=decision.state)
        if decision.reason:
            trail.append((rule.name, decision.outcome, decision.reason))
    return _settled(proposal, decision, trail, changes)


def _settled(
    proposal: Proposal, decision: Decision, trail: list[tuple[str, str, str]], changes: dict[str, Any]
) -> Verdict:
    """The verdict, once the table has agreed with the arrow that would be written."""
    if isinstance(decision, Wait | Abort):
        return _verdict(decision, None, trail, {})
    state = decision.state if isinstance(decision, Reject) else proposal.proposed
    if state is None:
        return _verdict(decision, None, trail, {})
    event = TRANSITIONS.get((proposal.current.type if proposal.current else None, state.type))
    if event is None:
        return _verdict(Abort("transitions", _no_arrow(proposal.current, state)), None, trail, {})
    if isinstance(decision, Accept):
        decision = Accept("transitions", state, event, changes)
    return _verdict(decision, state, trail, changes)


def _verdict(
    decision: Decision, state: State | None, trail: list[tuple[str, str, str]], changes: dict[str, Any]
) -> Verdict:
    return Verdict(decision, state, [*trail, (decision.rule, decision.outcome, decision.reason)], changes)


def _no_arrow(current: State | None, state: State) -> str:
    start = "a run without a state" if current is None else f"{current.name} ({current.type.value})"
    return f"There is no way from {start} to {state.name} ({state.type.value})."


def _with_details(state: State, **details: Any) -> State:
    """The state with these details, those that are None left out."""
    added = {key: value for key, value in details.items() if value is not None}
    return dataclasses.replace(state, details={**state.details, **added})


class NoDoubleTransition(Rule):
    """2: a proposal that was sent twice is written once."""

    name = "no-double-transition"
    from_types = _ANY

    def check(self, proposal: Proposal) -> Decision:
        transition_id = proposal.proposed.details.get("transition_id")
        known = proposal.now_current.details.get("transition_id")
        if transition_id is not None and str(transition_id) == str(known):
            return Reject(self.name, None, "This transition has been made already.")
        return self.accept()


class KeepPersistedResults(Rule):
    """3, and the forced rules: a persisted result is not thrown away."""

    name = "keep-persisted-results"
    from_types = frozenset({_T.COMPLETED})
    to_types = _ANY - (FINAL_STATES - {_T.COMPLETED})

    def check(self, proposal: Proposal) -> Decision:
        facts = proposal.facts
        replaced = proposal.proposed.is_completed() and facts.proposal_has_result
        if facts.result_persisted and not replaced:
            return Reject(self.name, None, "This run is completed and its result is kept.")
        return self.accept()


class KeepPersistedResultsByForce(KeepPersistedResults):
    """By force a completed run may run again, but not lose its result to another completion."""

    to_types = frozenset({_T.COMPLETED})


class LeavingFinalStates(Rule):
    """3: a run that has ended runs again or gets another end, but cannot be paused, cancelled or crash."""

    name = "leaving-final-states"
    from_types = FINAL_STATES

    def check(self, proposal: Proposal) -> Decision:
        proposed, name = proposal.proposed, proposal.now_current.name
        if proposed.type in (_T.CANCELLING, _T.PAUSED, _T.CRASHED):
            return Abort(self.name, f"This run has ended as {name}; it cannot become {proposed.name}.")
        return self.leave(proposal)

    def leave(self, proposal: Proposal) -> Decision:
        rescheduled = proposal.proposed.is_scheduled()
        if rescheduled and not proposal.facts.has_deployment:
            return Abort(self.name, "Only runs of a deployment can be scheduled again.")
        changes = {
            "pause_keys": frozenset[str](),
            "resuming": False,
            "retry_type": "reschedule" if rescheduled else None,
        }
        return Accept(self.name, changes=changes)


class TaskLeavingFinalStates(LeavingFinalStates):
    """3 for task runs: attempts are counted anew; in a flow's retry it is called Retrying."""

    def leave(self, proposal: Proposal) -> Decision:
        proposed, facts = proposal.proposed, proposal.facts
        if proposed.is_final():
            return self.accept()
        if proposed.is_running() and facts.flow_run_count > facts.flow_run_run_count:
            proposed = dataclasses.replace(proposed, name="Retrying")
        return Accept(self.name, proposed, changes={"run_count": 0})


class CancellingEndsInCancelled(Rule):
    """4: what is being cancelled can only become Cancelled."""

    name = "cancelling-ends-in-cancelled"
    from_types = frozenset({_T.CANCELLING})
    to_types = _ANY - {_T.CANCELLED}

    def check(self, proposal: Proposal) -> Decision:
        reason = f"This run is being cancelled; it cannot become {proposal.proposed.name}."
        return Reject(self.name, None, reason)


class NothingToTearDown(Rule):
    """5: a run without a process is cancelled at once."""

    name = "nothing-to-tear-down"
    from_types = frozenset({_T.SCHEDULED, _T.PAUSED})
    to_types = frozenset({_T.CANCELLING})

    def check(self, proposal: Proposal) -> Decision:
        current = proposal.now_current
        if current.is_paused():
            has_process = not current.details.get("pause_reschedule")
        else:
            has_process = proposal.facts.infrastructure_pid is not None and current.name != "Resuming"
        if has_process:
            return self.accept()
        cancelled = Cancelled(proposal.proposed.message or "Cancelled before it had a process.")
        return Reject(self.name, cancelled, "No process works on this run: it is cancelled at once.")


class OneSubmitter(Rule):
    """6: of several workers that take the same run one gets it; that one may report its progress."""

    name = "one-submitter"
    from_types = frozenset({_T.PENDING, _T.RUNNING, _T.CANCELLING, _T.CANCELLED})
    to_types = frozenset({_T.PENDING})

    def check(self, proposal: Proposal) -> Decision:
        current, proposed = proposal.now_current, proposal.proposed
        progress = current.is_pending() and proposed.name not in ("Pending", current.name)
        if not progress:
            return Abort(self.name, f"This run is {current.name}; someone else has taken it.")
        carried = {
            "scheduled_time": current.moment("scheduled_time"),
            _LEASE_KEY: current.details.get(_LEASE_KEY),
        }
        return Accept(self.name, _with_details(proposed, **{**carried, **proposed.details}))


class LateOnlyFromScheduled(Rule):
    """10: only what still waits for its time can be late, and only once."""

    name = "late-only-from-scheduled"
    from_types = _ANY
    to_types = frozenset({_T.SCHEDULED})

    def check(self, proposal: Proposal) -> Decision:
        current = proposal.now_current
        if proposal.proposed.name == "Late" and (not current.is_scheduled() or current.name == "Late"):
            return Reject(self.name, None, f"This run is {current.name}; it cannot be marked late.")
        return self.accept()


class Pausing(Rule):
    """11: only a running flow pauses, once for each pause key; suspending needs someone to start it again."""

    name = "pausing"
    from_types = _ANY | {None}
    to_types = frozenset({_T.PAUSED})

    def check(self, proposal: Proposal) -> Decision:
        current, facts, details = proposal.current, proposal.facts, proposal.proposed.details
        if current is None:
            return Abort(self.name, "A run without a state cannot be paused.")
        if not current.is_running():
            return Reject(self.name, None, f"This run is {current.name}; only a running one can be paused.")
        key = details.get("pause_key")
        if key is not None and key in facts.pause_keys:
            return Reject(self.name, None, f"The pause {key!r} of this run is over.")
        if details.get("pause_reschedule") and (facts.is_subflow or not facts.has_deployment):
            return Abort(self.name, "A sub-flow or a run without deployment cannot be suspended.")
        if key is None:
            return self.accept()
        return Accept(self.name, changes={"pause_keys": facts.pause_keys | {key}})


class ResumingInTime(Rule):
    """12: a paused run goes on, is scheduled or ends, as long as its pause has not timed out."""

    name = "resuming-in-time"
    from_types = frozenset({_T.PAUSED})

    def check(self, proposal: Proposal) -> Decision:
        current, proposed = proposal.now_current, proposal.proposed
        resumes = proposed.type in (_T.RUNNING, _T.SCHEDULED)
        if proposed.is_scheduled() and not proposal.facts.has_deployment:
            return Abort(self.name, "Its deployment was deleted: nobody would start it again.")
        cancels = proposed.type in (_T.CANCELLING, _T.CANCELLED)
        if not (resumes or cancels or proposed.is_final()):
            return Reject(self.name, None, f"This run is {current.name}; it cannot become {proposed.name}.")
        timeout = current.moment("pause_timeout")
        if timeout is not None and timeout < clock.now() and not cancels:
            failed = Failed("The run was paused and not resumed in time.")
            return Reject(self.name, failed, "The pause has timed out.")
        return Accept(self.name, changes={"resuming": True} if resumes else {})


class CopyScheduledTime(Rule):
    """13: a run that is taken before its time remembers the time."""

    name = "copy-scheduled-time"
    from_types = frozenset({_T.SCHEDULED})
    to_types = frozenset({_T.PENDING})

    def check(self, proposal: Proposal) -> Decision:
        when = proposal.now_current.moment("scheduled_time")
        if when is None or proposal.proposed.details.get("scheduled_time") is not None:
            return self.accept()
        return Accept(self.name, _with_details(proposal.proposed, scheduled_time=when))


class WaitForScheduledTime(Rule):
    """14: nothing starts before its time."""

    name = "wait-for-scheduled-time"
    from_types = frozenset({_T.SCHEDULED, _T.PENDING})
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        when = proposal.now_current.moment("scheduled_time")
        delay_s = (when - clock.now()).total_seconds() if when else 0.0
        if when is not None and delay_s > 0:
            return Wait(self.name, delay_s, f"It is scheduled for {when.isoformat()}.")
        return self.accept()


class RetryFlowRun(Rule):
    """15: a failed run is tried again as long as it has retries left."""

    name = "retry"
    from_types = frozenset({_T.RUNNING})
    to_types = frozenset({_T.FAILED})

    def check(self, proposal: Proposal) -> Decision:
        facts = proposal.facts
        if facts.run_count > facts.retries or self.is_hopeless(proposal):
            return Accept(self.name, changes={"retry_type": None} if facts.retry_type else {})
        return self.again(proposal, f"Attempt {facts.run_count} of {facts.retries + 1} failed.")

    def is_hopeless(self, proposal: Proposal) -> bool:
        """Stock clients mark every failed state of a flow as not retriable: it says nothing of flow runs."""
        return False

    def again(self, proposal: Proposal, reason: str) -> Decision:
        changes = {"retry_type": "in_process", "pause_keys": frozenset[str](), "resuming": False}
        return Reject(self.name, _awaiting_retry(proposal), reason, changes)


class RetryTaskRun(RetryFlowRun):
    """Retry of a task run: without a delay it runs again at once.

    Unless its flow is not running: then it awaits its retry, and FlowMustBeRunning judges its next start.
    """

    def is_hopeless(self, proposal: Proposal) -> bool:
        return proposal.proposed.details.get("retriable") is False

    def again(self, proposal: Proposal, reason: str) -> Decision:
        facts = proposal.facts
        may_run = not facts.has_flow or facts.flow_state is _T.RUNNING
        if facts.retry_delay_s > 0 or not may_run:
            return Reject(self.name, _awaiting_retry(proposal), reason)
        return Reject(self.name, Retrying(proposal.proposed.message), reason)


def _awaiting_retry(proposal: Proposal) -> State:
    """Keeps the deployment's slot, which the run holds through its retries."""
    lease = proposal.now_current.details.get(_LEASE_KEY)
    when = clock.now() + timedelta(seconds=proposal.facts.retry_delay_s)
    details = {} if lease is None else {_LEASE_KEY: lease}
    return AwaitingRetry(when, proposal.proposed.message, details=details)


class CachedState(Rule):
    """A task run does not run when the state of one with the same cache key was kept."""

    name = "cached-state"
    from_types = _ANY
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        kept = proposal.facts.cached
        if kept is None or proposal.proposed.details.get("refresh_cache"):
            return self.accept()
        return Reject(self.name, kept, "A task run with this cache key has completed already.")


class CacheKeysAreShort(Rule):
    """A state with a cache key that is too long is written, and not kept under it."""

    name = "cache-keys-are-short"
    from_types = _ANY | {None}
    to_types = frozenset({_T.COMPLETED})

    def check(self, proposal: Proposal) -> Decision:
        proposed = proposal.proposed
        if len(str(proposed.details.get("cache_key") or "")) <= MOST_CACHE_KEY:
            return self.accept()
        details = {name: value for name, value in proposed.details.items() if name != "cache_key"}
        reason = f"A cache key has at most {MOST_CACHE_KEY} characters."
        return Reject(self.name, dataclasses.replace(proposed, details=details), reason)


class FlowMustBeRunning(Rule):
    """Tasks run only while their flow does."""

    name = "flow-must-be-running"
    from_types = _ANY
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        facts = proposal.facts
        if not facts.has_flow or facts.flow_state is _T.RUNNING:
            return self.accept()
        if facts.flow_state is _T.PAUSED:
            reason = "The flow run is paused."
            return Reject(self.name, NotReady(reason), reason)
        found = "does not exist" if facts.flow_state is None else f"is {facts.flow_state.value}"
        return Abort(self.name, f"The flow run {found}; its tasks cannot run.")


class WaitForTagSlots(Rule):
    """Task runs wait for a slot of each limit on their tags; a limit of 0 lets nothing through."""

    name = "wait-for-tag-slots"
    from_types = _ANY - {_T.RUNNING}
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        facts = proposal.facts
        if facts.full_tag is None:
            return self.accept()
        if facts.full_tag_limit == 0:
            return Abort(self.name, f"The concurrency limit on tag {facts.full_tag!r} is 0.")
        return Wait(
            self.name,
            facts.full_tag_retry_s,
            f"The concurrency limit on tag {facts.full_tag!r} has no free slot.",
        )


class NameReruns(Rule):
    """A task run that was running before is Retrying after a failure, else Rerunning."""

    name = "name-reruns"
    from_types = frozenset({_T.SCHEDULED})
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        if proposal.facts.run_count == 0 or proposal.proposed.name != "Running":
            return self.accept()
        name = "Retrying" if proposal.now_current.name == "AwaitingRetry" else "Rerunning"
        return Accept(self.name, dataclasses.replace(proposal.proposed, name=name))


# The order matters: rules that refuse come before those that wait or try again.
FLOW_RUN_RULES: tuple[Rule, ...] = (
    NoDoubleTransition(),
    KeepPersistedResults(),
    LeavingFinalStates(),
    CancellingEndsInCancelled(),
    NothingToTearDown(),
    OneSubmitter(),
    LateOnlyFromScheduled(),
    Pausing(),
    ResumingInTime(),
    CopyScheduledTime(),
    WaitForScheduledTime(),
    RetryFlowRun(),
)
TASK_RUN_RULES: tuple[Rule, ...] = (
    CachedState(),
    KeepPersistedResults(),
    TaskLeavingFinalStates(),
    FlowMustBeRunning(),
    WaitForTagSlots(),
    CopyScheduledTime(),
    WaitForScheduledTime(),
    RetryTaskRun(),
    NameReruns(),
    CacheKeysAreShort(),
)
FORCED_FLOW_RUN_RULES: tuple[Rule, ...] = (KeepPersistedResultsByForce(), NothingToTearDown())
FORCED_TASK_RUN_RULES: tuple[Rule, ...] = (KeepPersistedResultsByForce(),)

_Arrow = tuple[StateType | None, StateType]


def _by_arrow(rules: Sequence[Rule]) -> dict[_Arrow, tuple[Rule, ...]]:
    starts: tuple[StateType | None, ...] = (None, *StateType)
    return {
        (start, to): tuple(rule for rule in rules if start in rule.from_types and to in rule.to_types)
        for start in starts
        for to in StateType
    }


_RULES: dict[tuple[str, bool], dict[_Arrow, tuple[Rule, ...]]] = {
    ("flow-run", False): _by_arrow(FLOW_RUN_RULES),
    ("task-run", False): _by_arrow(TASK_RUN_RULES),
    ("flow-run", True): _by_arrow(FORCED_FLOW_RUN_RULES),
    ("task-run", True): _by_arrow(FORCED_TASK_RUN_RULES),
}


def _rules_for(kind: Kind, force: bool, start: StateType | None, to: StateType) -> tuple[Rule, ...]:
    return _RULES[kind, force][start, to]
