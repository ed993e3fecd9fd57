"""The rules for states of task runs that clients propose one by one."""

from __future__ import annotations

import dataclasses

from ..states import FINAL_STATES, NotReady, StateType
from .flow_run_rules import (
    CopyScheduledTime,
    KeepPersistedResults,
    LeavingFinalStates,
    OneSubmitter,
    RetryFlowRun,
    WaitForScheduledTime,
    awaiting_retry,
    with_details,
)
from .proposals import ANY_STATE, Abort, Accept, Decision, Proposal, Reject, Rule, Wait

_T = StateType

MOST_CACHE_KEY = 2000  # characters; the standard API's limit


class TaskLeavingFinalStates(LeavingFinalStates):
    """A task run that runs again counts its attempts from 0; in a flow's retry it is Retrying."""

    def leave(self, proposal: Proposal) -> Decision:
        proposed, facts = proposal.proposed, proposal.facts
        if proposed.is_final():
            return self.accept()
        if proposed.is_running() and facts.flow_run_count > facts.flow_run_run_count:
            proposed = dataclasses.replace(proposed, name="Retrying")
        return Accept(self.name, proposed, changes={"run_count": 0})


class KeepPersistedTaskResults(KeepPersistedResults):
    """No proposal without force replaces a persisted result."""

    to_types = ANY_STATE - {_T.CANCELLING, _T.PAUSED, _T.CRASHED}

    def check(self, proposal: Proposal) -> Decision:
        if proposal.facts.result_persisted:
            return Reject(self.name, None, "This task run is completed and its result is kept.")
        return self.accept()


class RetryTaskRun(RetryFlowRun):
    """The state of a retry is AwaitingRetry, also when the retry is due at once."""

    def is_hopeless(self, proposal: Proposal) -> bool:
        return proposal.proposed.details.get("retriable") is False

    def again(self, proposal: Proposal, reason: str) -> Decision:
        return Reject(self.name, awaiting_retry(proposal), reason)


class CachedState(Rule):
    """A task run does not run when the state of an earlier one with its cache key is stored."""

    name = "cached-state"
    from_types = ANY_STATE
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        kept = proposal.facts.cached
        if kept is None or proposal.proposed.details.get("refresh_cache"):
            return self.accept()
        return Reject(self.name, kept, "A task run with this cache key has completed already.")


class CacheKeysAreShort(Rule):
    """A state whose cache key is too long is written, but not stored in the cache."""

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
            not_ready = NotReady()
            not_ready.details.update(facts.flow_pause)
            return Reject(self.name, not_ready, "The flow run is paused; its tasks run when it goes on.")
        found = "does not exist" if facts.flow_state is None else f"is {facts.flow_state.value}"
        return Abort(self.name, f"The flow run {found}; its tasks cannot run.")


class CopyParametersId(Rule):
    """A background task keeps the id under which its arguments are stored."""

    name = "copy-parameters-id"
    from_types = frozenset({_T.SCHEDULED, _T.PENDING})
    to_types = frozenset({_T.PENDING, _T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        kept = proposal.now_current.details.get("task_parameters_id")
        if kept is None or proposal.proposed.details.get("task_parameters_id") is not None:
            return self.accept()
        return Accept(self.name, with_details(proposal.proposed, task_parameters_id=kept))


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
    """A task run that was running before becomes Retrying after a failure, else Rerunning.
    TaskLeavingFinalStates resets the attempts of a task run that has ended.
    """

    name = "name-reruns"
    from_types = ANY_STATE - FINAL_STATES
    to_types = frozenset({_T.RUNNING})

    def check(self, proposal: Proposal) -> Decision:
        if proposal.facts.run_count == 0:
            return self.accept()
        name = "Retrying" if proposal.now_current.name == "AwaitingRetry" else "Rerunning"
        return Accept(self.name, dataclasses.replace(proposal.proposed, name=name))


# The order matters: rules that refuse come before those that wait or try again.
TASK_RUN_RULES: tuple[Rule, ...] = (
    CachedState(),
    KeepPersistedTaskResults(),
    TaskLeavingFinalStates(),
    FlowMustBeRunning(),
    WaitForTagSlots(),
    CopyScheduledTime(),
    WaitForScheduledTime(),
    RetryTaskRun(),
    NameReruns(),
    CacheKeysAreShort(),
)
BACKGROUND_RUN_RULES: tuple[Rule, ...] = (
    OneSubmitter(),
    CachedState(),
    KeepPersistedTaskResults(),
    TaskLeavingFinalStates(),
    CopyScheduledTime(),
    CopyParametersId(),
    WaitForScheduledTime(),
    RetryTaskRun(),
    NameReruns(),
    CacheKeysAreShort(),
)
"""The rules for proposals with `deferred`: several task workers may claim one run, and there is no flow
run.
"""
