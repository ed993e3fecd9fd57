"""What rules say to proposals, one claim a rule; the walk over all of them is in test_state_machine.py."""

from datetime import UTC, datetime, timedelta

import pytest

from heliostat.runtime.foundation import clock
from heliostat.runtime.rules.deciding import FLOW_RUN_RULES, TASK_RUN_RULES, RunFacts, Wait, decide
from heliostat.runtime.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Late,
    Paused,
    Pending,
    Resuming,
    Retrying,
    Running,
    Scheduled,
    State,
    StateType,
    Suspended,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IN_A_MINUTE = NOW + timedelta(minutes=1)
DEPLOYED = RunFacts(has_deployment=True)


@pytest.fixture(autouse=True)
def stopped_clock():
    clock.set_wall_clock(NOW.timestamp)
    yield
    clock.set_wall_clock(None)


def flow(current, proposed, facts=RunFacts(), **options):  # noqa: B008
    return decide("flow-run", current, proposed, facts, **options)


def task(current, proposed, **facts):
    return decide("task-run", current, proposed, RunFacts(**{"flow_state": StateType.RUNNING, **facts}))


def told(verdict):
    """The rule that decided, and how."""
    assert verdict.trail[-1] == (verdict.decision.rule, verdict.decision.outcome, verdict.decision.reason)
    assert verdict.decision.reason
    return verdict.decision.rule, verdict.decision.outcome


# The table


def test_accepted_proposal_is_written_as_it_is_and_the_trail_names_the_event():
    proposed = Running()
    verdict = flow(Pending(), proposed)
    assert verdict.state_to_write is proposed
    assert verdict.trail == [("transitions", "ACCEPT", "start")]


def test_first_state_is_written_without_the_ordinary_rules():
    for to in set(StateType) - {StateType.PAUSED}:
        assert flow(None, State(to)).state_to_write is not None


def test_each_rule_has_a_name_of_its_own():
    for rules in (FLOW_RUN_RULES, TASK_RUN_RULES):
        assert len({rule.name for rule in rules}) == len(rules)


# Flow runs


def test_a_transition_sent_twice_is_written_once():
    running = State(StateType.RUNNING, details={"transition_id": "t-1"})
    verdict = flow(running, State(StateType.RUNNING, details={"transition_id": "t-1"}))
    assert told(verdict) == ("no-double-transition", "REJECT")
    assert verdict.state_to_write is None
    assert flow(running, State(StateType.RUNNING, details={"transition_id": "t-2"})).state_to_write


@pytest.mark.parametrize("proposed", [Cancelling(), Crashed()])
@pytest.mark.parametrize("final", [Completed(), Failed(), Cancelled(), Crashed()])
def test_ended_run_cannot_be_cancelled_or_crash(final, proposed):
    assert told(flow(final, proposed, DEPLOYED)) == ("leaving-final-states", "ABORT")


def test_persisted_result_is_not_thrown_away():
    kept = RunFacts(has_deployment=True, result_persisted=True)
    for proposed in (Scheduled(), Pending(), Running(), Completed()):
        assert told(flow(Completed(), proposed, kept)) == ("keep-persisted-results", "REJECT")
    replaced = RunFacts(result_persisted=True, proposal_has_result=True)
    assert flow(Completed(), Completed(), replaced).state_to_write
    assert flow(Completed(), Failed(), kept).state_to_write


def test_only_runs_of_deployments_are_scheduled_again_and_their_pauses_begin_anew():
    assert told(flow(Failed(), Scheduled())) == ("leaving-final-states", "ABORT")
    verdict = flow(Failed(), Scheduled(), RunFacts(has_deployment=True, pause_keys=frozenset({"k"})))
    assert verdict.state_to_write
    assert verdict.changes == {"pause_keys": frozenset(), "resuming": False, "retry_type": "reschedule"}


def test_crashed_run_can_run_again_in_place():
    assert flow(Crashed(), Running()).changes["retry_type"] is None


@pytest.mark.parametrize("proposed", [Completed(), Failed(), Crashed(), Running(), Scheduled(), Cancelling()])
def test_what_is_being_cancelled_ends_in_cancelled(proposed):
    verdict = flow(Cancelling(), proposed, DEPLOYED)
    assert told(verdict) == ("cancelling-ends-in-cancelled", "REJECT")
    assert verdict.state_to_write is None
    assert flow(Cancelling(), Cancelled()).state_to_write


