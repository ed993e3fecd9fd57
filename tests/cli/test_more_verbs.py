"""Verbs and flags that people know from the stock client, beside those about things."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from heliostat.api.cli.worker_health import health_served
from heliostat.runtime.foundation import settings

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402
from waiting import wait_for  # noqa: E402

Run = Callable[..., Any]

FLOWS = """
from heliostat import flow

@flow(name="etl")
def load(day: str = "today"):
    return day

@flow
def clean_up():
    return 1
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    with serving(f"sqlite+aiosqlite:///{folder / 'served.db'}") as server:
        yield server.url


@pytest.fixture
def on_server(cli: Run, served: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HELIOSTAT_API_URL", served)
    settings.forget_settings()
    return cli


def read(cli: Run, *words: str) -> Any:
    return json.loads(cli(*words, "-o", "json").stdout)


def test_runs_are_chosen_by_the_name_of_a_state_or_by_its_type(cli: Run, recorded: Any) -> None:
    def ids(*words: str) -> list[str]:
        return [row["id"] for row in read(cli, "flow-runs", "ls", *words)]

    both = {str(recorded.good), str(recorded.bad)}
    assert ids("--state-type", "failed") == ids("--state", "FAILED") == ids("--state", "Failed")
    assert ids("--state", "Failed") == [str(recorded.bad)]
    assert set(ids("--state", "Failed", "--state", "completed")) == both
    assert set(ids("--flow-name", "etl", "--flow-name", "report")) == both
    assert ids("--state", "Late") == []
    assert [
        row["state_name"]
        for row in read(cli, "task-run", "ls", "--flow-run", "quiet-heron", "--state", "Cached")
    ]
    assert "is not a state" in cli("flow-run", "ls", "--state", "Loud", code=2).stderr
    assert "is not a type of state" in cli("flow-run", "ls", "--state-type", "Late", code=2).stderr


def test_logs_take_the_flags_of_the_stock_client(cli: Run, recorded: Any) -> None:
    def lines(*words: str) -> list[str]:
        return [row["message"] for row in read(cli, "flow-run", "logs", "quiet-heron", *words)]

    assert lines("-h", "-n", "1") == ["began"]
    assert lines("-t", "--num-logs", "1") == ["ended"]
    assert lines("--tail", "2", "-r") == ["ended", "went wrong"]
    assert "--head or --tail" in cli("flow-run", "logs", "quiet-heron", "-n", "1", code=2).stderr


def test_a_run_is_named_by_the_address_of_its_page(cli: Run, recorded: Any) -> None:
    address = f"http://127.0.0.1:4200/runs/{recorded.good}?tab=logs"
    assert read(cli, "flow-run", "inspect", address)["name"] == "quiet-heron"
    assert read(cli, "flow-run", "inspect", f"https://x/runs/flow-run/{recorded.bad}")["name"] == "loud-crow"


def test_slots_and_coming_runs_of_pools_and_queues_are_shown(on_server: Run) -> None:
    on_server("work-pool", "create", "gpu", "--type", "process", "--concurrency-limit", "2")
    slots = read(on_server, "work-pool", "slots", "gpu")
    assert (slots["active_slots"], slots["concurrency_limit"]) == (0, 2)
    on_server("work-queue", "create", "urgent", "--pool", "gpu", "--priority", "1")
    assert read(on_server, "work-queue", "slots", "urgent", "--pool", "gpu")["flow_runs"] == []
    assert read(on_server, "work-queue", "preview", "urgent", "-p", "gpu", "-h", "3") == []
    assert read(on_server, "work-queue", "read-runs", "urgent", "-p", "gpu") == []
    named = read(on_server, "work-queues", "ls", "-p", "gpu", "--match", "urg")
    assert [row["name"] for row in named] == ["urgent"]
    assert read(on_server, "work-pool", "storage", "inspect", "gpu")["bundle_upload_step"] is None
    assert "did you mean 'gpu'?" in on_server("work-pool", "slots", "gpv", code=3).stderr
    on_server("work-pool", "ls", "--verbose")
    on_server("work-pool", "delete", "gpu", "--yes")


def test_the_block_of_results_is_set_shown_and_cleared(on_server: Run) -> None:
    on_server("block", "create", "local-file-system", "--name", "results", "-f", "basepath=/tmp/results")
    on_server("result-storage", "set", "local-file-system/results")
    assert (
        read(on_server, "experimental", "result-storage", "inspect")["block"] == "local-file-system/results"
    )
    on_server("block", "create", "secret", "--name", "none", "-f", "value=x")
    on_server("result-storage", "set", "secret/none", code=2)  # it cannot store results
    on_server("result-storage", "clear", "--yes")
    assert read(on_server, "result-storage", "inspect")["block"] is None
    on_server("block", "delete", "local-file-system/results", "secret/none", "--yes")


def test_init_finds_the_flows_of_a_folder_without_running_them(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "etl.py").write_text(FLOWS + "\nraise SystemExit('it was executed')\n")
    (tmp_path / "broken.py").write_text("def (")
    cli("init")
    written = yaml.safe_load((tmp_path / "heliostat.yaml").read_text())
    assert [each["entrypoint"] for each in written["deployments"]] == [
        "jobs/etl.py:load",
        "jobs/etl.py:clean_up",
    ]
    assert [each["name"] for each in written["deployments"]] == ["etl-default", "clean-up-default"]
    assert "already" in cli("init", code=2).stderr
    assert "--field repository" in cli("init", "--recipe", "git", "--overwrite", code=2).stderr
    assert "no field 'url'" in cli("init", "--recipe", "git", "-f", "url=x", "--overwrite", code=2).stderr
    cli("init", "--recipe", "git", "--field", "repository=https://example.com/x.git", "--overwrite")
    written = yaml.safe_load((tmp_path / "heliostat.yaml").read_text())
    assert (
        written["pull"][0]["prefect.deployments.steps.git_clone"]["repository"] == "https://example.com/x.git"
    )


def test_what_init_writes_can_be_deployed(
    on_server: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows_of_init.py").write_text(FLOWS)
    on_server("init")
    on_server("deploy", "--all")
    names = {row["full_name"] for row in read(on_server, "deployments", "ls", "etl", "--by-created")}
    assert names == {"etl/etl-default"}
    made = read(on_server, "deployment", "inspect", "etl/etl-default")["id"]
    run = read(on_server, "deployment", "run", "--id", made, "--flow-run-name", "by-id")
    assert run["name"] == "by-id"
    on_server("deployment", "run", code=2)
    on_server(
        "deployment",
        "schedule",
        "create",
        "etl/etl-default",
        "--cron",
        "0 6 1 * 1",
        "--no-day_or",
        "--no-active",
    )
    [schedule] = read(on_server, "deployment", "schedule", "ls", "etl/etl-default")
    assert (schedule["active"], schedule["schedule"]["day_or"]) == (False, False)
    on_server("deployment", "schedule", "resume", "--all")
    assert read(on_server, "deployment", "schedule", "ls", "etl/etl-default")[0]["active"] is True
    on_server("deployment", "schedule", "pause", "etl/etl-default", "--all")
    assert read(on_server, "deployment", "schedule", "ls", "etl/etl-default")[0]["active"] is False
    on_server("deployment", "schedule", "pause", code=2)
    on_server("deployment", "delete", "--all", "--dry-run")
    on_server("deployment", "delete", "--all", "--accept-yes")
    assert read(on_server, "deployment", "ls") == []


def test_services_run_without_a_server_once_and_are_stopped(cli: Run, heliostat_home: Path) -> None:
    cli("server", "services", "stop", code=3)
    cli("server", "services", "start", "--background")
    try:
        assert "already" in cli("server", "services", "start", "-b", code=7).stderr
        assert "already" in cli("server", "services", "start", code=7).stderr
        wait_for(lambda: all(row["running"] for row in read(cli, "server", "services", "list")))
    finally:
        cli("server", "services", "disable")
    assert not any(row["running"] for row in read(cli, "server", "services", "ls"))


def test_versions_that_a_deployment_ran_and_what_its_parameters_must_fit(
    on_server: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "versioned_flows.py").write_text(FLOWS)
    words = ("deploy", "versioned_flows.py:load", "--name", "loose", "--version", "v1")
    on_server(*words, "--no-enforce-parameter-schema")
    assert read(on_server, "deployment", "inspect", "etl/loose")["enforce_parameter_schema"] is False
    on_server(*words, "--enforce-parameter-schema")
    assert read(on_server, "deployment", "inspect", "etl/loose")["enforce_parameter_schema"] is True
    assert read(on_server, "deployment", "versions", "etl/loose") == []
    run = read(on_server, "deployment", "run", "etl/loose")["id"]
    for state in ("PENDING", "RUNNING"):
        body = json.dumps({"state": {"type": state}})
        on_server("api", "POST", f"/flow_runs/{run}/set_state", "-d", body)
    [ran] = read(on_server, "deployment", "versions", "etl/loose")
    assert (ran["version"], ran["runs"], ran["failed"]) == ("v1", 1, 0)
    on_server("deployment", "delete", "etl/loose", "--yes")


def test_a_worker_makes_its_pool_with_the_template_of_a_file(on_server: Run, tmp_path: Path) -> None:
    template = json.loads(on_server("work-pool", "get-default-base-job-template", "-t", "process").stdout)
    template["variables"]["properties"]["env"]["default"] = {"MINE": "1"}
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template))
    words = ("worker", "start", "--pool", "of-a-worker", "--run-once")
    on_server(*words, "--base-job-template", str(file))
    made = read(on_server, "work-pool", "inspect", "of-a-worker")["base_job_template"]
    assert made["variables"]["properties"]["env"]["default"] == {"MINE": "1"}
    file.write_text("[")
    on_server(*words, "--base-job-template", str(file), code=2)
    on_server("work-pool", "delete", "of-a-worker", "--yes")


