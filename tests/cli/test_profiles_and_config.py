"""Profiles and settings from the command line: what is set holds, what is bad changes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


@pytest.fixture
def profiles_file(heliostat_home: Path) -> Path:
    return heliostat_home / "profiles.toml"


def test_made_profile_is_listed_and_the_used_one_is_active(heliostat) -> None:
    assert heliostat("profile", "create", "staging").exit_code == 0
    assert heliostat("profile", "use", "staging").exit_code == 0
    listed = json.loads(heliostat("profile", "ls", "-o", "json").stdout)
    assert listed == [
        {"name": "default", "active": False, "settings": 0},
        {"name": "staging", "active": True, "settings": 0},
    ]


def test_what_is_set_holds_in_the_profile_where_it_was_set(heliostat) -> None:
    heliostat("profile", "create", "staging")
    heliostat("profile", "use", "staging")
    assert heliostat("config", "set", "HELIOSTAT_LEASE_S=30", "crash_retries=4").exit_code == 0
    view = json.loads(heliostat("config", "view", "-o", "json").stdout)
    assert (view["HELIOSTAT_LEASE_S"], view["HELIOSTAT_CRASH_RETRIES"]) == ("30.0", "4")
    heliostat("profile", "use", "default")
    assert json.loads(heliostat("config", "view", "-o", "json").stdout)["HELIOSTAT_LEASE_S"] == "15.0"


def test_profile_can_start_as_a_copy(heliostat) -> None:
    heliostat("config", "set", "lease_s=30")
    heliostat("profile", "create", "prod", "--from", "default")
    assert json.loads(heliostat("profile", "inspect", "prod", "-o", "json").stdout) == {
        "HELIOSTAT_LEASE_S": "30"
    }


def test_renamed_profile_stays_active(heliostat) -> None:
    heliostat("profile", "create", "staging")
    heliostat("profile", "use", "staging")
    assert heliostat("profile", "rename", "staging", "stage").exit_code == 0
    assert [
        row["name"] for row in json.loads(heliostat("profile", "ls", "-o", "json").stdout) if row["active"]
    ] == ["stage"]


def test_unset_brings_the_default_back(heliostat) -> None:
    heliostat("config", "set", "lease_s=30")
    assert heliostat("config", "unset", "HELIOSTAT_LEASE_S").exit_code == 0
    assert heliostat("config", "view", "--changed", "-o", "jsonl").stdout.count("LEASE_S") == 0


def test_sources_tell_environment_profile_and_default_apart(
    heliostat, monkeypatch: pytest.MonkeyPatch
) -> None:
    heliostat("config", "set", "lease_s=30")
    monkeypatch.setenv("HELIOSTAT_CRASH_RETRIES", "9")
    rows = json.loads(heliostat("config", "view", "--show-sources", "-o", "json").stdout)
    sources = {row["name"]: row["source"] for row in rows}
    assert sources["HELIOSTAT_LEASE_S"] == "profile"
    assert sources["HELIOSTAT_CRASH_RETRIES"] == "environment"
    assert sources["HELIOSTAT_PROGRESS"] == "default"


@pytest.mark.parametrize("command", [("config", "view"), ("profile", "inspect"), ("version",)])
def test_password_is_masked_unless_asked_for(heliostat, command: tuple[str, ...]) -> None:
    heliostat("config", "set", "database_url=postgresql://me:hush@host/x")
    for output in ("table", "json"):
        shown = heliostat(*command, "--output", output)
        assert "hush" not in shown.output
        assert "me:******@host" in shown.stdout
    if command != ("version",):
        assert "me:hush@host" in heliostat(*command, "--show-secrets").stdout


def test_secrets_of_a_profile_are_masked_as_those_in_force_are(heliostat) -> None:
    """`profile inspect` knew of passwords in URLs only: it showed logins and the key as they were. A setting
    that is a secret says itself what people may see of it.
    """
    key = "aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2g="
    heliostat("config", "set", "server_auth_string=me:hush", "api_auth_string=hush", f"encryption_key={key}")
    for command in (("config", "view"), ("profile", "inspect")):
        values = json.loads(heliostat(*command, "-o", "json").stdout)
        assert values["HELIOSTAT_SERVER_AUTH_STRING"] == "me:******"
        assert values["HELIOSTAT_API_AUTH_STRING"] == values["HELIOSTAT_ENCRYPTION_KEY"] == "******"


def test_environment_that_wins_over_what_was_set_is_mentioned(
    heliostat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOSTAT_LEASE_S", "20")
    assert "HELIOSTAT_LEASE_S overrides" in heliostat("config", "set", "lease_s=30").stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("config", "set", "lease_s=30", "crash_retries=many"), 2, "whole number"),
        (("config", "set", "lease_s=30", "leese_s=3"), 2, "did you mean lease_s?"),
        (("config", "set", "lease_s=30", "nothing"), 2, "NAME=VALUE"),
        (("config", "set", "home=/elsewhere"), 2, "in the environment"),
        (("config", "set", "--profile", "nowhere", "lease_s=30"), 3, "no profile 'nowhere'"),
        (("config", "unset", "crash_retries"), 2, "not set in profile"),
        (("config", "unset", "lease_s", "no_such"), 2, "no setting 'no_such'"),
        (("config", "view", "leases"), 2, "did you mean lease_s?"),
        (("profile", "create", "dev"), 2, "exists already"),
        (("profile", "create", "a b"), 2, "cannot be the name"),
        (("profile", "create", "copy", "--from", "nowhere"), 3, "no profile 'nowhere'"),
        (("profile", "use", "deev"), 3, "did you mean dev?"),
        (("profile", "rename", "dev", "default"), 2, "exists already"),
        (("profile", "rename", "default", "other"), 2, "always there"),
        (("profile", "delete", "default", "--yes"), 2, "always there"),
        (("profile", "delete", "nowhere", "--yes"), 3, "no profile 'nowhere'"),
        (("profile", "delete", "active", "--yes"), 2, "is the active one"),
        (("profile", "delete", "dev"), 2, "--yes"),
        (("profile", "inspect", "nowhere"), 3, "no profile 'nowhere'"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(
    heliostat, profiles_file: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    heliostat("profile", "create", "dev")
    heliostat("profile", "create", "active")
    heliostat("profile", "use", "active")
    heliostat("config", "set", "lease_s=15")
    before = profiles_file.read_bytes()
    refused = heliostat(*words)
    assert refused.exit_code == code
    assert says in refused.stderr
    assert refused.stdout == ""
    assert profiles_file.read_bytes() == before


def test_bad_value_in_the_profile_can_be_mended_from_the_command_line(heliostat, profiles_file: Path) -> None:
    profiles_file.write_text('[profiles.default]\nHELIOSTAT_LEASE_S = "soon"\n')
    assert heliostat("config", "view").exit_code == 2
    assert heliostat("config", "set", "lease_s=3").exit_code == 0
    assert heliostat("config", "view").exit_code == 0


def test_missing_profile_that_the_environment_names_can_be_made(
    heliostat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOSTAT_PROFILE", "ci")
    assert heliostat("config", "view").exit_code == 3
    assert heliostat("profile", "ls").exit_code == 0
    assert heliostat("profile", "create", "ci").exit_code == 0
    assert heliostat("config", "view").exit_code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_home_that_cannot_be_written_is_reported(heliostat, heliostat_home: Path) -> None:
    heliostat_home.chmod(0o500)
    refused = heliostat("profile", "create", "dev")
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr


def test_home_that_is_a_file_is_reported(heliostat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HELIOSTAT_HOME", str(tmp_path / "file"))
    refused = heliostat("profile", "create", "dev")
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr
