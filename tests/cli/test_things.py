"""Variables, blocks, artifacts, limits, automations and events, with a server and without one."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from heliostat.api.cli.root import cli as root
from heliostat.runtime.foundation import settings

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402
from waiting import wait_for  # noqa: E402

Run = Callable[..., Any]

ALERT = {
    "name": "alert",
    "trigger": {
        "type": "event",
        "posture": "Reactive",
        "expect": ["prefect.flow-run.Failed"],
        "threshold": 1,
        "within": 0,
    },
    "actions": [{"type": "do-nothing"}],
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    with serving(f"sqlite+aiosqlite:///{folder / 'served.db'}") as server:
        yield server.url


@pytest.fixture
def cli(served: str, checked: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line on a server. It must succeed; with `code=3` it must fail with that code."""
    monkeypatch.setenv("HELIOSTAT_API_URL", served)
    return checked


@pytest.fixture(params=["with a server", "without a server"])
def anywhere(request: pytest.FixtureRequest, checked: Run) -> Run:
    """Run a command line on a server, and in another test on the database of the home."""
    return request.getfixturevalue("cli") if request.param == "with a server" else checked


def read(cli: Run, *words: str) -> Any:
    return json.loads(cli(*words, "-o", "json").stdout)


def test_a_variable_is_set_read_changed_and_unset(anywhere: Run) -> None:
    anywhere("variable", "set", "region", "eu-1", "--tag", "prod")
    anywhere("variable", "set", "limits", '{"cpu": 4}')
    assert anywhere("variable", "get", "region").stdout == "eu-1\n"
    assert json.loads(anywhere("variable", "get", "limits").stdout) == {"cpu": 4}
    assert [row["name"] for row in read(anywhere, "variable", "ls", "--tag", "prod")] == ["region"]
    refused = anywhere("variable", "set", "region", "us-1", code=1)
    assert "hint: add --overwrite" in refused.stderr
    anywhere("variable", "set", "region", "-", "--overwrite", input="us-1")
    changed = read(anywhere, "variable", "inspect", "region")
    assert (changed["value"], changed["tags"]) == ("us-1", ["prod"])  # tags that are not given stay
    assert "did you mean 'region'?" in anywhere("variable", "get", "regin", code=3).stderr
    anywhere("variable", "unset", "region", code=2)  # nobody to ask
    anywhere("variable", "delete", "region", "limits", "--dry-run")
    assert len(read(anywhere, "variable", "ls")) == 2
    anywhere("variable", "unset", "region", "limits", "--yes")
    assert read(anywhere, "variable", "ls") == []


def test_a_variable_with_a_bad_name_is_refused_and_nothing_is_set(cli: Run) -> None:
    refused = cli("variable", "set", "Two Words", "x", code=2)
    assert "name" in refused.stderr
    assert read(cli, "variable", "ls") == []


def test_a_thing_is_named_by_part_of_its_id_by_last_and_by_the_address_of_its_page(cli: Run) -> None:
    cli("variable", "set", "first", "1")
    cli("variable", "set", "second", "2")
    made = read(cli, "variable", "inspect", "second")["id"]
    assert cli("variable", "get", made[-8:]).stdout == "2\n"
    assert cli("variable", "get", "@last").stdout == "2\n"
    assert cli("variable", "get", f"http://example.com/variables/{made}?tab=x").stdout == "2\n"
    cli("variable", "unset", "first", "second", "--no-prompt")  # as scripts of the stock client do


