"""What becomes of an author's words about a deployment, before a server hears of it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from heliostat import ConcurrencyLimit, CronSchedule, flow
from heliostat.runtime.client.records import DeploymentSchedule
from heliostat.runtime.deploying.timetable import timetable, with_known_anchors
from heliostat.runtime.foundation.errors import BadDeployment, BadSchedule, HeliostatError, ParameterMismatch
from heliostat.runtime.projects.entrypoints import load_flow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@flow(version="7", description="Moves things.")
def etl(day: str, limit: int = 3) -> int:
    return limit


def test_a_spec_says_what_the_author_said_and_where_the_code_is() -> None:
    spec = etl.to_deployment(
        "nightly",
        "gpu",
        cron="30 6 * * *",
        timezone="Europe/Berlin",
        parameters={"limit": 5},
        tags=["b", "a"],
        job_variables={"num_cpus": 2},
        concurrency_limit=ConcurrencyLimit(2, "CANCEL_NEW"),
        work_queue_name="urgent",
    )
    root = Path(__file__).parents[2]
    assert (spec.full_name, spec.project) == ("etl/nightly", root)
    assert spec.entrypoint == "tests/unit/test_deploying.py:etl"
    assert spec.schedules[0]["schedule"] == {
        "cron": "30 6 * * *",
        "timezone": "Europe/Berlin",
        "day_or": True,
    }
    fields = spec.fields
    assert fields["parameter_openapi_schema"]["required"] == ["day"]
    assert fields["concurrency_options"] == {"collision_strategy": "CANCEL_NEW"}
    told = {name: fields[name] for name in ("version", "description", "tags", "parameters", "work_pool_name")}
    assert told == {
        "version": "7",
        "description": "Moves things.",
        "tags": ["a", "b"],
        "parameters": {"limit": 5},
        "work_pool_name": "gpu",
    }


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"parameters": {"limit": "many"}}, ParameterMismatch),
        ({"parameters": {"limti": 1}}, ParameterMismatch),
        ({"cron": "61 * * * *"}, BadSchedule),
        ({"interval": -1}, BadSchedule),
        ({"schedules": [{"cron": "0 6 * * *", "actve": True}]}, BadSchedule),
        ({"schedules": ["0 6 * * *"]}, BadSchedule),
        ({"concurrency_limit": 0}, BadDeployment),
        ({"concurrency_limit": {"limit": 1, "collision_strategy": "WAIT"}}, BadDeployment),
        ({"concurrency_limit": {"slots": 1}}, BadDeployment),
        ({"colour": "red"}, BadDeployment),
        ({"project": "/usr"}, BadDeployment),
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_hint(
    options: Any, error: type[HeliostatError]
) -> None:
    with pytest.raises(error) as refused:
        etl.to_deployment("nightly", **options)
    assert refused.value.hint


@pytest.mark.parametrize("name", ["", "a/b", "a%"])
def test_a_name_that_the_api_could_not_call_is_refused(name: str) -> None:
    with pytest.raises(BadDeployment):
        etl.to_deployment(name)


def test_a_flow_that_no_other_process_could_load_is_refused() -> None:
    @flow
    def inner() -> None: ...

    with pytest.raises(BadDeployment, match="not at the top"):
        inner.to_deployment("x")
    namespace: dict[str, Any] = {"flow": flow}
    exec("@flow\ndef typed(): ...", namespace)  # as in a console
    with pytest.raises(BadDeployment, match="not in a file"):
        namespace["typed"].to_deployment("x")


def test_the_project_is_the_nearest_folder_with_a_mark_else_the_files_own(tmp_path: Path) -> None:
    file = tmp_path / "project" / "flows" / "daily.py"
    file.parent.mkdir(parents=True)
    file.write_text("from heliostat import flow\n\n@flow\ndef daily(): ...\n")
    own = load_flow(f"{file}:daily").to_deployment("x")
    assert (own.project, own.entrypoint) == (file.parent, "daily.py:daily")
    (tmp_path / "project" / "prefect.yaml").write_text("deployments: []\n")
    marked = load_flow(f"{file}:daily").to_deployment("x")
    assert (marked.project, marked.entrypoint) == (tmp_path / "project", "flows/daily.py:daily")


def test_a_script_in_the_home_folder_does_not_take_the_home_folder_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "home_script.py").write_text("from heliostat import flow\n\n@flow\ndef f(): ...\n")
    with pytest.raises(BadDeployment, match="as a project"):
        load_flow(f"{tmp_path}/home_script.py:f").to_deployment("x")


def test_a_flow_of_an_installed_package_needs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "someones_flows.py").write_text("from heliostat import flow\n\n@flow\ndef f(): ...\n")
    monkeypatch.syspath_prepend(str(installed))
    try:
        spec = load_flow("someones_flows:f").to_deployment("x")
    finally:
        sys.modules.pop("someones_flows", None)
    assert (spec.project, spec.entrypoint) == (None, "someones_flows:f")


def test_a_flow_from_a_source_is_fetched_from_there_for_each_run(tmp_path: Path) -> None:
    (tmp_path / "sourced.py").write_text("from heliostat import flow\n\n@flow\ndef f(): ...\n")
    spec = flow.from_source(tmp_path, "sourced.py:f").to_deployment("x")
    assert (spec.project, spec.entrypoint) == (None, "sourced.py:f")
    assert spec.pull_steps == (
        {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}},
    )
    with pytest.raises(BadDeployment):
        flow.from_source(tmp_path / "none", "sourced.py:f")


def test_schedules_are_taken_in_every_form() -> None:
    entries = timetable(
        cron=["0 6 * * *", "0 7 * * *"],
        interval=timedelta(hours=1),
        anchor_date=NOON,
        rrule="FREQ=DAILY",
        schedules=[
            CronSchedule("0 8 * * *"),
            {"cron": "0 9 * * *", "active": False, "slug": "nine"},
            {"schedule": {"interval": 60, "anchor_date": "2026-01-01T12:00:00Z"}, "parameters": {"n": 1}},
        ],
    )
    kinds = [next(iter(entry["schedule"])) for entry in entries]
    assert kinds == ["cron", "cron", "interval", "rrule", "cron", "cron", "interval"]
    assert entries[2]["schedule"]["anchor_date"] == "2026-01-01T12:00:00Z"
    assert (entries[5]["active"], entries[5]["slug"]) == (False, "nine")
    assert entries[6]["parameters"] == {"n": 1}


def test_an_interval_goes_on_counting_from_where_it_did() -> None:
    """Each deployment once gave its intervals a new beginning, which moved all their runs."""
    known = DeploymentSchedule.model_validate(
        {
            "id": "0198c6d2-7f3a-7c11-9d4e-0c1a5b6d7e8f",
            "schedule": {"interval": 3600.0, "anchor_date": "2026-01-01T12:00:00Z", "timezone": None},
        }
    )
    entries = timetable(interval=[3600, 60])
    hourly, new = with_known_anchors(entries, [known])
    assert hourly["schedule"]["anchor_date"] == "2026-01-01T12:00:00Z"
    assert "anchor_date" not in new["schedule"]
