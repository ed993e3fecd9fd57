"""Which runs schedules want: enough ahead, each slot once, and what was missed as the policy says."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliostat.runtime.scheduling.schedule_slots import (
    STANDARD_HORIZON,
    coming_slots,
    past_slots,
    slot_key,
)
from heliostat.runtime.scheduling.schedules import IntervalSchedule, RRuleSchedule

NOW = datetime(2026, 5, 5, 12, 3, tzinfo=UTC)
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)


def every(seconds):
    return IntervalSchedule(seconds, datetime(2026, 1, 1, tzinfo=UTC))


@settings(deadline=None, max_examples=60)
@given(st.floats(1, 10**7), st.integers(0, 10**8))
def test_runs_are_made_until_three_and_an_hour_are_covered(seconds, moment):
    now = NOW + timedelta(seconds=moment)
    ahead = [(date - now).total_seconds() for date in coming_slots(every(seconds), now)]
    covered = len(ahead) >= 3 and ahead[-1] >= 3600
    assert covered or len(ahead) == 100 or ahead == [] or ahead[-1] + seconds > 100 * 86_400 - 3700
    assert len(ahead) <= 100 and all(0 < each <= 100 * 86_400 for each in ahead)
    assert not (len(ahead) > 3 and ahead[-2] >= 3600)


@settings(deadline=None, max_examples=40)
@given(st.floats(30, 10**5), st.lists(st.integers(1, 4000), min_size=1, max_size=6))
def test_looking_again_and_again_finds_the_same_slots_and_none_between(seconds, pauses):
    planned, now = list(coming_slots(every(seconds), NOW)), NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        again = list(coming_slots(every(seconds), now))
        known = [date for date in planned if date > now]
        assert again[: len(known)] == known
        planned += again[len(known) :]


def test_key_of_a_slot_names_deployment_schedule_and_date():
    key = slot_key(UUID(int=1), UUID(int=2), datetime(2026, 5, 6, tzinfo=UTC))
    assert key == f"scheduled {UUID(int=1)} {UUID(int=2)} 2026-05-06 00:00:00+00:00"


def test_schedule_that_has_ended_wants_no_runs():
    ended = RRuleSchedule("DTSTART:20250101T000000\nRRULE:FREQ=DAILY;COUNT=3")
    assert list(coming_slots(ended, NOW)) == []


@pytest.mark.parametrize(
    ("catch_up", "wanted", "unwanted"),
    [
        (None, [], []),
        ("none", [], [-40, -30, -20, -10, 0]),
        ("latest", [0], [-40, -30, -20, -10]),
        ("all", [-40, -30, -20, -10, 0], []),
    ],
)
def test_missed_slots_are_run_or_dropped_as_the_policy_says(catch_up, wanted, unwanted):
    past = past_slots(every(600), catch_up, NOW, NOON - timedelta(minutes=45))
    dates = tuple([NOON + timedelta(minutes=each) for each in minutes] for minutes in (wanted, unwanted))
    assert past == dates


@pytest.mark.parametrize("catch_up", ["all", "latest", "none"])
def test_slot_that_is_just_due_is_not_missed(catch_up):
    moment, idle_since = NOON + timedelta(seconds=5), NOON - timedelta(seconds=30)
    assert past_slots(every(600), catch_up, moment, idle_since) == ([NOON], [])


def test_long_interruption_of_a_dense_schedule_is_caught_up_to_the_limit_with_its_newest_slots():
    wanted, unwanted = past_slots(every(1), "all", NOW, NOW - timedelta(days=3000))
    past = [date for date in wanted if date < NOW - timedelta(seconds=15)]
    assert len(past) <= STANDARD_HORIZON.max_runs and unwanted == []
    assert past[0] == NOW - timedelta(seconds=15 + len(past))