def test_a_block_is_made_shown_masked_changed_and_deleted(anywhere: Run) -> None:
    made = anywhere(
        "block", "create", "secret", "--name", "token", "--field", "value=hidden-word"
    ).stdout.strip()
    shown = anywhere("block", "inspect", "secret/token")
    assert made in shown.stdout and "hidden-word" not in shown.stdout
    assert [row["name"] for row in read(anywhere, "blocks", "ls", "--type", "secret")] == ["token"]
    anywhere("block", "create", "secret", "--name", "token", "-f", "value=x", code=1)
    assert (
        anywhere("block", "create", "secret", "-n", "token", "-f", "value=y", "--overwrite").stdout.strip()
        == made
    )
    assert "did you mean 'secret/token'?" in anywhere("block", "inspect", "secret/tokn", code=3).stderr
    anywhere("block", "delete", "--id", made, "--yes")
    anywhere("block", "inspect", "--id", made, code=3)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (["--field", "vale=x"], "no field 'vale'"),
        ([], "'value' is a required property"),
        (["--field", "value"], "NAME=VALUE"),
        (["--data", "[1]"], "not a JSON object"),
    ],
)
def test_a_block_with_bad_fields_is_refused_by_name(cli: Run, fields: list[str], said: str) -> None:
    assert said in cli("block", "create", "secret", "--name", "bad", *fields, code=2).stderr
    assert read(cli, "block", "ls") == []


def test_types_of_blocks_are_listed_with_their_fields(cli: Run) -> None:
    slugs = cli("block", "type", "ls", "--json", "slug", "--jq", ".[].slug").stdout.split()
    assert {"secret", "slack-webhook"} <= set(slugs)
    assert "value" in cli("block", "types", "inspect", "secret").stdout
    assert "value" in read(cli, "block", "type", "inspect", "secret")["fields"]["properties"]
    assert cli("block", "type", "delete", "secret", "--yes", code=4).stderr  # came with the server


def test_artifacts_are_listed_by_key_read_and_deleted_version_by_version(anywhere: Run) -> None:
    for text in ("one", "two"):
        body = json.dumps({"key": "report", "type": "markdown", "data": text})
        anywhere("api", "POST", "/artifacts/", "--data", body)
    assert [row["key"] for row in read(anywhere, "artifact", "ls")] == ["report"]
    versions = read(anywhere, "artifact", "ls", "--all")
    assert len(versions) == 2
    assert anywhere("artifact", "get", "report").stdout == "two\n"
    assert [row["data"] for row in read(anywhere, "artifact", "inspect", "report")] == ["two", "one"]
    assert "one" in anywhere("artifact", "inspect", versions[1]["id"]).stdout
    anywhere("artifact", "delete", "--id", versions[0]["id"], "--yes")
    assert anywhere("artifact", "get", "report").stdout == "one\n"
    anywhere("artifact", "delete", "report", "--yes")
    anywhere("artifact", "inspect", "report", code=3)
    anywhere("artifact", "delete", code=2)


def test_a_named_limit_is_made_changed_switched_off_and_deleted(cli: Run) -> None:
    cli("gcl", "create", "database", "--limit", "5")
    cli("global-concurrency-limit", "create", "database", "-l", "5", code=1)
    cli("gcl", "update", "database", "--limit", "3", "--slot-decay-per-second", "0.5")
    cli("gcl", "disable", "database")
    shown = read(cli, "gcl", "inspect", "database")
    assert (shown["limit"], shown["active"], shown["slot_decay_per_second"]) == (3, False, 0.5)
    cli("gcl", "enable", "database")
    assert read(cli, "gcl", "ls")[0]["active"] is True
    assert "at least one option" in cli("gcl", "update", "database", code=2).stderr
    cli("gcl", "update", "database", "--enable", "--disable", code=2)
    cli("gcl", "delete", "database", "--yes")
    assert read(cli, "gcl", "ls") == []


def test_holders_of_a_limit_are_shown_and_their_slots_are_released(cli: Run) -> None:
    cli("gcl", "create", "database", "--limit", "2")
    body = json.dumps({"names": ["database"], "slots": 2})
    lease = json.loads(cli("api", "POST", "/v2/concurrency_limits/increment-with-lease", "-d", body).stdout)[
        "lease_id"
    ]
    assert [row["lease_id"] for row in read(cli, "gcl", "holders", "database")] == [lease]
    cli("gcl", "release", "database", "ffffffff", "--yes", code=3)
    cli("gcl", "release", "database", lease[:13], "--dry-run")
    assert read(cli, "gcl", "inspect", "database")["active_slots"] == 2
    cli("gcl", "release", "database", lease[:13], "--yes")
    assert read(cli, "gcl", "holders", "database") == []
    assert read(cli, "gcl", "inspect", "database")["active_slots"] == 0
    cli("gcl", "delete", "database", "--yes")


