"""The rules for states of task runs that clients propose one by one."""

from __future__ import annotations

import dataclasses

from .flow_run_rules import (
    CopyScheduledTime,
    KeepPersistedResults,
    KeepPersistedResultsByForce,
    LeavingFinalStates,
    RetryFlowRun,
    WaitForScheduledTime,
    awaiting_retry,
)
from .proposals import ANY_STATE, Abort, Accept, Decision, Proposal, Reject, Rule, Wait
from .states import NotReady, Retrying, StateType

_T = StateType

MOST_CACHE_KEY = 2000  # characters; reference notes, section 6


class TaskLeavingFinalStates(LeavingFinalStates):
    """3 for task runs: attempts are counted anew; in a flow's retry it is called Retrying."""

    def leave(self, proposal: Proposal) -> Decision:
        proposed, facts = proposal.proposed, proposal.facts
        if proposed.is_final():
            return self.accept()
        if proposed.is_running() and facts.flow_run_count > facts.flow_run_run_count:
            proposed = dataclasses.replace(proposed, name="Retrying")
        return Accept(self.name, proposed, changes={"run_count": 0})


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
            return Reject(self.name, awaiting_retry(proposal), reason)
        return Reject(self.name, Retrying(proposal.proposed.message), reason)


class CachedState(Rule):
    """A task run does not run when the state of one with the same cache key was kept."""

    name = "cached-state"
    from_types = ANY_STATE
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        kept = proposal.facts.cached
        if kept is None or proposal.proposed.details.get("refresh_cache"):
            return self.accept()
        return Reject(self.name, kept, "A task run with this cache key has completed already.")


class CacheKeysAreShort(Rule):
    """A state with a cache key that is too long is written, and not kept under it."""

    name = "cache-keys-are-short"
    from_types = ANY_STATE | {None}
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
    from_types = ANY_STATE
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
    from_types = ANY_STATE - {_T.RUNNING}
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
FORCED_TASK_RUN_RULES: tuple[Rule, ...] = (KeepPersistedResultsByForce(),)
