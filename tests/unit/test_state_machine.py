"""Whatever is proposed in whatever order, a run's history is a walk over the table of transitions."""

import dataclasses
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from heliostat.runtime.foundation import clock
from heliostat.runtime.rules.deciding import Accept, Reject, RunFacts, Wait, decide
from heliostat.runtime.states import FINAL_STATES, STATE_NAMES, TRANSITIONS, State, StateType

START = datetime(2026, 1, 1, tzinfo=UTC)


class RunHistory(RuleBasedStateMachine):
    """A run that gets proposals, keeps what is accepted, and has its facts updated as the store would."""

    @initialize(
        kind=st.sampled_from(["flow-run", "task-run"]),
        retries=st.integers(0, 3),
        has_deployment=st.booleans(),
        persisted=st.booleans(),
        is_subflow=st.booleans(),
    )
    def begin(self, kind, retries, has_deployment, persisted, is_subflow):
        self.now = START
        clock.set_wall_clock(lambda: self.now.timestamp())
        self.kind, self.current, self.persists = kind, None, persisted
        self.facts = RunFacts(
            retries=retries,
            has_deployment=has_deployment,
            is_subflow=is_subflow,
            flow_state=StateType.RUNNING,
        )
        self.history = []
        self.retried = 0

    def teardown(self):
        clock.set_wall_clock(None)

    @rule(
        name=st.sampled_from(sorted(STATE_NAMES)),
        force=st.integers(0, 9).map(lambda n: n == 0),
        delay_s=st.sampled_from([0, 30]),
        due_in_s=st.sampled_from([None, -10, 20]),
        pause_key=st.sampled_from([None, "a", "b"]),
        reschedule=st.booleans(),
        flow_state=st.sampled_from(
            [StateType.RUNNING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
        ),
    )
    def propose(self, name, force, delay_s, due_in_s, pause_key, reschedule, flow_state):
        details = {}
        kind = STATE_NAMES[name]
        if due_in_s is not None and kind is StateType.SCHEDULED:
            details["scheduled_time"] = self.now + timedelta(seconds=due_in_s)
        if kind is StateType.PAUSED:
            details = {"pause_timeout": self.now + timedelta(seconds=15), "pause_reschedule": reschedule}
            if pause_key:
                details["pause_key"] = pause_key
        has_result = self.persists and kind is StateType.COMPLETED
        facts = dataclasses.replace(
            self.facts, retry_delay_s=delay_s, proposal_has_result=has_result, flow_state=flow_state
        )
        proposed = State(kind, name, details=details)
        before = self.current
        verdict = decide(self.kind, before, proposed, facts, force=force)
        again = decide(self.kind, before, proposed, facts, force=force)
        self.check(before, proposed, verdict, again, force, facts)
        self.take(verdict, has_result)

    def check(self, before, proposed, verdict, again, force, facts):
        decision, written = verdict.decision, verdict.state_to_write
        assert decision.reason and verdict.trail[-1] == (decision.rule, decision.outcome, decision.reason)
        assert (again.decision.outcome, again.trail) == (decision.outcome, verdict.trail), (
            "decisions are pure"
        )
        if isinstance(decision, Accept):
            assert written is not None and written.type is proposed.type and written.id == proposed.id
        elif not isinstance(decision, Reject):
            assert written is None and not verdict.changes
        if isinstance(decision, Wait):
            assert 0 < decision.delay_s <= 60
        if written is None or before is None:
            return
        assert (before.type, written.type) in TRANSITIONS
        if force:
            return
        if before.type in FINAL_STATES:
            held_back = written.name == "NotReady"  # task runs wait while their flow is paused
            assert held_back or written.type not in (
                StateType.PAUSED,
                StateType.CANCELLING,
                StateType.CRASHED,
            )
            if before.is_completed() and facts.result_persisted:
                assert written.is_final(), "a kept result is never made again"
        if self.kind == "flow-run":
            if before.is_cancelling():
                assert written.is_cancelled()
            if written.is_paused():
                assert before.is_running()
        if written.is_running():
            due = before.moment("scheduled_time")
            waits = before.is_scheduled() or before.is_pending()
            assert not waits or due is None or due <= self.now, "nothing starts before its time"
            assert self.kind == "flow-run" or facts.flow_state is StateType.RUNNING
        if before.is_running() and proposed.is_failed() and not written.is_failed():
            self.retried += 1
            assert facts.run_count <= facts.retries

    def take(self, verdict, has_result):
        """As the store does: the state, the counters and what the rules changed."""
        written = verdict.state_to_write
        if written is None:
            return
        known = {f.name for f in dataclasses.fields(RunFacts)}
        changes = {name: value for name, value in verdict.changes.items() if name in known}
        if "run_count" in changes:
            self.retried = 0
        self.facts = dataclasses.replace(self.facts, **changes)
        if written.is_running():
            self.facts = dataclasses.replace(self.facts, run_count=self.facts.run_count + 1)
        self.facts = dataclasses.replace(self.facts, result_persisted=has_result and written.is_completed())
        self.current = written
        self.history.append(written)

    @rule(seconds=st.sampled_from([1, 20, 60]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.current is not None and not self.current.is_final())
    @rule()
    def every_unfinished_run_can_be_brought_to_an_end(self):
        crashed = State(StateType.CRASHED)
        cancelled = State(StateType.CANCELLED)
        ends = [
            decide(self.kind, self.current, end, self.facts).state_to_write for end in (crashed, cancelled)
        ]
        assert any(end is not None and end.is_final() for end in ends)

    @invariant()
    def history_is_a_walk_over_the_table(self):
        types = [None, *(state.type for state in getattr(self, "history", []))]
        for arrow in zip(types, types[1:], strict=False):
            assert arrow in TRANSITIONS

    @invariant()
    def retries_are_bounded(self):
        if hasattr(self, "facts"):
            assert self.retried <= self.facts.retries


TestRunHistory = RunHistory.TestCase
TestRunHistory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
