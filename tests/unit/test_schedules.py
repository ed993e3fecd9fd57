"""When schedules fire: the same dates for everyone, also when the clocks change."""

import itertools
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from heliostat.runtime.foundation.errors import BadSchedule
from heliostat.runtime.scheduling.schedules import (
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
    schedule_from_json,
)

BERLIN = "Europe/Berlin"  # 2026: gap on 29 March at 2:00, overlap on 25 October at 3:00
GAP = datetime(2026, 3, 28, 12, tzinfo=UTC)
OVERLAP = datetime(2026, 10, 24, 12, tzinfo=UTC)

zones = st.sampled_from(
    [
        "UTC",
        BERLIN,
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "America/Santiago",
        "Asia/Kolkata",
    ]
)
# Days round the changes of the clocks in those zones, and any others.
moments = st.one_of(
    st.datetimes(datetime(2026, 3, 26), datetime(2026, 4, 27)),
    st.datetimes(datetime(2026, 9, 4), datetime(2026, 11, 3)),
    st.datetimes(datetime(2021, 1, 1), datetime(2035, 1, 1)),
).map(lambda moment: moment.replace(tzinfo=UTC))
crons = st.builds(
    CronSchedule,
    st.sampled_from(
        [
            "30 2 * * *",
            "0,30 1-3 * * *",
            "*/20 * * * *",
            "15 * * * *",
            "*/30 2 * * *",
            "0 0 * * 1",
            "0 */6 * * *",
            "10 2 * * * 0,30",
            "59 23 L * *",
            "30 0 * * FRI-MON",
            "0 3 1 */2 *",
            "5 0,1,2,3 * * 5#2",
        ]
    ),
    zones,
)
intervals = st.builds(
    IntervalSchedule,
    st.sampled_from([600.0, 3600.0, 5400.5, 86_400.0, 129_600.0, 604_800.0]),
    st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1)).map(lambda anchor: anchor.replace(tzinfo=UTC)),
    zones,
)
rule_texts = st.sampled_from(
    [
        "FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0",
        "DTSTART:20240101T023000\nRRULE:FREQ=DAILY\nRRULE:FREQ=DAILY;BYHOUR=3;BYMINUTE=10\nEXDATE:20260329T031000",
        "DTSTART:20200131T001500\nRRULE:FREQ=MONTHLY",
        "DTSTART:20200229T001500\nRRULE:FREQ=YEARLY;INTERVAL=2",
        "DTSTART:20210101T000000\nRRULE:FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SU;WKST=SU;BYHOUR=1",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=2;BYMINUTE=45;BYSECOND=0",
        "FREQ=HOURLY;INTERVAL=5",
        "FREQ=MINUTELY;INTERVAL=50",
        "FREQ=HOURLY;BYHOUR=1,2,3;BYMINUTE=0,40;BYSECOND=0",
        "DTSTART:20250301T000000\nRRULE:FREQ=DAILY;INTERVAL=3;COUNT=200",
    ]
)
rules = st.builds(RRuleSchedule, rule_texts, zones)
schedules = st.one_of(crons, intervals, rules)


def shown(dates):
    return [f"{date:%m-%d %H:%M}" for date in dates]


@settings(deadline=None, max_examples=60)
@given(schedules, moments)
def test_dates_ascend_and_lie_after_the_moment(schedule, after):
    dates = schedule.dates(after, 12)
    assert all(date > after and date.utcoffset() == timedelta(0) for date in dates)
    assert all(earlier < later for earlier, later in itertools.pairwise(dates))