@pytest.mark.parametrize(
    ("current", "pid"),
    [(Scheduled(), None), (Late(), None), (Resuming(), "123"), (Suspended(), "123")],
)
def test_run_without_a_process_is_cancelled_at_once(current, pid):
    verdict = flow(current, Cancelling("by me"), RunFacts(infrastructure_pid=pid))
    assert told(verdict) == ("nothing-to-tear-down", "REJECT")
    assert repr(verdict.state_to_write) == "Cancelled('by me')"


@pytest.mark.parametrize(("current", "pid"), [(AwaitingRetry(), "123"), (Paused(), None), (Running(), None)])
def test_run_with_a_process_is_torn_down_first(current, pid):
    assert flow(current, Cancelling(), RunFacts(infrastructure_pid=pid)).state_to_write.is_cancelling()


@pytest.mark.parametrize("current", [Pending(), Running(), Cancelled()])
def test_a_run_that_someone_took_is_not_taken_again(current):
    assert told(flow(current, Pending(), DEPLOYED)) == ("one-submitter", "ABORT")


def test_submitter_reports_progress_and_keeps_time_and_slot():
    details = {"scheduled_time": NOW, "deployment_concurrency_lease_id": "lease"}
    verdict = flow(Pending(details=details), Pending(name="Submitting"))
    assert verdict.state_to_write.name == "Submitting"
    assert verdict.state_to_write.details == details
    submitting = verdict.state_to_write
    assert told(flow(submitting, Pending(name="Submitting"))) == ("one-submitter", "ABORT")
    assert flow(submitting, Pending(name="InfrastructurePending")).state_to_write


def test_only_what_waits_for_its_time_is_marked_late_and_once():
    assert flow(Scheduled(), Late()).state_to_write.name == "Late"
    for current in (Late(), Pending(), Running()):
        assert told(flow(current, Late(), DEPLOYED)) == ("late-only-from-scheduled", "REJECT")


def test_only_a_running_flow_pauses():
    for current in (Scheduled(), Pending(), Paused()):
        assert told(flow(current, Paused())) == ("pausing", "REJECT")
    assert told(flow(None, Paused())) == ("pausing", "ABORT")
    assert flow(Running(), Paused()).state_to_write.is_paused()


def test_each_pause_happens_once():
    first = flow(Running(), Paused(pause_key="k"))
    assert first.changes == {"pause_keys": {"k"}}
    again = flow(Running(), Paused(pause_key="k"), RunFacts(pause_keys=first.changes["pause_keys"]))
    assert told(again) == ("pausing", "REJECT")


def test_suspending_needs_a_deployment_and_no_parent():
    assert told(flow(Running(), Suspended())) == ("pausing", "ABORT")
    assert told(flow(Running(), Suspended(), RunFacts(has_deployment=True, is_subflow=True)))[1] == "ABORT"
    assert flow(Running(), Suspended(), DEPLOYED).state_to_write.name == "Suspended"


@pytest.mark.parametrize("proposed", [Running(), Resuming()])
def test_paused_run_resumes(proposed):
    verdict = flow(Paused(timeout_s=60), proposed, DEPLOYED)
    assert verdict.state_to_write is proposed and verdict.changes == {"resuming": True}


def test_paused_run_cannot_become_pending():
    assert told(flow(Paused(), Pending())) == ("resuming-in-time", "REJECT")


def test_pause_that_timed_out_fails_the_run_unless_it_is_cancelled():
    paused = State(StateType.PAUSED, details={"pause_timeout": NOW - timedelta(seconds=1)})
    verdict = flow(paused, Running())
    assert told(verdict) == ("resuming-in-time", "REJECT") and verdict.state_to_write.is_failed()
    assert flow(paused, Cancelling()).state_to_write.is_cancelling()


def test_pending_run_remembers_when_it_is_due():
    verdict = flow(Scheduled(IN_A_MINUTE), Pending())
    assert verdict.state_to_write.moment("scheduled_time") == IN_A_MINUTE
    own = Pending(details={"scheduled_time": NOW})
    assert flow(Scheduled(IN_A_MINUTE), own).state_to_write is own


@pytest.mark.parametrize("decided", [flow, task])
def test_nothing_starts_before_its_time(decided):
    for current in (Scheduled(IN_A_MINUTE), Pending(details={"scheduled_time": IN_A_MINUTE.isoformat()})):
        verdict = decided(current, Running())
        assert told(verdict) == ("wait-for-scheduled-time", "WAIT")
        assert isinstance(verdict.decision, Wait) and verdict.decision.delay_s == 60
        assert verdict.state_to_write is None
    assert decided(Scheduled(NOW), Running()).state_to_write


