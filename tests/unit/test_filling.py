"""What stands in `{{ ... }}` is filled in or told by its name; never is it taken as literal text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from heliostat.runtime.foundation.errors import BadDeployment, NotFound
from heliostat.runtime.projects.filling import Known, LookUp, deployers, fill
from heliostat.runtime.projects.pull_steps import project_folder

FOLDER = "prefect.deployments.steps.set_working_directory"
SHELL = "prefect.deployments.steps.run_shell_script"


def variable(name: str) -> Any:
    if name != "stage":
        raise NotFound(name)
    return {"name": "prod"}


def block(kind: str, name: str) -> Mapping[str, Any]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {
        ("secret", "token"): {"value": "s3cret"},
        ("json", "many"): {"value": {"hosts": [{"port": 1}, {"port": 2}]}},
        ("github-credentials", "ours"): {"token": "abc", "user": "ada"},
    }
    if (kind, name) not in found:
        raise NotFound(name)
    return found[kind, name]


KNOWN = Known(variable, block)


def test_placeholders_have_the_values_that_the_standard_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "here")
    given = {
        "alone": "{{ prefect.variables.stage }}",
        "within": "at {{ $PLACE }} by {{ prefect.blocks.secret.token }}",
        "system": "{{prefect.blocks.secret.token}}",
        "named": "{{ prefect.blocks.secret.token.value }}",
        "deep": ["{{ prefect.blocks.json.many.hosts[1].port }}"],
        "whole": "{{ prefect.blocks.github-credentials.ours }}",
        "output": "{{ build.image }}:{{ tag }}",
        "plain": 3,
    }
    filled = fill(given, LookUp(KNOWN, {"build": {"image": "flow"}, "tag": "v1"}))
    assert filled == {
        "alone": {"name": "prod"},
        "within": "at here by s3cret",
        "system": "s3cret",
        "named": "s3cret",
        "deep": [2],
        "whole": {"token": "abc", "user": "ada"},
        "output": "flow:v1",
        "plain": 3,
    }


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{{ $NOT_SET_ANYWHERE }}", "NOT_SET_ANYWHERE"),
        ("{{ prefect.variables.none }}", "none"),
        ("{{ prefect.blocks.secret.none }}", "none"),
        ("{{ prefect.blocks.secret }}", "prefect.blocks.secret"),
        ("{{ prefect.blocks.json.many.ports }}", "ports"),
        ("{{ other.stdout }}", "other.stdout"),
        ("{{ find-it.directory }}", "find-it.directory"),
        ("x {{ prefect.variables.stage }}", "prefect.variables.stage"),
    ],
)
def test_what_cannot_be_filled_in_is_told_by_its_name(text: str, named: str) -> None:
    steps = [{SHELL: {"script": "echo x", "id": "find-it"}}, {FOLDER: {"directory": text}}]
    with pytest.raises((BadDeployment, NotFound), match="set_working_directory") as refused:
        project_folder(steps, None, lambda _: b"", KNOWN)
    assert named in str(refused.value) and refused.value.hint


def test_later_steps_get_what_earlier_ones_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen: `{{ id.stdout }}` of run_shell_script stayed as it was written, and named no folder."""
    monkeypatch.setenv("NAME_OF_FOLDER", "there")
    (tmp_path / "there").mkdir()
    for script in (f"echo {tmp_path}/$NAME_OF_FOLDER", f"echo {tmp_path}/{{{{ $NAME_OF_FOLDER }}}}"):
        steps = [
            {SHELL: {"id": "find-it", "script": script, "stream_output": False}},
            {FOLDER: {"directory": "{{ find-it.stdout }}"}},
        ]
        assert project_folder(steps, None, lambda _: b"", KNOWN) == tmp_path / "there"
    piped = [
        {SHELL: {"script": f"echo {tmp_path}/x | sed s/x/there/", "shell": True}},
        {FOLDER: {"directory": "{{ stdout }}"}},
    ]
    assert project_folder(piped, None, lambda _: b"", KNOWN) == tmp_path / "there"


def test_a_deployer_fills_in_only_what_its_environment_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRANCH", "work")
    steps = {
        "branch": "{{ $BRANCH }}",
        "token": "{{ prefect.blocks.secret.token }}",
        "later": "{{ $LATER_ONLY }}",
    }
    assert fill(steps, deployers) == {**steps, "branch": "work"}