@pytest.mark.parametrize(
    ("path", "since_poll_s", "status"),
    [("/health", 1.0, 200), ("/health?x=1", None, 503), ("/health", 31.0, 503), ("/other", 1.0, 404)],
)
async def test_a_worker_tells_whether_it_polls(path: str, since_poll_s: float | None, status: int) -> None:
    async with health_served("127.0.0.1", 0, lambda: since_poll_s, 30.0) as port, httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}{path}")
    assert answer.status_code == status
    assert answer.json()["message"]


def test_a_worker_whose_port_of_health_is_taken_says_so(on_server: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = ("--health-host", "127.0.0.1", "--health-port", str(taken.getsockname()[1]))
        refused = on_server("worker", "start", "--pool", "p", "--with-healthcheck", *place, code=7)
    assert "--health-port" in refused.stderr


def test_a_backfill_makes_one_run_for_each_time_that_has_passed(
    on_server: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows_to_backfill.py").write_text(FLOWS)
    on_server(
        "deploy", "flows_to_backfill.py:load", "--name", "daily", "--cron", "0 6 * * *", "--timezone", "UTC"
    )
    words = (
        "deployment",
        "backfill",
        "etl/daily",
        "--from",
        "2026-01-01T00:00Z",
        "--to",
        "2026-01-04T06:00Z",
    )
    times = [f"2026-01-0{day}T06:00:00+00:00" for day in (1, 2, 3)]
    assert [row["time"] for row in read(on_server, *words, "--dry-run")] == times
    on_server(*words, code=2)  # nobody to ask
    made = read(on_server, *words, "--time-parameter", "day", "--yes")
    assert [row["time"] for row in made] == times
    run = read(on_server, "flow-run", "inspect", made[0]["id"])
    assert (run["parameters"], run["tags"]) == ({"day": times[0]}, ["backfill"])
    again = read(on_server, *words, "--yes")
    assert [row["id"] for row in again] == [row["id"] for row in made]  # none is made twice
    assert "more than 2 times" in on_server(*words, "--max", "2", "--yes", code=2).stderr
    on_server(*words, "--time-parameter", "dya", "--yes", code=2)
    on_server(
        "deployment", "backfill", "etl/daily", "--from", "2026-01-02", "--to", "2026-01-01", "--yes", code=2
    )
    hourly = read(
        on_server,
        *words[:3],
        "--from",
        "2026-01-01T00:00Z",
        "--to",
        "2026-01-01T03:00Z",
        "--interval",
        "1h",
        "--dry-run",
    )
    assert len(hourly) == 3
    on_server("deployment", "delete", "etl/daily", "--yes")


def test_a_shell_command_is_a_run_with_its_output_in_the_log(cli: Run) -> None:
    done = cli(
        "shell", "watch", "echo one; echo two", "--flow-name", "echoes", "--tag", "t", "--flow-run-name", "n"
    )
    assert "one\ntwo\n" in done.stdout
    [run] = read(cli, "flow-run", "ls", "--flow", "echoes")
    assert (run["name"], run["state_name"], run["tags"]) == ("n", "Completed", ["t"])
    messages = [row["message"] for row in read(cli, "flow-run", "logs", run["id"])]
    assert {"one", "two"} <= set(messages)


def test_a_shell_command_that_fails_fails_its_run(cli: Run) -> None:
    failed = cli("shell", "watch", "echo gone wrong; exit 3", "--no-stream-stdout", code=1)
    assert "exit code 3" in failed.stderr
    assert "gone wrong" not in failed.stdout
    [run] = read(cli, "flow-run", "ls", "--flow", "Shell Command")
    assert run["state_name"] == "Failed"


def test_profiles_of_the_stock_client_are_taken_over(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(
        'active = "prod"\n[profiles.prod]\nPREFECT_API_URL = "https://example.com/api"\n'
        'PREFECT_API_AUTH_STRING = "me:hidden-word"\nPREFECT_RESULTS_PERSIST_BY_DEFAULT = "true"\n'
    )
    shown = cli("profile", "import-prefect", "--file", str(file), "--dry-run")
    assert "left out" in shown.stdout and "hidden-word" not in shown.stdout
    assert [row["name"] for row in read(cli, "profile", "ls")] == ["default"]
    cli("profile", "import-prefect", "--file", str(file))
    assert read(cli, "profile", "inspect", "prod")["HELIOSTAT_API_URL"] == "https://example.com/api"
    cli("profile", "import-prefect", "prod", "--file", str(file), code=2)
    cli("profile", "import-prefect", "prod", "--file", str(file), "--as", "prod-2")
    cli("profile", "import-prefect", "nowhere", "--file", str(file), code=3)
    view = read(cli, "--profile", "prod", "config", "view", "api_url")
    assert view == read(cli, "config", "view", "api_url", "--profile", "prod-2")
    assert view == {"HELIOSTAT_API_URL": "https://example.com/api"}
    cli("config", "view", "--profile", "nowhere", code=3)
    assert read(cli, "config", "view", "api_url") == {"HELIOSTAT_API_URL": ""}  # for one command only
    cli("profile", "populate-defaults")
    assert {"ephemeral", "local"} <= {row["name"] for row in read(cli, "profiles", "ls")}


def test_a_bad_setting_of_any_profile_is_found(cli: Run, heliostat_home: Path) -> None:
    cli("config", "validate")
    (heliostat_home / "profiles.toml").write_text('[profiles.odd]\nHELIOSTAT_LEASE_S = "soon"\n')
    settings.forget_settings()
    found = cli("config", "validate", code=2)
    assert "HELIOSTAT_LEASE_S" in found.stdout and "odd" in found.stdout
    assert cli("config", "view", "--hide-defaults", "-o", "none").stdout == ""


def test_the_schema_that_the_database_says_it_has_is_changed_by_hand(cli: Run, recorded: Any) -> None:
    assert "0003" in cli("server", "database", "stamp", "0003", "--dry-run").stderr
    assert "it has schema 0003" in cli("server", "database", "stamp", "0003", "--yes").stderr
    assert "it says 0003" in cli("server", "database", "stamp", "head", "--dry-run").stderr
    cli("server", "database", "stamp", "head", "--yes")
    assert len(read(cli, "flow-run", "ls")) == 2  # nothing but the number was changed
    cli("server", "database", "stamp", "9999", "--yes", code=3)
