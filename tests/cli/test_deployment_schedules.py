"""`heliostat deployment schedule ...` against an API on a real socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat import get_client
from heliostat.runtime.foundation import settings

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

NAME = "etl/daily"
Schedule = Callable[..., Any]


@pytest.fixture
def schedule(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, heliostat: Any) -> Iterator[Schedule]:
    """`schedule("ls")` runs `heliostat deployment schedule ls etl/daily`; the deployment takes one number."""
    with serving(sqlite_url) as served:
        monkeypatch.setenv("HELIOSTAT_API_URL", served.url)
        settings.reload_settings()
        schema = {"type": "object", "properties": {"limit": {"type": "integer"}}}
        with get_client(sync_client=True) as client:
            flow_id = client.create_flow_from_name("etl")
            client.create_deployment(
                flow_id, "daily", parameter_openapi_schema=schema, enforce_parameter_schema=True
            )

        def run(verb: str, *words: str, deployment: str = NAME) -> Any:
            return heliostat("deployment", "schedule", verb, deployment, *words)

        yield run
        settings.forget_settings()


def listed() -> list[dict[str, Any]]:
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(NAME)
        return [each.to_json() for each in client.read_deployment_schedules(found.id)]


def rows(result: Any) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_schedule_is_made_shown_paused_resumed_and_deleted(schedule: Schedule) -> None:
    made = schedule("create", "--cron", "30 6 * * *", "--timezone", "Europe/Berlin", "--slug", "early")
    assert made.exit_code == 0 and "cron 30 6 * * * (Europe/Berlin)" in made.stderr
    early = made.stdout.strip()
    assert schedule("create", "--interval", "90m", "--param", "limit=3", "--inactive").exit_code == 0
    assert schedule("create", "--rrule", "FREQ=WEEKLY;BYDAY=MO").exit_code == 0
    shown = {row["id"]: row for row in rows(schedule("ls", "--output", "json"))}
    assert shown[early]["schedule"]["timezone"] == "Europe/Berlin" and shown[early]["slug"] == "early"
    assert [row["parameters"] for row in shown.values() if "interval" in row["schedule"]] == [{"limit": 3}]
    assert sorted(row["active"] for row in shown.values()) == [False, True, True]
    assert rows(schedule("inspect", "early", "--output", "json"))["id"] == early

    assert "is paused" in schedule("pause", "early").stderr
    assert not rows(schedule("inspect", early))["active"]
    assert "is active" in schedule("resume", early).stderr
    assert rows(schedule("inspect", early))["active"]
    times = rows(schedule("preview", "--count", "4", "--output", "json"))
    assert len(times) == 4 and not any("interval" in row["schedule"] for row in times)

    assert schedule("delete", "early", "--yes").exit_code == 0
    assert early not in {str(row["id"]) for row in listed()} and len(listed()) == 2
    replaced = schedule("create", "--interval", "1h", "--replace")
    assert [str(row["id"]) for row in listed()] == [replaced.stdout.strip()]
    assert schedule("clear", "--yes").exit_code == 0 and listed() == []
    assert schedule("ls").stderr.strip() == "No schedules."


MISTAKES: list[tuple[tuple[str, ...], int, str]] = [
    (("create", "--cron", "61 6 * * *"), 2, "61"),
    (("create", "--cron", "every morning"), 2, "every morning"),
    (("create", "--rrule", "FREQ=SOMETIMES"), 2, "FREQ"),
    (("create", "--rrule", "BYDAY=MO"), 2, "FREQ"),
    (("create", "--interval", "soon"), 2, "soon"),
    (("create", "--interval", "0"), 2, "interval"),
    (("create", "--cron", "0 6 * * *", "--timezone", "Europe/Atlantis"), 2, "Europe/Atlantis"),
    (("create", "--interval", "1h", "--anchor-date", "yesteryear"), 2, "yesteryear"),
    (("create", "--cron", "0 6 * * *", "--interval", "1h"), 2, "one of --cron"),
    (("create",), 2, "one of --cron"),
    (("create", "--cron", "0 6 * * *", "--param", "limit=many", "--replace"), 1, "limit"),
    (("create", "--cron", "0 6 * * *", "--param", "limit"), 2, "limit"),
    (("create", "--cron", "0 6 * * *", "--slug", "kept"), 1, "kept"),
    (("pause", "nosuch"), 3, "nosuch"),
    (("resume", "nosuch"), 3, "nosuch"),
    (("inspect", "nosuch"), 3, "nosuch"),
    (("delete", "nosuch", "--yes"), 3, "nosuch"),
    (("delete", "kept"), 2, "--yes"),
    (("clear",), 2, "--yes"),
]


def test_mistakes_are_answered_in_a_line_and_change_nothing(schedule: Schedule) -> None:
    assert schedule("create", "--cron", "0 7 * * *", "--slug", "kept").exit_code == 0
    before = listed()
    for words, code, told in MISTAKES:
        refused = schedule(*words)
        said = refused.stderr
        assert (refused.exit_code, refused.stdout) == (code, ""), (words, said)
        assert told in said and "Traceback" not in said, (words, said)
        assert listed() == before, words
    for verb in ("ls", "preview", "clear", "create"):
        more = {"clear": ["--yes"], "create": ["--cron", "0 6 * * *"]}.get(verb, [])
        unknown = schedule(verb, *more, deployment="etl/dayly")
        assert unknown.exit_code == 3 and "etl/dayly" in unknown.stderr, (verb, unknown.stderr)
    assert listed() == before
