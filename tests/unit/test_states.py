"""What a state says about a run, and what a returned value means."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from heliostat.runtime import states
from heliostat.runtime.foundation import clock
from heliostat.runtime.foundation.errors import (
    ResultLost,
    RunCancelled,
    RunFailure,
    TaskTimedOut,
    UnfinishedRun,
)
from heliostat.runtime.states import (
    FINAL_STATES,
    NO_VALUE,
    STATE_NAMES,
    TRANSITIONS,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    StateType,
    TimedOut,
    final_state_of,
)


def test_every_pair_of_states_is_in_the_table_and_names_an_event():
    assert all(event for event in TRANSITIONS.values())
    assert set(TRANSITIONS) == {(start, to) for start in (None, *StateType) for to in StateType}


@pytest.mark.parametrize("name", ["Scheduled", "Late", "AwaitingRetry", "Resuming", "Pending", "Running",
    "Retrying", "Completed", "Cached", "Failed", "TimedOut", "Paused", "Suspended", "NotReady", "Cancelled",
    "Cancelling", "Crashed"])  # fmt: skip
def test_factory_gives_a_state_of_its_standard_name_and_type(name):
    state = getattr(states, name)()
    assert (state.name, state.type) == (name, STATE_NAMES[name])
    asked = {t for t in StateType if getattr(state, f"is_{t.value.lower()}")()}
    assert asked == {state.type}
    assert state.is_final() == (state.type in FINAL_STATES)


def test_name_defaults_to_the_type_and_details_to_nothing():
    state = State(StateType.RUNNING)
    assert state.name == "Running"
    assert state.details == {}
    assert state.id.version == 7
    assert state.timestamp.tzinfo is UTC


def test_repr_is_what_one_would_write():
    assert repr(Completed("all good")) == "Completed('all good')"
    assert repr(Failed()) == "Failed()"


def test_data_does_not_count_in_a_comparison():
    state = Completed(data=1)
    other = State(state.type, state.name, state.message, 2, dict(state.details), state.timestamp, state.id)
    assert state == other
    assert len({state, other}) == 1
    assert Completed(data=1) != Completed(data=1)  # ids differ


def test_state_survives_pickling_with_and_without_a_value():
    for state in (Completed(data=[1]), Completed(data=NO_VALUE)):
        again = pickle.loads(pickle.dumps(state))
        assert again == state
        assert again.data == state.data
    assert pickle.loads(pickle.dumps(NO_VALUE)) is NO_VALUE


def test_result_of_a_completed_run_is_its_value():
    assert Completed(data=3).result() == 3
    assert Completed().result() is None


def test_result_of_a_failed_run_raises_the_authors_own_exception():
    error = KeyError("x")
    with pytest.raises(KeyError) as caught:
        Failed(data=error).result()
    assert caught.value is error
    assert Failed(data=error).result(raise_on_failure=False) is error


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (Failed("gone wrong"), RunFailure),
        (Crashed("gone wrong"), RunFailure),
        (Cancelled("gone wrong"), RunCancelled),
        (TimedOut("gone wrong"), TaskTimedOut),
    ],
)
def test_failure_without_an_exception_raises_its_message(state, kind):
    with pytest.raises(kind, match="gone wrong"):
        state.result()


def test_lost_value_raises_an_error_with_a_hint():
    with pytest.raises(ResultLost) as caught:
        Completed(data=NO_VALUE).result()
    assert "persist_result" in caught.value.hint


@pytest.mark.parametrize("state", [Scheduled(), Pending(), Running(), Paused()])
def test_unfinished_run_has_no_result(state):
    with pytest.raises(UnfinishedRun, match=state.name):
        state.result(raise_on_failure=False)


def test_returned_state_is_the_final_state():
    state = Failed("on purpose")
    assert final_state_of(state) is state


def test_returned_value_completes_and_is_the_result():
    for value in (None, 1, [], {}, [1, Failed()], "text"):
        state = final_state_of(value)
        assert state.is_completed()
        assert state.result() is value


@pytest.mark.parametrize("shape", [list, tuple, set, lambda states: dict(enumerate(states))])
def test_returned_states_fail_when_some_failed(shape):
    failed = Failed(data=ValueError("first"))
    state = final_state_of(
        shape([Completed(), failed, Completed(), Crashed(data=ValueError("first")), Completed()])
    )
    assert repr(state) == "Failed('2/5 states failed.')"
    with pytest.raises(ValueError, match="first"):
        state.result()


def test_returned_states_complete_when_all_completed():
    given = [Completed(data=1), Completed(data=2)]
    state = final_state_of(given)
    assert repr(state) == "Completed('All states completed.')"
    assert state.result() is given


def test_returned_states_are_cancelled_or_unfinished_as_their_members():
    assert repr(final_state_of([Cancelled(), Failed()])) == "Cancelled('1/2 states cancelled.')"
    assert repr(final_state_of([Running(), Completed()])) == "Failed('1/2 states are not final.')"


def test_moment_reads_aware_naive_and_text_times_as_utc():
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    for form in (moment, moment.replace(tzinfo=None), moment.isoformat(), "2026-01-02T03:04:00Z"):
        assert State(StateType.SCHEDULED, details={"scheduled_time": form}).moment("scheduled_time") == moment
    assert Pending().moment("scheduled_time") is None


def test_pause_timeout_is_a_moment():
    clock.set_wall_clock(lambda: 1000.0)
    try:
        pause = Paused(timeout_s=60, pause_key="k", reschedule=True)
        assert pause.moment("pause_timeout") - clock.now() == timedelta(seconds=60)
        assert pause.details["pause_key"] == "k" and pause.details["pause_reschedule"] is True
    finally:
        clock.set_wall_clock(None)
