"""The rules for states of flow runs; task runs share several of them."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any
from uuid import uuid4

from ..foundation import clock
from ..states import FINAL_STATES, AwaitingRetry, Cancelled, Failed, State, StateType
from .proposals import ANY_STATE, Abort, Accept, Decision, Proposal, Reject, Rule, Wait

_T = StateType
_LEASE_KEY = "deployment_concurrency_lease_id"


def with_details(state: State, **details: Any) -> State:
    """The state with these details added, without those that are None."""
    added = {key: value for key, value in details.items() if value is not None}
    return dataclasses.replace(state, details={**state.details, **added})


class NoDoubleTransition(Rule):
    """A proposal that was sent twice is written once."""

    name = "no-double-transition"
    from_types = ANY_STATE

    def check(self, proposal: Proposal) -> Decision:
        transition_id = proposal.proposed.details.get("transition_id")
        known = proposal.now_current.details.get("transition_id")
        if transition_id is not None and str(transition_id) == str(known):
            return Reject(self.name, None, "This transition has been made already.")
        return self.accept()


class KeepPersistedResults(Rule):
    """Another attempt or completion does not replace a persisted result."""

    name = "keep-persisted-results"
    from_types = frozenset({_T.COMPLETED})
    to_types = frozenset({_T.SCHEDULED, _T.PENDING, _T.RUNNING, _T.COMPLETED})

    def check(self, proposal: Proposal) -> Decision:
        facts = proposal.facts
        replaced = proposal.proposed.is_completed() and facts.proposal_has_result
        if facts.result_persisted and not replaced:
            return Reject(self.name, None, "This run is completed and its result is kept.")
        return self.accept()


class KeepPersistedResultsByForce(KeepPersistedResults):
    """With force a completed run may run again, but another completion does not replace its result."""

    to_types = frozenset({_T.COMPLETED})


class LeavingFinalStates(Rule):
    """A run that has ended may run again or end otherwise, but not be paused, be cancelling or
    crash.
    """

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


class CancellingEndsInCancelled(Rule):
    """A run that is being cancelled can only become Cancelled."""

    name = "cancelling-ends-in-cancelled"
    from_types = frozenset({_T.CANCELLING})
    to_types = ANY_STATE - {_T.CANCELLED}

    def check(self, proposal: Proposal) -> Decision:
        reason = f"This run is being cancelled; it cannot become {proposal.proposed.name}."
        return Reject(self.name, None, reason)


class NothingToTearDown(Rule):
    """A run without a process is cancelled at once."""

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
    """When several workers claim one run, one gets it and may report its progress."""

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
        return Accept(self.name, with_details(proposed, **{**carried, **proposed.details}))


class LateOnlyFromScheduled(Rule):
    """Only a scheduled run can be marked late, and only once."""

    name = "late-only-from-scheduled"
    from_types = ANY_STATE
    to_types = frozenset({_T.SCHEDULED})

    def check(self, proposal: Proposal) -> Decision:
        current = proposal.now_current
        if proposal.proposed.name == "Late" and (not current.is_scheduled() or current.name == "Late"):
            return Reject(self.name, None, f"This run is {current.name}; it cannot be marked late.")
        return self.accept()


class Pausing(Rule):
    """Only a running flow pauses, once for each pause key; suspending needs a deployment to resume
    by.
    """

    name = "pausing"
    from_types = ANY_STATE | {None}
    to_types = frozenset({_T.PAUSED})

    def check(self, proposal: Proposal) -> Decision:
        current, facts, details = proposal.current, proposal.facts, proposal.proposed.details
        if current is None:
            return Abort(self.name, "A run without a state cannot be paused.")
        if not current.is_running():
            return Reject(self.name, None, f"This run is {current.name}; only a running one can be paused.")
        key = str(details.get("pause_key") or uuid4())
        if key in facts.pause_keys:
            return Reject(self.name, None, f"The pause {key!r} of this run is over.")
        if details.get("pause_reschedule") and (facts.is_subflow or not facts.has_deployment):
            return Abort(self.name, "A sub-flow or a run without deployment cannot be suspended.")
        return Accept(self.name, changes={"pause_keys": facts.pause_keys | {key}})


class ResumingInTime(Rule):
    """A paused run may run, be scheduled or end, as long as its pause has not timed out."""

    name = "resuming-in-time"
    from_types = frozenset({_T.PAUSED})

    def check(self, proposal: Proposal) -> Decision:
        current, proposed = proposal.now_current, proposal.proposed
        resumes = proposed.type in (_T.RUNNING, _T.SCHEDULED)
        if not (resumes or proposed.is_cancelling() or proposed.is_final()):
            return Reject(self.name, None, f"This run is {current.name}; it cannot become {proposed.name}.")
        if resumes and current.details.get("pause_reschedule") and not proposal.facts.has_deployment:
            return Reject(self.name, None, "It has no deployment any more: nobody would start it again.")
        timeout = current.moment("pause_timeout")
        if timeout is not None and timeout < clock.now() and not proposed.is_cancelling():
            failed = Failed("The run was paused and not resumed in time.")
            return Reject(self.name, failed, "The pause has timed out.")
        return Accept(self.name, changes={"resuming": True} if resumes else {})


class CopyScheduledTime(Rule):
    """A run that is claimed keeps its scheduled time."""

    name = "copy-scheduled-time"
    from_types = frozenset({_T.SCHEDULED})
    to_types = frozenset({_T.PENDING})

    def check(self, proposal: Proposal) -> Decision:
        when = proposal.now_current.moment("scheduled_time")
        if when is None or proposal.proposed.details.get("scheduled_time") is not None:
            return self.accept()
        return Accept(self.name, with_details(proposal.proposed, scheduled_time=when))


class WaitForScheduledTime(Rule):
    """No run starts before its scheduled time."""

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
    """A failed run is tried again as long as it has retries left."""

    name = "retry"
    from_types = frozenset({_T.RUNNING})
    to_types = frozenset({_T.FAILED})

    def check(self, proposal: Proposal) -> Decision:
        facts = proposal.facts
        if facts.run_count > facts.retries or self.is_hopeless(proposal):
            return Accept(self.name, changes={"retry_type": None} if facts.retry_type else {})
        return self.again(proposal, f"Attempt {facts.run_count} of {facts.retries + 1} failed.")

    def is_hopeless(self, proposal: Proposal) -> bool:
        """Never for flow runs: stock clients mark every failed state of a flow as not retriable."""
        return False

    def again(self, proposal: Proposal, reason: str) -> Decision:
        changes = {"retry_type": "in_process", "pause_keys": frozenset[str](), "resuming": False}
        return Reject(self.name, awaiting_retry(proposal), reason, changes)


def awaiting_retry(proposal: Proposal) -> State:
    """AwaitingRetry with the failure's message. It keeps the deployment's slot, which the run holds through
    retries.
    """
    lease = proposal.now_current.details.get(_LEASE_KEY)
    when = clock.now() + timedelta(seconds=proposal.facts.retry_delay_s)
    details = {} if lease is None else {_LEASE_KEY: lease}
    retry = AwaitingRetry(when, proposal.proposed.message, details=details)
    return dataclasses.replace(retry, data=proposal.proposed.data)


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
FORCED_FLOW_RUN_RULES: tuple[Rule, ...] = (KeepPersistedResultsByForce(), NothingToTearDown())
