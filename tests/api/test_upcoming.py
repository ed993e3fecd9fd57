"""What schedules come to, what is going to start, and what would become of a run, told before it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Client

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "enum": ["eu", "us"], "default": "eu"},
        "most": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "day": {"type": "string"},
    },
    "required": ["day"],
}


async def asked(api: Client, path: str, **body: Any) -> Any:
    answer = await api.post(f"/heliostat/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def hourly(**fields: Any) -> dict[str, Any]:
    return {"schedule": {"cron": "0 * * * *", "timezone": "UTC"}, **fields}


def daily(**fields: Any) -> dict[str, Any]:
    return {"schedule": {"cron": "30 6 * * *", "timezone": "UTC"}, **fields}


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


async def test_a_preview_tells_dates_the_week_and_what_clock_changes_do(api: Client) -> None:
    schedule = {"cron": "30 2 * * 1-5", "timezone": "Europe/Berlin"}
    found = await asked(api, "schedules/preview", schedule=schedule, count=3)
    assert found["problem"] is None and found["zone"] == "Europe/Berlin"
    assert len(found["dates"]) == 3 and found["next_day"] == found["dates"][1]
    assert found["a_week"] == 5
    assert [sum(day) for day in found["hours"]] == [1, 1, 1, 1, 1, 0, 0]
    assert all(day[2] == sum(day) for day in found["hours"])
    assert sorted(each["shift_s"] for each in found["clock_changes"]) == [-3600, 3600]
    assert all(each["next_date"] >= each["at"] for each in found["clock_changes"])


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 * * * *", "timezone": "Europe/Atlantis"}, "timezone"),
        ({"interval": "soon"}, "interval"),
        ({"rrule": "FREQ=NEVER"}, "rrule"),
        ({}, ""),
    ],
)
async def test_a_schedule_that_cannot_be_read_is_told_by_its_field(
    api: Client, schedule: dict[str, Any], field: str
) -> None:
    problem = (await asked(api, "schedules/preview", schedule=schedule))["problem"]
    assert problem["field"] == field
    assert problem["text"] and not problem["text"].startswith(("schedule", ":"))


async def test_dates_are_told_one_by_one_and_as_bands_where_they_are_many(api: Client) -> None:
    few = await api.deployment("few", schedules=[daily()])
    many = await api.deployment("many", schedules=[hourly(slug="hourly")])
    await api.deployment("paused", paused=True, schedules=[hourly()])
    found = await asked(api, "upcoming", start=tomorrow(), days=2, zone="UTC")
    assert found["days"] == [25, 25]
    assert {each["deployment_id"] for each in found["planned"]} == {few["id"]}
    assert [(each["day"], each["count"]) for each in found["bands"]] == [(0, 24), (1, 24)]
    assert {each["deployment_id"] for each in found["bands"]} == {many["id"]}
    names = {each["name"]: each["paused"] for each in found["deployments"]}
    assert names == {"few": False, "many": False, "paused": True}
    assert found["next"] == sorted(found["next"], key=lambda each: each["at"])
    of_one = await asked(api, "upcoming", start=tomorrow(), deployment_id=few["id"], next_count=3)
    assert len(of_one["next"]) == 3 and of_one["bands"] == []


async def test_a_pool_can_be_looked_at_alone(api: Client) -> None:
    await api.pool("yard")
    here = await api.deployment("here", schedules=[daily()], work_pool_name="yard")
    await api.deployment("elsewhere", schedules=[daily()])
    found = await asked(api, "upcoming", start=tomorrow(), days=1, pool="yard")
    assert [each["deployment_id"] for each in found["planned"]] == [here["id"]]
    [told] = found["deployments"]
    assert (told["pool"], told["queue"]) == ("yard", "default")


async def test_a_date_that_is_skipped_stays_in_sight_and_can_be_put_back(api: Client) -> None:
    await api.deployment("few", schedules=[daily()])
    [date] = (await asked(api, "upcoming", start=tomorrow(), days=1))["planned"]
    assert date["run_id"] is None
    made = await asked(api, "upcoming/run", schedule_id=date["schedule_id"], at=date["at"])
    run = {"id": made["flow_run_id"]}
    assert await asked(api, "upcoming/run", schedule_id=date["schedule_id"], at=date["at"]) == made

    await api.propose(run, "CANCELLED", name="Skipped")
    later = await asked(api, "upcoming", start=tomorrow(), days=1, next_count=41)
    [skipped] = later["planned"]
    assert (skipped["run_id"], skipped["skipped"]) == (run["id"], True)
    assert later["days"] == [0]

    back = await api.propose(run, "SCHEDULED", state_details={"scheduled_time": date["at"]}, force=True)
    assert back.json()["status"] == "ACCEPT"
    again = await asked(api, "upcoming", start=tomorrow(), days=1, next_count=42)
    assert [(each["run_id"], each["skipped"]) for each in again["planned"]] == [(run["id"], False)]


async def test_a_date_that_was_moved_is_told_at_its_new_time_only(api: Client) -> None:
    await api.deployment("few", schedules=[daily()])
    [date] = (await asked(api, "upcoming", start=tomorrow(), days=1))["planned"]
    made = await asked(api, "upcoming/run", schedule_id=date["schedule_id"], at=date["at"])
    new = (datetime.fromisoformat(date["at"]) + timedelta(hours=3)).isoformat()
    await api.propose({"id": made["flow_run_id"]}, "SCHEDULED", state_details={"scheduled_time": new})
    [moved] = (await asked(api, "upcoming", start=tomorrow(), days=1, next_count=41))["planned"]
    assert datetime.fromisoformat(moved["at"]) == datetime.fromisoformat(new)
    assert (moved["run_id"], moved["slot_at"]) == (made["flow_run_id"], date["at"])


async def test_only_a_date_of_a_schedule_becomes_a_run(api: Client) -> None:
    deployment = await api.deployment("few", schedules=[daily()])
    [schedule] = deployment["schedules"]
    wrong = {"schedule_id": schedule["id"], "at": f"{tomorrow()}T06:31:00Z"}
    assert (await api.post("/heliostat/upcoming/run", json=wrong)).status_code == 404
    await api.post(f"/deployments/{deployment['id']}/pause_deployment")
    paused = {"schedule_id": schedule["id"], "at": f"{tomorrow()}T06:30:00Z"}
    answer = await api.post("/heliostat/upcoming/run", json=paused)
    assert answer.status_code == 404 and "paused" in answer.json()["detail"]


@pytest.mark.parametrize("fault", [{"zone": "Nowhere"}, {"days": 43}, {"start": "9999-12-31"}, {}])
async def test_days_that_make_no_sense_are_refused(api: Client, fault: dict[str, Any]) -> None:
    body = {"start": tomorrow(), **fault} if fault else {}
    assert (await api.post("/heliostat/upcoming", json=body)).status_code == 422


async def test_a_run_is_checked_field_by_field_and_none_is_made(api: Client) -> None:
    deployment = await api.deployment(parameter_openapi_schema=SCHEMA)
    path = f"deployments/{deployment['id']}/check_run"
    given = {"region": "mars", "most": "2.400"}
    found = await asked(api, path, parameters=given, work_queue_name="bulk")
    told = {".".join(map(str, each["path"])): each["text"] for each in found["problems"]}
    assert set(told) == {"parameters.region", "parameters.most", "parameters.day", "work_queue_name"}
    assert told["parameters.most"] == "'2.400' is not of type 'integer'"
    assert told["parameters.day"] == "A value is required."
    assert (await asked(api, path, parameters={"day": "monday"}))["problems"] == []
    assert (await asked(api, path, tags=3))["problems"][0]["path"] == ["tags"]
    assert (await api.post("/flow_runs/count")).json() == 0


async def test_job_variables_of_a_run_are_checked_by_the_template_of_its_pool(api: Client) -> None:
    await api.pool("yard")
    deployment = await api.deployment(work_pool_name="yard")
    path = f"deployments/{deployment['id']}/check_run"
    [problem] = (await asked(api, path, job_variables={"working_dir": 3}))["problems"]
    assert problem["path"][:2] == ["job_variables", "working_dir"]


async def test_the_outlook_of_a_run_names_its_queue_what_it_waits_for_and_its_key(api: Client) -> None:
    await api.pool("yard")
    deployment = await api.deployment(work_pool_name="yard", concurrency_limit=1)
    path = f"deployments/{deployment['id']}/check_run"
    first = (await asked(api, path))["outlook"]
    assert (first["queue"]["pool"], first["queue"]["ahead"], first["usual"]) == ("yard", 0, None)
    run = await api.run_of(deployment, idempotency_key="once")
    assert (await asked(api, path))["outlook"]["queue"]["ahead"] == 1
    await api.propose(run, "PENDING")
    await api.propose(run, "RUNNING")
    found = (await asked(api, path, idempotency_key="once"))["outlook"]
    assert found["same_key"] == {"id": run["id"], "name": run["name"]}
    assert [each["name"] for each in found["at_work"]] == [run["name"]]
    assert "deployment-limit" in {each["code"] for each in found["reasons"]}
    await api.propose(run, "COMPLETED")
    assert (await asked(api, path))["outlook"]["usual"]["runs"] == 1


async def test_recent_runs_are_told_oldest_first_with_the_next_one(api: Client) -> None:
    deployment = await api.deployment()
    names: list[str] = []
    for state in ("COMPLETED", "FAILED"):
        run = await api.run_of(deployment)
        names.append(run["name"])
        await api.propose(run, "PENDING")
        await api.propose(run, "RUNNING")
        await api.propose(run, state)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    ahead = await api.run_of(
        deployment, state={"type": "SCHEDULED", "state_details": {"scheduled_time": later}}
    )
    owner, flow = deployment["id"], deployment["flow_id"]
    found = await asked(api, "recent_runs", deployment_ids=[owner], flow_ids=[flow], limit=5)
    for each in (found[owner], found[flow]):
        assert [run["name"] for run in each["runs"]] == names
        assert [run["state_type"] for run in each["runs"]] == ["COMPLETED", "FAILED"]
        assert each["next_run_id"] == ahead["id"]
    assert (await api.get(f"/heliostat/flows/{flow}/tasks")).json() == []