@settings(deadline=None, max_examples=80)
@given(schedules, moments, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_dates_are_the_same_whatever_window_they_are_asked_in(schedule, after, later):
    middle, end = after + later, after + 2 * later + timedelta(hours=3)
    whole = schedule.dates(after, 5000, end)
    assert schedule.dates(after, 5000, middle) + schedule.dates(middle, 5000, end) == whole
    fresh = schedule_from_json(schedule.to_json())
    assert fresh == schedule
    one_by_one, place = [], after
    for _ in range(5):
        place = fresh.next_date(place)
        if place is None or place > end:
            break
        one_by_one.append(place)
    assert one_by_one == whole[:5]


@settings(deadline=None, max_examples=25)
@given(rule_texts, st.integers(0, 2000))
def test_rule_that_began_long_ago_gives_what_a_walk_from_its_beginning_gives(text, days):
    after = datetime(2025, 6, 1) + timedelta(days=days)
    walked = rrulestr(text, dtstart=datetime(2020, 1, 1), forceset=True).between(after, after + timedelta(9))
    dates = RRuleSchedule(text).dates(
        after.replace(tzinfo=UTC), 1000, (after + timedelta(9)).replace(tzinfo=UTC)
    )
    assert [date.replace(tzinfo=None) for date in dates if date.date() < (after + timedelta(9)).date()] == [
        wall for wall in walked if wall.date() < (after + timedelta(9)).date()
    ]


def test_dates_are_equal_in_another_process():
    program = (
        "from heliostat.runtime.scheduling.schedules import schedule_from_json as s; from datetime import *;"
        "print([str(d) for d in s({'rrule': 'FREQ=HOURLY;INTERVAL=7', 'timezone': 'Europe/Berlin'})"
        ".dates(datetime(2026, 3, 28, tzinfo=UTC), 9)])"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = RRuleSchedule("FREQ=HOURLY;INTERVAL=7", BERLIN).dates(datetime(2026, 3, 28, tzinfo=UTC), 9)
    assert there.stdout.strip() == str([str(date) for date in here])


def test_daily_cron_fires_once_when_the_clocks_go_back():
    assert shown(CronSchedule("30 2 * * *", BERLIN).dates(OVERLAP, 3)) == [
        "10-25 00:30",
        "10-26 01:30",
        "10-27 01:30",
    ]


def test_daily_cron_that_is_skipped_fires_right_after_the_gap():
    assert shown(CronSchedule("30 2 * * *", BERLIN).dates(GAP, 2)) == ["03-29 01:00", "03-30 00:30"]


def test_hourly_cron_keeps_every_hour_when_the_clocks_change():
    for schedule in (CronSchedule("0 * * * *", BERLIN), RRuleSchedule("FREQ=HOURLY", BERLIN)):
        for start in (GAP, OVERLAP):
            dates = schedule.dates(start, 30)
            assert {later - earlier for earlier, later in itertools.pairwise(dates)} == {timedelta(hours=1)}


def test_interval_of_days_keeps_the_wall_clock_and_one_of_hours_keeps_real_time():
    anchor = datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert shown(IntervalSchedule(86_400, anchor, BERLIN).dates(GAP, 2)) == ["03-29 07:00", "03-30 07:00"]
    assert shown(IntervalSchedule(43_200, anchor, BERLIN).dates(GAP, 2)) == ["03-28 20:00", "03-29 08:00"]


def test_interval_counts_from_its_anchor_in_both_directions():
    schedule = IntervalSchedule(3600, datetime(2030, 1, 1, 0, 20, tzinfo=UTC))
    assert shown(schedule.dates(GAP, 2)) == ["03-28 12:20", "03-28 13:20"]


def test_rule_time_in_the_spring_gap_moves_by_the_length_of_the_gap():
    schedule = RRuleSchedule("FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0", BERLIN)
    assert shown(schedule.dates(GAP, 2)) == ["03-29 01:30", "03-30 00:30"]


def test_rule_reads_its_zone_its_end_and_its_exceptions_from_the_text():
    text = (
        "DTSTART;TZID=America/New_York:20260310T090000\n"
        "RRULE:FREQ=DAILY;UNTIL=20260313T130000Z\nEXDATE:20260311T130000Z\nRDATE:20260401T120000"
    )
    dates = RRuleSchedule(text, BERLIN).dates(datetime(2026, 1, 1, tzinfo=UTC), 9)
    assert shown(dates) == ["03-10 13:00", "03-12 13:00", "03-13 13:00", "04-01 16:00"]


def test_rule_with_a_count_ends_after_it():
    text = "DTSTART:20260301T000000\nRRULE:FREQ=DAILY;COUNT=3"
    assert len(RRuleSchedule(text).dates(datetime(2020, 1, 1, tzinfo=UTC), 9)) == 3
    assert RRuleSchedule(text).next_date(datetime(2026, 3, 3, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("@daily", ["03-29 00:00", "03-30 00:00"]),
        ("0 0 * * 0", ["03-29 00:00", "04-05 00:00"]),
        ("0 0 * * 7", ["03-29 00:00", "04-05 00:00"]),
        ("0 0 * * SAT-MON", ["03-29 00:00", "03-30 00:00"]),
        ("0 22-2/2 * * *", ["03-28 22:00", "03-29 00:00"]),
        ("0 0 L feb,apr *", ["04-30 00:00", "02-28 00:00"]),
        ("0 0 * * 5#2", ["04-10 00:00", "05-08 00:00"]),
        ("0 0 * * L5", ["04-24 00:00", "05-29 00:00"]),
        ("0 0 * * FRIL", ["04-24 00:00", "05-29 00:00"]),
        ("0 0 1 * 3", ["04-01 00:00", "04-08 00:00"]),
        ("0 0 */10 * 3", ["03-31 00:00", "04-01 00:00"]),  # a stepped day is a restriction: either of the two
        ("0 0 */1 * 3", ["04-01 00:00", "04-08 00:00"]),
        ("0 12 * * * 30", ["03-28 12:00", "03-29 12:00"]),
    ],
)
def test_cron_dialect_of_the_standard(cron, expected):
    assert shown(CronSchedule(cron).dates(GAP, 2)) == expected


def test_sixth_field_of_a_cron_holds_the_seconds():
    assert [d.second for d in CronSchedule("* * * * * */20").dates(GAP, 4)] == [20, 40, 0, 20]


def test_day_and_weekday_must_both_match_when_asked():
    assert shown(CronSchedule("0 0 13 * 5", day_or=False).dates(GAP, 1)) == ["11-13 00:00"]


@pytest.mark.parametrize(
    ("value", "where", "text"),
    [
        ({"cron": "61 * * * *"}, "cron", "minute field: 61 is not between 0 and 59"),
        ({"cron": "* * * *"}, "cron", "4 fields"),
        ({"cron": "0 0 30 2 *"}, "cron", "never matches"),
        ({"cron": "H * * * *"}, "cron", "hashed"),
        ({"cron": "0 0 15W * *"}, "cron", "nearest weekday"),
        ({"cron": "0 0 1 1 * 0 2030"}, "cron", "7 fields"),
        ({"cron": "@every"}, "cron", "shorthand"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "timezone", "'Mars/Olympus'"),
        ({"cron": "* * * * *", "day_or": "yes"}, "day_or", "true or false"),
        ({"cron": "* * * * *", "zone": "UTC"}, "zone", "no such field"),
        ({"interval": 0}, "interval", "cannot be used as an interval"),
        ({"interval": float("nan")}, "interval", "cannot be used as an interval"),
        ({"interval": "often"}, "interval", "not a duration"),
        ({"interval": 60, "anchor_date": "soon"}, "anchor_date", "'soon'"),
        ({"rrule": "FREQ=SOMETIMES"}, "rrule", "SOMETIMES"),
        ({"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "never comes"),
        ({"rrule": "FREQ=DAILY;COUNT=1000000"}, "rrule", "UNTIL"),
        ({"rrule": "EXRULE:FREQ=DAILY"}, "rrule", "EXDATE"),
        ({"rrule": "FREQ=DAILY" + " " * 6500}, "rrule", "6,500"),
        ({"interval": 60, "cron": "* * * * *"}, "", "interval and cron"),
        ({}, "", "one of interval, cron, rrule"),
        ("* * * * *", "", "not an object"),
    ],
)
def test_bad_schedule_is_refused_with_its_place_and_reason(value, where, text):
    with pytest.raises(BadSchedule) as caught:
        schedule_from_json(value, "schedules[2]")
    assert caught.value.where == ("schedules[2]." + where if where else "schedules[2]")
    assert text in str(caught.value)


@pytest.mark.parametrize("interval", [5400, 5400.0, "5400", "PT1H30M", "P0DT5400S", timedelta(minutes=90)])
def test_interval_is_read_from_seconds_or_a_duration(interval):
    schedule = schedule_from_json({"interval": interval, "anchor_date": "2026-01-01 00:00:00+00:00"})
    assert schedule == IntervalSchedule(5400, datetime(2026, 1, 1, tzinfo=UTC))
    assert schedule.to_json() == {"interval": 5400.0, "anchor_date": "2026-01-01T00:00:00Z", "timezone": None}


def test_rule_without_a_zone_is_in_utc_and_says_so():
    assert schedule_from_json({"rrule": "FREQ=DAILY"}).to_json() == {"rrule": "FREQ=DAILY", "timezone": "UTC"}
