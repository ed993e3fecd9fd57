"""Whether and when a failed attempt is tried again."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliostat.runtime.authoring.retry import NO_RETRIES, RetryPolicy, exponential_backoff
from heliostat.runtime.foundation.errors import CancelRun, UserError


def test_one_delay_serves_every_attempt():
    assert [RetryPolicy(3, 2).delay_s(attempt) for attempt in (1, 2, 3)] == [2, 2, 2]


def test_listed_delays_are_taken_in_order_and_the_last_repeats():
    assert [RetryPolicy(4, [1, 5]).delay_s(attempt) for attempt in (1, 2, 3, 4)] == [1, 5, 5, 5]


def test_delay_function_gets_the_attempt_that_failed():
    assert [RetryPolicy(3, lambda attempt: attempt * 10).delay_s(a) for a in (1, 2)] == [10, 20]


def test_exponential_backoff_doubles_and_survives_pickling():
    delay = pickle.loads(pickle.dumps(exponential_backoff(3)))
    assert [delay(attempt) for attempt in (1, 2, 3)] == [3, 6, 12]
    assert math.isfinite(delay(100_000))


@given(st.floats(0, 1000), st.floats(0, 3))
def test_jitter_stays_within_its_factor(delay, factor):
    jittered = RetryPolicy(1, delay, factor).delay_s(1)
    assert max(0, delay * (1 - factor)) - 1e-6 <= jittered <= delay * (1 + factor) + 1e-6


@given(st.integers(0, 20))
def test_a_call_is_made_once_more_than_retries(retries):
    policy = RetryPolicy(retries)
    attempts = 1
    while policy.should_retry(attempts, ValueError()):
        attempts += 1
    assert attempts == retries + 1


def test_no_retries_means_one_attempt():
    assert not NO_RETRIES.should_retry(1, ValueError())


def test_condition_decides_by_the_error():
    policy = RetryPolicy(1, condition=lambda error: isinstance(error, OSError))
    assert policy.should_retry(1, ConnectionError())
    assert not policy.should_retry(1, ValueError())


def test_broken_condition_stops_retries_and_is_told_on_the_error():
    error = ValueError()
    assert not RetryPolicy(1, condition=lambda error: 1 / 0).should_retry(1, error)
    assert "ZeroDivisionError" in error.__notes__[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), CancelRun()])
def test_an_exception_that_ends_a_process_is_not_retried(error):
    assert not RetryPolicy(5).should_retry(1, error)


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": -1},
        {"retries": 1.5},
        {"retries": True},
        {"retries": "3"},
        {"delay": -1},
        {"delay": []},
        {"delay": [1, "2"]},
        {"delay": "soon"},
        {"delay": math.inf},
        {"jitter_factor": -0.5},
        {"condition": "ValueError"},
    ],
)
def test_values_that_cannot_work_are_refused_at_once(wrong):
    with pytest.raises(UserError):
        RetryPolicy(**wrong)


def test_delay_function_that_returns_no_number_is_named():
    def soon(attempt):
        return "soon"

    with pytest.raises(UserError, match=r"soon\(2\)"):
        RetryPolicy(3, soon).delay_s(2)
