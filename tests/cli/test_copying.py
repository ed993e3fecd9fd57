"""`import prefect` and `transfer`: what people set up is copied from one server to another."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from heliostat.runtime.foundation import settings

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

Run = Callable[..., Any]
SCHEDULE = {"schedule": {"cron": "30 6 * * *", "timezone": "Europe/Berlin"}, "active": True, "slug": "early"}


@pytest.fixture
def source(tmp_path: Path) -> Iterator[str]:
    """A server on which one thing of each kind was set up."""
    with serving(f"sqlite+aiosqlite:///{tmp_path / 'source.db'}") as server:
        with httpx.Client(base_url=server.url) as http:
            set_up(http)
        yield server.url


def set_up(http: httpx.Client) -> None:
    def post(path: str, body: Any) -> Any:
        answer = http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    post("/variables/", {"name": "region", "value": {"a": 1}, "tags": ["t"]})
    secret = http.get("/block_types/slug/secret").json()
    [schema] = post("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [secret["id"]]}}})
    block = {"block_type_id": secret["id"], "block_schema_id": schema["id"]}
    post("/block_documents/", {"name": "token", "data": {"value": "planted-word"}, **block})
    post("/v2/concurrency_limits/", {"name": "database", "limit": 3})
    post("/concurrency_limits/", {"tag": "gpu", "concurrency_limit": 2})
    post("/work_pools/", {"name": "laptops", "type": "process", "concurrency_limit": 4})
    post("/work_pools/laptops/queues", {"name": "urgent", "priority": 1})
    flow = post("/flows/", {"name": "etl"})
    made = post(
        "/deployments/",
        {
            "name": "nightly",
            "flow_id": flow["id"],
            "work_pool_name": "laptops",
            "work_queue_name": "urgent",
            "schedules": [SCHEDULE],
            "parameters": {"limit": 3},
            "concurrency_limit": 1,
        },
    )
    trigger = {
        "type": "event",
        "posture": "Reactive",
        "match": {"prefect.resource.id": f"prefect.deployment.{made['id']}"},
        "expect": ["prefect.deployment.not-ready"],
        "threshold": 1,
        "within": 0,
    }
    action = {"type": "run-deployment", "deployment_id": made["id"]}
    post("/automations/", {"name": "again", "trigger": trigger, "actions": [action]})


@pytest.fixture
def target(cli: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Commands on a server of our own."""
    with serving(sqlite_url) as server:
        monkeypatch.setenv("HELIOSTAT_API_URL", server.url)
        settings.forget_settings()
        yield cli


def read(cli: Run, *words: str) -> Any:
    return json.loads(cli(*words, "-o", "json").stdout)


def outcomes(rows: Any) -> dict[str, str]:
    return {f"{row['kind']} {row['name']}": row["what"] for row in rows}


def test_everything_is_copied_once_with_its_references(target: Run, source: str) -> None:
    assert set(outcomes(read(target, "import", "prefect", source, "--dry-run")).values()) == {
        "exists",  # the pool that every server has
        "would be copied",
    }
    assert read(target, "variable", "ls") == []
    copied = outcomes(read(target, "import", "prefect", source))
    assert {name for name, what in copied.items() if what == "copied"} == {
        "variable region",
        "block secret/token",
        "limit database",
        "limit on a tag gpu",
        "work pool laptops",
        "queue laptops/urgent",
        "deployment etl/nightly",
        "automation again",
    }
    [secret] = json.loads(
        target("api", "POST", "/block_documents/filter", "-d", '{"include_secrets": true}').stdout
    )
    assert secret["data"]["value"] == "planted-word"
    made = read(target, "deployment", "inspect", "etl/nightly")
    assert (made["paused"], made["work_queue_name"], made["parameters"]) == (True, "urgent", {"limit": 3})
    assert made["global_concurrency_limit"]["limit"] == 1
    assert made["schedules"][0]["schedule"]["timezone"] == "Europe/Berlin"
    automation = read(target, "automation", "inspect", "again")
    assert automation["enabled"] is False
    assert automation["actions"][0]["deployment_id"] == made["id"]
    assert automation["trigger"]["match"] == {"prefect.resource.id": f"prefect.deployment.{made['id']}"}
    again = outcomes(read(target, "import", "prefect", source))
    assert set(again.values()) == {"exists"}


def test_the_password_of_our_own_server_is_not_sent_to_another(
    target: Run, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str | None] = []
    before = httpx.AsyncClient.send

    async def send(self: Any, request: httpx.Request, **more: Any) -> Any:
        if str(request.url).startswith(source):
            sent.append(request.headers.get("authorization"))
        return await before(self, request, **more)

    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    monkeypatch.setenv("HELIOSTAT_API_AUTH_STRING", "me:planted-word")
    settings.forget_settings()
    target("import", "prefect", source, "--only", "variables")
    assert sent and set(sent) == {None}


def test_what_is_refused_is_told_and_the_rest_is_copied(target: Run, source: str) -> None:
    rows = json.loads(
        target(
            "import", "prefect", source, "--only", "automations", "--only", "variables", "-o", "json", code=1
        ).stdout
    )
    assert outcomes(rows) == {"variable region": "copied", "automation again": "left"}
    assert "deployment was not copied" in rows[1]["why"]


def test_active_copies_go_on_as_they_did(target: Run, source: str) -> None:
    target("import", "prefect", source, "--active")
    assert read(target, "deployment", "inspect", "etl/nightly")["paused"] is False
    assert read(target, "automation", "inspect", "again")["enabled"] is True


def test_things_are_transferred_between_profiles(target: Run, source: str, sqlite_url: str) -> None:
    with serving(sqlite_url) as third:
        target("profile", "create", "there")
        target("profile", "create", "here")
        target("config", "set", "--profile", "there", f"api_url={source}")
        assert "names no server" in target("transfer", "--from", "there", "--to", "here", code=2).stderr
        target("config", "set", "--profile", "here", f"api_url={third.url}")
        rows = read(target, "transfer", "--from", "there", "--to", "here", "--only", "limits")
        assert outcomes(rows) == {"limit database": "copied", "limit on a tag gpu": "copied"}
        target("transfer", "--from", "here", "--to", "here", code=2)
        target("transfer", "--from", "nowhere", "--to", "here", code=3)


def test_a_server_that_does_not_answer_is_an_error_that_copies_nothing(target: Run) -> None:
    target("import", "prefect", "http://127.0.0.1:9/api", code=7)
    assert "PREFECT_API_URL" in target("import", "prefect", code=2).stderr


def test_the_board_is_written_once_without_a_terminal(target: Run, recorded: Any) -> None:
    assert "default" in target("top").stdout
    seen = read(target, "top", "--hours", "2")
    assert seen["running"] == [] and seen["overview"]["pools"][0]["name"] == "default"
