"""The verbs that ask a server, against an API on a real socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from heliostat import get_client, run_deployment
from heliostat.runtime.foundation import settings
from heliostat.runtime.projects.entrypoints import load_flow
from heliostat.runtime.states import Completed, Failed, Running

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

FLOW = """
from heliostat import flow

@flow
def etl(day: str, limit: int = 3) -> int:
    return limit
"""


@pytest.fixture
def server(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an API, which is set for commands and clients."""
    with serving(sqlite_url) as served:
        monkeypatch.setenv("HELIOSTAT_API_URL", served.url)
        settings.reload_settings()
        yield served.url
        settings.forget_settings()


@pytest.fixture
def deployed(server: str, tmp_path: Path) -> Callable[..., UUID]:
    """Deploy the flow `etl` as etl/daily, with more options."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "etl_flow.py").write_text(FLOW)
    etl = load_flow(f"{folder / 'etl_flow.py'}:etl")
    return lambda **options: etl.deploy("daily", **options)


def rows(result: Any) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_flow_is_deployed_with_its_code_and_again_without_any_change(
    deployed: Callable[..., UUID], tmp_path: Path
) -> None:
    first = deployed(interval=3600, parameters={"limit": 5}, tags=["x"])
    with get_client(sync_client=True) as client:
        made = client.read_deployment(first)
        assert (made.work_pool_name, made.entrypoint) == ("default", "etl_flow.py:etl")
        [step] = made.pull_steps or []
        assert client.has_code_package(step["heliostat.code_package"]["revision"])
        assert deployed(interval=3600, parameters={"limit": 5}, tags=["x"]) == first
        assert client.read_deployment(first).updated == made.updated
        assert client.read_deployment(first).schedules == made.schedules
        (tmp_path / "project" / "more.py").write_text("x = 1\n")
        assert deployed(interval=3600, parameters={"limit": 6}) == first
        changed = client.read_deployment(first)
    assert changed.parameters == {"limit": 6}
    assert changed.pull_steps != made.pull_steps


def test_an_unknown_pool_stops_a_deployment_before_anything_is_sent(
    deployed: Callable[..., UUID], heliostat: Any
) -> None:
    from heliostat.runtime.foundation.errors import NotFound

    with pytest.raises(NotFound, match="no work pool 'gpu'"):
        deployed(work_pool_name="gpu")
    assert rows(heliostat("flow", "ls", "-o", "json")) == []


def test_a_deployment_is_listed_run_paused_and_deleted(deployed: Callable[..., UUID], heliostat: Any) -> None:
    deployed(cron="30 6 * * *", description="Moves things.")
    assert "etl/daily" in heliostat("deployment", "ls").stdout
    shown = heliostat("deployment", "inspect", "daily").stdout
    assert "Moves things." in shown
    assert "day*: string" in shown
    run = rows(heliostat("deployment", "run", "etl/daily", "-p", "day=2026", "-p", "limit=4", "-o", "json"))
    assert run["parameters"] == {"day": "2026", "limit": 4}  # text where text is asked for
    assert rows(heliostat("flow-run", "ls", "-o", "json"))[0]["flow_name"] == "etl"
    later = rows(
        heliostat("deployment", "run", "daily", "-p", "day=x", "--start-in", "2h", "--tag", "t", "-o", "json")
    )
    assert later["state_name"] == "Scheduled"
    assert later["next_scheduled_start_time"] > run["next_scheduled_start_time"]
    heliostat("deployment", "pause", "etl/daily")
    assert rows(heliostat("deployment", "inspect", "daily", "-o", "json"))["paused"] is True
    heliostat("deployment", "resume", "etl/daily")
    assert rows(heliostat("deployment", "inspect", "daily", "-o", "json"))["paused"] is False
    assert heliostat("deployment", "delete", "etl/daily", "--yes").exit_code == 0
    gone = heliostat("deployment", "inspect", "etl/daily")
    assert gone.exit_code == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("deployment", "run", "etl/dialy"), 3, "did you mean 'etl/daily'"),
        (("deployment", "run", "etl/daily", "-p", "day"), 2, "NAME=VALUE"),
        (("deployment", "run", "etl/daily"), 2, "day"),
        (("deployment", "run", "etl/daily", "-p", "day=x", "--start-in", "soon"), 2, "not a duration"),
        (("deployment", "run", "etl/daily", "-p", "day=x", "-jv", "num_cpu=1"), 2, "num_cpu"),
        (("work-pool", "inspect", "defualt"), 3, "did you mean 'default'"),
        (("work-pool", "create", "x", "--type", "rey"), 3, "did you mean ray"),
        (("work-pool", "create", "default"), 1, "default"),
        (("work-queue", "inspect", "defalt"), 3, "did you mean 'default'"),
        (("worker", "ls", "--pool", "none"), 3, "no work pool"),
        (("flow-run", "inspect", "none"), 3, "none"),
        (("flow-run", "cancel", "none"), 3, "none"),
        (("api", "GET", "/nothing"), 3, "Not Found"),
    ],
)
def test_mistakes_are_answered_with_what_to_do(
    deployed: Callable[..., UUID], heliostat: Any, words: tuple[str, ...], code: int, said: str
) -> None:
    deployed()
    refused = heliostat(*words)
    assert refused.exit_code == code, refused.stderr
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert rows(heliostat("flow-run", "ls", "-o", "json")) == []


def test_a_server_that_is_not_there_is_exit_code_7(heliostat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    away = heliostat("deployment", "ls")
    assert away.exit_code == 7
    assert "heliostat server start" in away.stderr
    monkeypatch.setenv("HELIOSTAT_API_URL", "http://127.0.0.1:1/api")
    wrong = heliostat("flow-run", "ls")
    assert wrong.exit_code == 7
    assert "HELIOSTAT_API_URL" in wrong.stderr


def test_pools_and_queues_are_made_changed_and_deleted(server: str, heliostat: Any) -> None:
    made = heliostat("work-pool", "create", "laptops", "--type", "process", "--concurrency-limit", "2")
    assert "heliostat worker start --pool" in made.stderr
    heliostat("work-pool", "set-concurrency-limit", "laptops", "5")
    heliostat("work-queue", "create", "urgent", "--pool", "laptops", "--priority", "1", "--limit", "1")
    found = rows(heliostat("work-pool", "inspect", "laptops", "-o", "json"))
    assert found["concurrency_limit"] == 5
    assert found["base_job_template"]["job_configuration"]
    assert {queue["name"]: queue["priority"] for queue in found["queues"]} == {"urgent": 1, "default": 2}
    assert heliostat("work-pool", "pause", "laptops").exit_code == 0
    assert heliostat("work-queue", "pause", "urgent", "-p", "laptops").exit_code == 0
    assert rows(heliostat("work-queue", "inspect", "urgent", "-p", "laptops", "-o", "json"))["is_paused"]
    assert heliostat("work-pool", "inspect", "laptops").exit_code == 0
    assert heliostat("work-queue", "delete", "urgent", "-p", "laptops", "-y").exit_code == 0
    assert heliostat("work-pool", "clear-concurrency-limit", "laptops").exit_code == 0
    assert heliostat("work-pool", "delete", "laptops", "--yes").exit_code == 0
    assert [each["name"] for each in rows(heliostat("work-pool", "ls", "-o", "json"))] == ["default"]


def test_a_run_is_moved_watched_and_its_log_read(deployed: Callable[..., UUID], heliostat: Any) -> None:
    deployed()
    run = rows(heliostat("deployment", "run", "daily", "-p", "day=x", "-o", "json"))
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run["id"], Running(), force=True)
        line = {"name": "x", "level": 20, "message": "half way", "timestamp": "2026-01-01T00:00:00Z"}
        client.request("POST", "/logs/", [{**line, "flow_run_id": run["id"]}])
        assert heliostat("flow-run", "watch", "@last", "--timeout", "0").exit_code == 1
        client.set_flow_run_state(run["id"], Completed("well done", data=None), force=True)
    watched = heliostat("flow-run", "watch", "@last")
    assert (watched.exit_code, "well done" in watched.stderr) == (0, True)
    assert "half way" in watched.stdout
    assert "half way" in heliostat("flow-run", "logs", "@last", "-f").stdout
    logged = rows(heliostat("flow-run", "logs", run["name"], "--tail", "1", "-o", "json"))
    assert [row["message"] for row in logged] == ["half way"]
    shown = rows(heliostat("flow-run", "inspect", run["id"][:8], "-o", "json"))
    assert [state["name"] for state in shown["states"]][-2:] == ["Running", "Completed"]
    assert heliostat("flow-run", "inspect", "@last").exit_code == 0
    refused = heliostat("flow-run", "cancel", "@last")
    assert (refused.exit_code, "ABORT" in refused.stderr) == (2, True)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run["id"], Failed("no"), force=True)
    assert heliostat("flow-run", "watch", "@last").exit_code == 1
    assert heliostat("flow-run", "retry", "@last").exit_code == 0
    assert heliostat("flow-run", "cancel", "@last").exit_code == 0
    assert heliostat("flow-run", "delete", "@last", "--yes").exit_code == 0
    assert rows(heliostat("flow-run", "ls", "-o", "json")) == []


READING = (
    "flow ls -o json",
    "flow-run ls",
    "flow-run ls --state completed --limit 1",
    "flow-run ls --flow report --name crow",
    "flow-run inspect quiet-heron",
    "flow-run explain loud-crow",
    "flow-run logs quiet-heron",
    "flow-run logs quiet-heron --head 3 --reverse --level info",
    "flow-run logs quiet-heron --tail 2",
    "flow-run logs loud-crow",
    "flow-run delete quiet-heron loud-crow quiet-heron --dry-run",
    "task-run ls --flow-run quiet-heron --state failed",
    "task-run inspect clean-1 --flow-run quiet-heron",
    "task-run logs clean-1 --flow-run quiet-heron",
    "task-run logs clean-7 --flow-run quiet-heron",
    "flow-run inspect nobody",
    "task-run inspect nothing --flow-run quiet-heron",
)


def test_what_a_server_shows_is_what_this_machines_database_shows(
    recorded: Any, heliostat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading commands existed twice, one for each place that keeps runs, and drifted apart: what a person
    was told of a run hung on whether an address was set. One command asks either place; what it says of a
    run that is not there has its hint from either.
    """

    def shown() -> dict[str, tuple[int, str, str]]:
        results = {words: heliostat(*words.split()) for words in READING}
        return {words: (each.exit_code, each.stdout, each.stderr) for words, each in results.items()}

    here = shown()
    assert here["flow-run inspect nobody"][0] == 3 and "went wrong" in here["flow-run logs quiet-heron"][1]
    with serving(settings.reload_settings().database_url) as served:
        monkeypatch.setenv("HELIOSTAT_API_URL", served.url)
        assert shown() == here
    settings.forget_settings()


def test_run_deployment_gives_the_run_and_waits_no_longer_than_asked(deployed: Callable[..., UUID]) -> None:
    deployed()
    run = run_deployment("etl/daily", parameters={"day": "x"}, timeout=0, tags=["a"])
    assert run.state is not None
    assert run.state.is_scheduled()
    again = run_deployment("etl/daily", parameters={"day": "x"}, timeout=0, idempotency_key="k")
    same = run_deployment("etl/daily", parameters={"day": "x"}, timeout=0.01, idempotency_key="k")
    assert again.id == same.id != run.id