def test_failed_flow_run_awaits_its_retry_and_keeps_its_slot():
    running = Running(details={"deployment_concurrency_lease_id": "lease"})
    verdict = flow(running, Failed("boom"), RunFacts(run_count=2, retries=2, retry_delay_s=60))
    assert told(verdict) == ("retry", "REJECT")
    assert repr(verdict.state_to_write) == "AwaitingRetry('boom')"
    assert verdict.state_to_write.moment("scheduled_time") == IN_A_MINUTE
    assert verdict.state_to_write.details["deployment_concurrency_lease_id"] == "lease"
    assert verdict.changes["retry_type"] == "in_process"
    assert "Attempt 2 of 3" in verdict.decision.reason


def test_flow_run_without_retries_left_fails():
    verdict = flow(Running(), Failed(), RunFacts(run_count=3, retries=2, retry_type="in_process"))
    assert verdict.state_to_write.is_failed() and verdict.changes == {"retry_type": None}


def test_crash_is_no_failure_to_be_retried_by_rule():
    assert flow(Running(), Crashed(), RunFacts(run_count=1, retries=5)).state_to_write.is_crashed()


# By force


def test_force_overrules_but_keeps_results():
    assert flow(Failed(), Crashed(), force=True).state_to_write.is_crashed()
    assert flow(Cancelling(), Failed(), force=True).state_to_write.is_failed()
    assert flow(Scheduled(IN_A_MINUTE), Running(), force=True).state_to_write.is_running()
    kept = RunFacts(result_persisted=True)
    assert told(flow(Completed(), Completed(), kept, force=True)) == ("keep-persisted-results", "REJECT")
    assert flow(Completed(), Running(), kept, force=True).state_to_write.is_running()
    assert flow(Completed(), Paused(), force=True).state_to_write.is_paused()
    assert told(flow(Scheduled(), Cancelling(), force=True)) == ("nothing-to-tear-down", "REJECT")


# Task runs


def test_tasks_run_only_while_their_flow_does():
    assert task(Pending(), Running()).state_to_write.is_running()
    assert task(Pending(), Running(), has_flow=False, flow_state=None).state_to_write.is_running()
    verdict = task(Pending(), Running(), flow_state=StateType.PAUSED)
    assert told(verdict) == ("flow-must-be-running", "REJECT")
    assert verdict.state_to_write.name == "NotReady"
    for state in (None, StateType.CANCELLING, StateType.COMPLETED):
        assert told(task(Pending(), Running(), flow_state=state)) == ("flow-must-be-running", "ABORT")


def test_failed_task_awaits_its_retry_also_without_a_delay():
    """A retry without delay went to RUNNING by itself: it was never seen awaiting, slipped past the rule that
    tasks run only while their flow does, and counted an attempt that nobody had begun. A task run that fails
    with retries left becomes AwaitingRetry; whoever runs it proposes RUNNING when that is due.
    """
    for flow_state in (StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING, None):
        at_once = task(Running(), Failed("boom"), run_count=1, retries=1, flow_state=flow_state)
        assert (
            told(at_once) == ("retry", "REJECT") and repr(at_once.state_to_write) == "AwaitingRetry('boom')"
        )
        assert at_once.state_to_write.moment("scheduled_time") == NOW
    later = task(Running(), Failed("boom"), run_count=1, retries=1, retry_delay_s=60)
    assert later.state_to_write.moment("scheduled_time") == IN_A_MINUTE
    assert task(Running(), Failed(), run_count=2, retries=1).state_to_write.is_failed()


def test_task_that_says_so_is_not_retried():
    assert task(
        Running(), Failed(details={"retriable": False}), run_count=1, retries=5
    ).state_to_write.is_failed()


def test_runs_after_the_first_are_named_after_their_reason():
    assert task(AwaitingRetry(NOW), Running(), run_count=1).state_to_write.name == "Retrying"
    assert task(Scheduled(NOW), Running(), run_count=1).state_to_write.name == "Rerunning"
    assert task(Scheduled(NOW), Running()).state_to_write.name == "Running"


def test_task_that_runs_again_counts_its_attempts_anew():
    verdict = task(Failed(), Running(), run_count=3, flow_run_count=2, flow_run_run_count=1)
    assert verdict.state_to_write.name == "Retrying" and verdict.changes == {"run_count": 0}
    assert task(Failed(), Running(), run_count=3).state_to_write.name == "Running"
    assert told(task(Completed(), Running(), result_persisted=True)) == ("keep-persisted-results", "REJECT")
    assert told(task(Failed(), Cancelling())) == ("leaving-final-states", "ABORT")


def test_running_task_whose_worker_died_is_submitted_again():
    assert task(Running(), Pending()).state_to_write.is_pending()
    assert task(Retrying(), Running(name="Retrying")).state_to_write.is_running()
