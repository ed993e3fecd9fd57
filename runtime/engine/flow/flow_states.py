"""The states of one flow run: each proposal goes through the rules, and their decisions are recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...authoring.retry import RetryPolicy
from ...foundation import clock
from ...foundation.errors import StaleState
from ...records import FlowRunTransition, RuleDecision
from ...rules.deciding import Abort, RunFacts, Wait, decide
from ...states import State, StateType
from ..run_desk import RunDesk
from .flow_results import Kept

if TYPE_CHECKING:
    from ...store.database.rows import FlowRunRow


class FlowStates:
    """Proposes states for one run and writes what is accepted to its journal."""

    def __init__(self, desk: RunDesk, retry: RetryPolicy, run: FlowRunRow) -> None:
        self._desk = desk
        self._retry = retry
        self._run_count = run.run_count
        self._resumes = resumes(run)
        self._has_deployment = run.deployment_id is not None
        self.may_retry = True  # False once the caller has values that another attempt would hand out again
        self._is_subflow = run.parent_task_run_id is not None
        self.current = State(StateType(run.state_type or "PENDING"), name=run.state_name or "Pending")

    def decide(self, proposed: State) -> State:
        """The state to which the rules let the run go when `proposed` is asked for. Records their decisions.

        Raises StaleState when the run is to stay in its state.
        """
        facts = RunFacts(
            run_count=self._run_count,
            retries=self._retries_left_to(proposed),
            retry_delay_s=self._retry.delay_s(max(self._run_count, 1)),
            has_deployment=self._has_deployment,
            is_subflow=self._is_subflow,
        )
        verdict = decide("flow-run", self.current, proposed, facts)
        for rule, outcome, reason in verdict.trail:
            self._desk.journal.append(
                RuleDecision(
                    clock.epoch_s(),
                    rule,
                    outcome,
                    reason,
                    self.current.type.value,
                    proposed.type.value,
                    proposed.name,
                )
            )
        written = verdict.state_to_write
        if written is None or isinstance(verdict.decision, (Abort, Wait)):
            reason = getattr(verdict.decision, "reason", "refused by a rule")
            raise StaleState(
                f"the run stays {self.current.name}: {reason}",
                hint="`heliostat flow-run inspect` shows the decisions of the rules.",
            )
        return written

    def adopt(self, state_type: StateType, name: str) -> None:
        """Go on from a state that another process has written."""
        if state_type is StateType.RUNNING:
            self._run_count += 1  # in the standard the end of a pause counts as a run
        self.current = State(state_type, name=name)

    def wait_s(self, scheduled: State) -> float:
        """Seconds until a scheduled state is due."""
        due = scheduled.moment("scheduled_time")
        return 0.0 if due is None else (due - clock.now()) / timedelta(seconds=1)

    def _retries_left_to(self, proposed: State) -> int:
        error = proposed.data
        if not self.may_retry:
            return 0
        if isinstance(error, BaseException) and not self._retry.should_retry(self._run_count, error):
            return 0
        return self._retry.retries

    def write(self, state: State, kept: Kept | None = None, *, release: bool = False) -> None:
        """Record a decided state. `release` gives the lease back, after which nothing can be recorded."""
        self._desk.journal.append(transition_of(state, kept, release=release))
        if state.is_running():
            self._run_count += not self._resumes
            self._resumes = False
        self.current = state


def resumes(run: FlowRunRow) -> bool:
    """Whether the run's next Running continues it after a pause, and is not a new attempt."""
    return bool(run.empirical_policy.get("resuming"))


def transition_of(state: State, kept: Kept | None = None, *, release: bool = False) -> FlowRunTransition:
    """A state as the journal records it."""
    kept = kept or Kept()
    details: dict[str, Any] = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in state.details.items()
        if value is not None
    }
    return FlowRunTransition(
        state.id,
        state.type.value,
        state.name,
        state.timestamp.timestamp(),
        state.message,
        details,
        kept.kind,
        kept.data,
        kept.error,
        release=release,
    )