def test_a_limit_on_a_tag_is_made_reset_and_deleted(cli: Run) -> None:
    cli("concurrency-limit", "create", "gpu", "2")
    body = json.dumps({"names": ["gpu"], "task_run_id": "0199c1d2-0000-7000-8000-000000000001"})
    cli("api", "POST", "/concurrency_limits/increment", "-d", body)
    assert len(read(cli, "concurrency-limit", "inspect", "gpu")["active_slots"]) == 1
    assert len(read(cli, "concurrency-limit", "holders", "gpu")) == 1
    cli("concurrency-limit", "reset", "gpu", "--yes")
    assert read(cli, "concurrency-limits", "ls")[0]["active_slots"] == []
    cli("concurrency-limit", "delete", "gpu", "--yes")
    cli("concurrency-limit", "inspect", "gpu", code=3)


def test_an_automation_goes_out_as_yaml_and_comes_back_changed(cli: Run, tmp_path: Path) -> None:
    made = cli("automation", "create", "--from-json", json.dumps(ALERT)).stdout.strip()
    file = tmp_path / "alert.yaml"
    file.write_text(cli("automation", "inspect", "alert", "--yaml").stdout)
    content = yaml.safe_load(file.read_text())
    assert content["id"] == made
    file.write_text(yaml.safe_dump({**content, "description": "tells me"}))
    cli("automation", "update", "--id", made, "--from-file", str(file))
    assert read(cli, "automation", "inspect", "alert")["description"] == "tells me"
    cli("automation", "pause", "alert")
    assert read(cli, "automation", "ls")[0]["enabled"] is False
    cli("automation", "enable", "--id", made)
    assert read(cli, "automations", "inspect", made[-8:])["enabled"] is True
    cli("automation", "delete", "--all", "--dry-run")
    cli("automation", "delete", "alert", "--yes")
    assert read(cli, "automation", "ls") == []


def test_a_bad_automation_among_good_ones_makes_none(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "several.yaml"
    file.write_text(yaml.safe_dump({"automations": [ALERT, {**ALERT, "actions": [{"type": "shout"}]}]}))
    refused = cli("automation", "create", "--from-file", str(file), code=2)
    assert "shout" in refused.stderr or "actions" in refused.stderr
    assert read(cli, "automation", "ls") == []
    for bad in ("{", "[1]", "[]"):
        cli("automation", "create", "--from-json", bad, code=2)


def test_an_event_is_sent_and_found(anywhere: Run) -> None:
    sent = anywhere(
        "events", "emit", "order.paid", "--resource-id", "orders.42", "-r", "shop=eu", "-p", '{"sum": 3}'
    )
    [found] = read(anywhere, "event", "ls", "--event", "order.*", "--resource", "orders.42")
    assert found["id"] == sent.stdout.strip()
    assert found["resource"] == {"prefect.resource.id": "orders.42", "shop": "eu"}
    assert found["payload"] == {"sum": 3}
    assert "which thing" in anywhere("events", "emit", "order.paid", code=2).stderr
    assert "--payload" in anywhere("events", "emit", "x", "--resource-id", "y", "-p", "3", code=2).stderr


def test_events_are_streamed_as_they_happen(
    heliostat: Run, served: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HELIOSTAT_API_URL", served)
    settings.forget_settings()
    file = tmp_path / "events.jsonl"
    words = ["events", "stream", "--event", "order.shipped", "--run-once", "--output-file", str(file)]
    following = threading.Thread(target=lambda: root.main(words, standalone_mode=False), daemon=True)
    following.start()

    def send() -> bool:
        """Send one more, until the stream has heard one: it says nowhere when it begins to listen."""
        heliostat("events", "emit", "order.shipped", "--resource-id", "orders.7")
        return following.is_alive()

    wait_for(send, False)
    [line] = file.read_text().splitlines()
    assert json.loads(line)["resource"]["prefect.resource.id"] == "orders.7"


def test_a_stream_without_a_server_says_how_to_start_one(heliostat: Run) -> None:
    refused = heliostat("events", "stream")
    assert refused.exit_code == 7
    assert "heliostat server start" in refused.stderr
