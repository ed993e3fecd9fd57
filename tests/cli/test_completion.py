"""Completion in shells: commands, and names that are known from the last look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliostat.api.cli import completing, completion
from heliostat.runtime.foundation import settings

Run = Callable[..., Any]


def completed(home: Path, words: str, incomplete: str = "") -> list[str]:
    """What bash is offered after these words."""
    done = subprocess.run(
        [sys.executable, "-m", "heliostat"],
        env={
            **os.environ,
            "HELIOSTAT_HOME": str(home),
            "_HELIOSTAT_COMPLETE": "bash_complete",
            "COMP_WORDS": f"{words} {incomplete}",
            "COMP_CWORD": str(len(words.split())),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_script_for_each_shell_names_the_command(heliostat: Run, shell: str) -> None:
    shown = heliostat("completion", "show", shell)
    assert shown.exit_code == 0
    assert "_HELIOSTAT_COMPLETE" in shown.stdout


def test_installing_twice_leaves_one_block_and_what_was_there(
    heliostat: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ZDOTDIR", raising=False)
    file = tmp_path / ".zshrc"
    file.write_text("alias x=y")
    assert "Would write" in heliostat("completion", "install", "zsh", "--dry-run").stderr
    heliostat("completion", "install", "zsh")
    once = file.read_text()
    assert once.startswith("alias x=y\n") and "_HELIOSTAT_COMPLETE" in once
    file.write_text(once + "alias z=y\n")
    heliostat("completion", "install", "zsh")
    assert file.read_text() == once + "alias z=y\n"
    monkeypatch.setenv("SHELL", "/bin/csh")
    assert heliostat("completion", "install").exit_code == 2


def test_nouns_verbs_and_known_names_are_offered(heliostat_home: Path, heliostat: Run) -> None:
    assert "variable" in completed(heliostat_home, "heliostat", "var")
    assert {"get", "inspect"} <= set(completed(heliostat_home, "heliostat variable"))
    for name in ("region", "route", "zone"):
        heliostat("variable", "set", name, "1")
    completion.renew("variable")
    assert completed(heliostat_home, "heliostat variable get", "r") == ["region", "route"]


def test_names_that_are_not_known_yet_are_fetched_behind_the_persons_back(
    heliostat: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(completing, "_renew_behind", started.append)
    complete = completing.completer("variable")
    ctx: Any = None
    assert complete(ctx, ctx, "") == []  # at once, without asking anybody
    assert started == ["variable"]
    heliostat("variable", "set", "region", "1")
    assert heliostat("completion", "renew", "variable").exit_code == 0
    settings.forget_settings()
    assert [item.value for item in complete(ctx, ctx, "")] == ["region"]
    assert started == ["variable"]  # they are fresh


def test_each_kind_of_name_can_be_fetched(heliostat: Run, recorded: Any) -> None:
    for kind in completing.KINDS:
        assert heliostat("completion", "renew", kind).exit_code == 0
    settings.forget_settings()
    names, _ = completing.known_names("flow run")
    assert {"@last", "quiet-heron", str(recorded.bad)} <= set(names)
    assert completing.known_names("work pool")[0] == ["default"]
    assert "secret" in completing.known_names("block type")[0]


def test_a_spoiled_file_of_names_is_as_good_as_none(heliostat: Run, heliostat_home: Path) -> None:
    heliostat("completion", "renew", "variable")
    [file] = (heliostat_home / "completions").iterdir()
    file.write_text("[")
    settings.forget_settings()
    assert completing.known_names("variable") == ([], False)
    file.write_text(json.dumps({}))
    assert completing.known_names("variable")[0] == []
