"""Which runs schedules want: enough ahead, each slot once, and what was missed as the policy says."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliostat.runtime.scheduling.schedule_slots import (
    STANDARD_HORIZON,
    DeploymentFacts,
    ScheduleFacts,
    plan_slots,
    slot_key,
)
from heliostat.runtime.scheduling.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

DEPLOYMENT, SCHEDULE = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 5, 5, 12, 3, tzinfo=UTC)
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)


def every(seconds, **facts):
    schedule = IntervalSchedule(seconds, datetime(2026, 1, 1, tzinfo=UTC))
    return ScheduleFacts(SCHEDULE, schedule, **facts)


def deployment(*schedules, **facts):
    return DeploymentFacts(DEPLOYMENT, schedules, **facts)


def due(plan):
    return [run.due_at for run in plan.runs]


@settings(deadline=None, max_examples=60)
@given(st.floats(1, 10**7), st.integers(0, 10**8))
def test_runs_are_made_until_three_and_an_hour_are_covered(seconds, moment):
    now = NOW + timedelta(seconds=moment)
    ahead = [(date - now).total_seconds() for date in due(plan_slots(deployment(every(seconds)), now))]
    covered = len(ahead) >= 3 and ahead[-1] >= 3600
    assert covered or len(ahead) == 100 or ahead == [] or ahead[-1] + seconds > 100 * 86_400 - 3700
    assert len(ahead) <= 100 and all(0 < each <= 100 * 86_400 for each in ahead)
    assert not (len(ahead) > 3 and ahead[-2] >= 3600)


@settings(deadline=None, max_examples=40)
@given(st.floats(30, 10**5), st.lists(st.integers(1, 4000), min_size=1, max_size=6))
def test_planning_again_and_again_makes_each_slot_once(seconds, pauses):
    facts, keys, now = deployment(every(seconds)), set(), NOW
    made = []
    for pause in pauses:
        plan = plan_slots(facts, now, keys)
        assert plan_slots(facts, now, keys | {run.idempotency_key for run in plan.runs}).runs == ()
        keys |= {run.idempotency_key for run in plan.runs}
        made += due(plan)
        now += timedelta(seconds=pause)
    assert len(made) == len(set(made)) == len(keys)


def test_run_carries_what_deployment_and_schedule_say():
    facts = every(86_400, slug="nightly", parameters={"b": 3, "c": 4})
    (run, *_) = plan_slots(deployment(facts, tags=("etl",), parameters={"a": 1, "b": 2}), NOW).runs
    assert run.tags == ("auto-scheduled", "etl")
    assert run.parameters == {"a": 1, "b": 3, "c": 4}
    assert run.created_by == {"id": str(SCHEDULE), "type": "SCHEDULE", "display_value": "nightly"}
    assert run.idempotency_key == f"scheduled {DEPLOYMENT} {SCHEDULE} 2026-05-06 00:00:00+00:00"
    assert run.due_at == datetime(2026, 5, 6, tzinfo=UTC)


def test_schedule_without_a_slug_goes_by_its_kind():
    plan = plan_slots(deployment(ScheduleFacts(SCHEDULE, CronSchedule("@daily"))), NOW)
    assert plan.runs[0].created_by["display_value"] == "CronSchedule"


def test_paused_deployments_and_schedules_want_no_runs():
    assert plan_slots(deployment(every(60), paused=True), NOW).runs == ()
    assert plan_slots(deployment(every(60, active=False)), NOW).runs == ()


def test_schedule_that_has_ended_wants_no_runs():
    ended = ScheduleFacts(SCHEDULE, RRuleSchedule("DTSTART:20250101T000000\nRRULE:FREQ=DAILY;COUNT=3"))
    assert plan_slots(deployment(ended), NOW).runs == ()


def test_runs_of_several_schedules_come_by_due_time():
    other = ScheduleFacts(UUID(int=3), CronSchedule("30 * * * *"))
    dates = due(plan_slots(deployment(every(3600), other), NOW))
    assert dates == sorted(dates) and len(dates) == 6


@pytest.mark.parametrize(
    ("catch_up", "minutes"),
    [(None, []), ("none", []), ("latest", [0]), ("all", [-40, -30, -20, -10, 0])],
)
def test_missed_slots_are_caught_up_as_the_policy_says(catch_up, minutes):
    idle_since = NOON - timedelta(minutes=45)
    plan = plan_slots(deployment(every(600, catch_up=catch_up)), NOW, idle_since=idle_since)
    assert [date for date in due(plan) if date <= NOW] == [NOON + timedelta(minutes=each) for each in minutes]


def test_missed_runs_that_were_made_ahead_are_dropped_unless_all_are_wanted():
    dates = [NOON - timedelta(minutes=each) for each in (40, 30, 0)]
    keys = {slot_key(DEPLOYMENT, SCHEDULE, date) for date in dates}
    oldest = [slot_key(DEPLOYMENT, SCHEDULE, date) for date in dates]
    for catch_up, dropped in ((None, []), ("all", []), ("latest", oldest[:2]), ("none", oldest)):
        idle_since = NOON - timedelta(minutes=45)
        plan = plan_slots(deployment(every(600, catch_up=catch_up)), NOW, keys, idle_since=idle_since)
        assert list(plan.dropped) == dropped
        assert not {run.idempotency_key for run in plan.runs} & keys


@pytest.mark.parametrize("catch_up", ["all", "latest", "none"])
def test_slot_that_is_just_due_is_not_missed(catch_up):
    plan = plan_slots(
        deployment(every(600, catch_up=catch_up)),
        NOON + timedelta(seconds=5),
        idle_since=NOON - timedelta(seconds=30),
    )
    assert due(plan)[0] == NOON
    assert plan.dropped == ()


def test_long_interruption_of_a_dense_schedule_is_caught_up_to_the_limit_with_its_newest_slots():
    plan = plan_slots(deployment(every(1, catch_up="all")), NOW, idle_since=NOW - timedelta(days=3000))
    past = [date for date in due(plan) if date < NOW - timedelta(seconds=15)]
    assert len(past) <= STANDARD_HORIZON.max_runs
    assert past[0] == NOW - timedelta(seconds=15 + len(past))
